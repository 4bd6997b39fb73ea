"""What each stage depends on, as plain values: equal inputs mean that a stage need not be run again.

Arrays and files go in as digests of their content, so a mesh that changes under the same name is noticed, and one that
moves is not. What a scene says goes in whole, less what cannot matter to the stage, so that a new field counts at once.
"""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from pydantic import BaseModel

from simvid import __version__
from simvid.assets.parts import PartAssets, SceneAssets
from simvid.assets.robot_model import RobotModel
from simvid.clips.arrays import digest
from simvid.clips.digests import hash_of
from simvid.clips.records import Backend
from simvid.rendering import traced
from simvid.scene import Scene

Inputs: TypeAlias = dict[str, Any]
MODULES = (
    "camera_path", "derived", "frames", "gaussians", "lens", "mesh", "motion", "optics", "rotations", "shutter",
    "spherical_harmonics", "success", "tracks", "trajectory", "trajectory_io",
)  # fmt: skip
"""Modules that stages share."""
PACKAGES = ("scene", "assets", "surfaces", "deforming", "perception")
"""Packages that they share."""
OTHERS = {"export": ("captions",)}
"""Packages that one of them uses besides."""
WRITERS = (
    "clips/arrays", "clips/camera_file", "clips/tables", "clips/video", "clips/writing", "jobs/box_tables",
    "jobs/label_files",
)  # fmt: skip
"""What their files are written by."""
NO_PHYSICS = {
    "name",
    "description",
    "cameras",
    "rigs",
    "lights",
    "look",
    "render",
    "refine",
    "labels",
    "randomize",
    "success",
}
NO_PICTURE = {
    "name", "description", "seed", "physics", "bodies", "robots", "materials", "cameras", "render", "refine", "labels",
    "randomize", "success",
}  # fmt: skip
"""Bodies, robots and materials come into pictures as the trajectory and as what their parts look like."""
LENS_KEYS = {"name", "lens", "near_m", "shutter", "focus", "sensor"}
"""Of a camera: what its pictures depend on besides where it stands and how wide it sees."""


def physics_inputs(assets: SceneAssets, engine: Backend) -> Inputs:
    """What a trajectory depends on: all of the scene but looks, cameras and lights; colliders, masses, robot files."""
    scene = assets.scene
    tree = _without_looks(scene.model_dump(mode="json", exclude=NO_PHYSICS), keep=("materials",))
    for robot, model in zip(tree["robots"], assets.robots, strict=True):
        robot["model"] = robot_digest(model)
    solid = [(p.part, p.pose, p.colliders, p.mass, p.deformable) for p in assets.parts]
    return {"stage": "physics", "simvid": code_version("physics"), "engine": engine.model_dump(), "scene": tree,
            "parts": digest_of(solid)}  # fmt: skip


def physics_changes(known: Scene, asked: Scene) -> list[str]:
    """The keys of two scenes that differ where the trajectory depends on them, as ``--set`` takes them.

    A seed counts where there are robots: their scripts alone draw from it.
    """
    leave = NO_PHYSICS if asked.robots or known.robots else NO_PHYSICS | {"seed"}
    trees = (_without_looks(scene.model_dump(mode="json", exclude=leave), keep=("materials",))
             for scene in (known, asked))  # fmt: skip
    return sorted(_differing(*trees))


def picture_changes(known: Scene, asked: Scene) -> list[str]:
    """The keys of two scenes that differ where pictures of one motion from the same places depend on them, less light.

    Cameras that the first does not have are left out.
    """
    shown = {"ground", "materials", "bodies", "robots"}

    def tree(scene: Scene) -> dict[str, Any]:
        views = [view.model_dump(mode="json", include=LENS_KEYS) for view in scene.views if known.view(view.name)]
        return {**scene.model_dump(mode="json", include=shown), "cameras": views}

    return sorted(_differing(tree(known), tree(asked)))


def render_inputs(assets: SceneAssets, camera: str, renderer: Backend, trajectory: str) -> Inputs:
    """What a camera's frames depend on: the trajectory's digest, looks, lights, this one camera, labels, renderer."""
    scene = assets.scene
    tree = scene.model_dump(mode="json", exclude=NO_PICTURE)
    if scene.ground is not None:
        tree["ground"]["material"] = scene.material(scene.ground.material).look.model_dump(mode="json")
    view = scene.view(camera)
    assert view is not None, "it is a camera of the scene"
    drawn = (view.sensor is not None and view.sensor.noise is not None) or bool(
        {"depth_sensor", "tracks", traced.LABEL} & set(scene.labels)
    )
    tracer = traced.tracer_version(scene.labels)
    return {
        **({"tracer": tracer} if tracer else {}),
        "stage": "rendering",
        "simvid": code_version("rendering"),
        "renderer": renderer.model_dump(),
        "trajectory": trajectory,
        "scene": tree,
        "camera": view.model_dump(mode="json"),
        "beside_m": view._beside_m,
        "seed": scene.seed if drawn else None,
        "labels": sorted(set(scene.labels) - {"contacts"}),
        "visuals": [visuals_digest(part) for part in assets.parts],
        "parts": digest_of([(p.part, p.deformable) for p in assets.parts]),
    }


def refine_inputs(
    refiner: Backend, look: str, seed: int, arrays: Mapping[str, str], context: str | None = None
) -> Inputs:
    """What refined pictures depend on: the digests of the arrays that the refiner reads, itself, look and seed.

    And the digest of what it is told of the clip, where it listens.
    """
    told = {} if context is None else {"context": context}
    return {
        **told,
        "stage": "refining",
        "simvid": code_version("refining"),
        "refiner": refiner.model_dump(exclude={"entry"}),
        "look": look,
        "seed": seed,
        "arrays": dict(arrays),
    }


def check_inputs(camera: str, rendered: str, refined: str | None) -> Inputs:
    """What the self-checks of a camera depend on: the keys of its frames and of its refined pictures."""
    return {
        "stage": "checking",
        "simvid": code_version("checking"),
        "camera": camera,
        "rendered": rendered,
        "refined": refined,
    }


def clip_inputs(scene: Scene, stages: Collection[Inputs], sampled: Mapping[str, Any]) -> Inputs:
    """What a whole clip depends on."""
    return {
        "name": scene.name,
        "description": scene.description,
        "labels": sorted(scene.labels),
        "sampled": dict(sampled),
        "success": [predicate.model_dump(mode="json", exclude_none=True) for predicate in scene.success],
        "stages": [hash_of(inputs) for inputs in stages],
    }


def code_files(stage: str) -> list[Path]:
    """The files of the code that the results of a stage depend on, sorted."""
    package = Path(__file__).resolve().parents[1]
    files = [package / f"{name}.py" for name in (*MODULES, *WRITERS)]
    folders = (*PACKAGES, *OTHERS.get(stage, ()), stage)
    return sorted([*files, *(path for folder in folders for path in (package / folder).rglob("*.py"))])


@cache
def code_version(stage: str) -> str:
    """Version of simvid, with a digest of the code that a stage runs: results of older code are not used again."""
    package = Path(__file__).resolve().parents[1]
    total = hashlib.sha256()
    for path in code_files(stage):
        total.update(f"{path.relative_to(package).as_posix()}:{len(path.read_bytes())};".encode() + path.read_bytes())
    return f"{__version__} {total.hexdigest()[:16]}"


def visuals_digest(part: PartAssets) -> str:
    """Digest of what a part looks like."""
    return digest_of(part.visuals)


def robot_digest(model: RobotModel) -> str:
    """Digest of a robot's model file and of every file that it names, wherever they lie."""
    root = ET.fromstring(model.xml)
    for element in root.iter():
        for name, value in element.attrib.items():
            if name in {"file", "filename"} and Path(value).is_file():
                element.set(name, hashlib.sha256(Path(value).read_bytes()).hexdigest())
    return digest_of((ET.tostring(root, encoding="unicode"), model.home, model.base, model.fixed_base))


def digest_of(value: object) -> str:
    """SHA-256 of nested values: dataclasses, pydantic models, sequences, arrays, numbers, text.

    Raises:
        TypeError: something else, whose text might change from run to run.
    """
    total = hashlib.sha256()
    _feed(total, value)
    return total.hexdigest()


def _feed(total: hashlib._Hash, value: object) -> None:
    if isinstance(value, np.ndarray):
        total.update(f"array:{digest([value])};".encode())
    elif value is None or isinstance(value, str | int | float | bool):
        total.update(f"{type(value).__name__}:{value!r};".encode())
    elif is_dataclass(value) and not isinstance(value, type):
        total.update(f"{type(value).__name__}(".encode())
        for field in fields(value):
            total.update(f"{field.name}=".encode())
            _feed(total, getattr(value, field.name))
        total.update(b")")
    elif isinstance(value, Sequence):
        total.update(f"[{len(value)};".encode())
        for item in value:
            _feed(total, item)
    elif isinstance(value, BaseModel):
        total.update(f"{type(value).__name__}{value.model_dump_json()};".encode())
    else:
        raise TypeError(f"digest_of: expected plain values, arrays and dataclasses, got {type(value).__name__}")


def _without_looks(tree: Any, keep: Sequence[str] = ()) -> Any:
    """The tree less every ``look`` mapping; below the keys in ``keep`` the next level holds names that people chose."""
    if isinstance(tree, dict):
        return {
            key: {name: _without_looks(item) for name, item in value.items()} if key in keep else _without_looks(value)
            for key, value in tree.items()
            if key != "look" or not (value is None or isinstance(value, dict))
        }
    return [_without_looks(item) for item in tree] if isinstance(tree, list) else tree


def _differing(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Where two trees differ; items of a list go by their names, where they have some."""
    one, other = (
        {item.get("name", str(k)): item for k, item in enumerate(tree)}
        if isinstance(tree, list) and all(isinstance(item, dict) for item in tree)
        else tree
        for tree in (one, other)
    )
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from _differing(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))
    elif one != other:
        yield path
