"""Geometry of robot links, kept in the user's cache: reading 33 MB of OBJ text takes a second, this a tenth of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.cache import cache_folder, key_of, load_arrays, store_arrays
from simvid.assets.paths import content_hash
from simvid.assets.pieces import Collider, Visual
from simvid.assets.robot_model import Mimic, RobotJoint, RobotLink, RobotModel
from simvid.mesh import Mesh
from simvid.scene import Look

VERSION = 1
"""Raised whenever reading a robot gives something else for the same files."""
MESH_FIELDS = ("vertices", "faces", "normals", "uvs", "texture", "vertex_colors")


def robot_key(xml: str, files: Sequence[Path], fixed_base: bool, reader: str) -> str:
    """Key of a robot: its expanded text, the content of every file it names, and what reads them."""
    return key_of("robot", VERSION, reader, xml, fixed_base, *(content_hash(path) for path in sorted(files)))


def load_robot_model(key: str, path: Path) -> RobotModel | None:
    """The model stored under a key, or None."""
    arrays = load_arrays(_file(key))
    if arrays is None:
        return None
    try:
        return _unpacked(arrays, path)
    except (KeyError, ValueError, TypeError):
        return None  # damaged; it is read anew and written over


def store_robot_model(key: str, model: RobotModel) -> None:
    """Store a model without name and base pose."""
    store_arrays(_file(key), _packed(model))


def _file(key: str) -> Path:
    return cache_folder() / "robots" / f"{key}.npz"


def _packed(model: RobotModel) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {"home": model.home}

    def mesh(name: str, mesh: Mesh | None) -> Any:
        if mesh is None:
            return None
        kept = [f for f in MESH_FIELDS if getattr(mesh, f) is not None]
        arrays.update({f"{name}.{f}": getattr(mesh, f) for f in kept})
        return {"name": name, "fields": kept, "base_color": mesh.base_color}

    links = []
    for k, link in enumerate(model.links):
        arrays[f"{k}.pose"] = link.pose
        visuals, colliders = [], []
        for i, visual in enumerate(link.visuals):
            visuals.append({"look": visual.look.model_dump_json(), "mesh": mesh(f"{k}.v{i}", visual.mesh)})
        for i, collider in enumerate(link.colliders):
            arrays[f"{k}.c{i}.pose"] = collider.pose
            rest = {"kind": collider.kind, "dimensions": collider.dimensions, "friction": collider.friction}
            colliders.append({**rest, "mesh": mesh(f"{k}.c{i}", collider.mesh)})
        links.append({"name": link.name, "parent": link.parent, "visuals": visuals, "colliders": colliders})
    joints = []
    for k, joint in enumerate(model.joints):
        arrays[f"j{k}"] = np.stack([joint.axis, joint.anchor])
        joints.append({n: v for n, v in asdict(joint).items() if n not in {"axis", "anchor"}})
    head = {"format": model.format, "xml": model.xml, "fixed_base": model.fixed_base, "links": links, "joints": joints}
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
    return arrays


def _unpacked(arrays: dict[str, NDArray[Any]], path: Path) -> RobotModel:
    head = json.loads(arrays["head"].tobytes())

    def mesh(stored: Any) -> Mesh | None:
        if stored is None:
            return None
        red, green, blue = stored["base_color"]
        fields = {f: arrays[f"{stored['name']}.{f}"] for f in stored["fields"]}
        return Mesh(**fields, base_color=(red, green, blue))

    links = []
    for k, link in enumerate(head["links"]):
        visuals = tuple(Visual(Look.model_validate_json(v["look"]), mesh=mesh(v["mesh"])) for v in link["visuals"])
        colliders = tuple(
            Collider(
                c["kind"], tuple(c["dimensions"]), arrays[f"{k}.c{i}.pose"], c["friction"], 0.0, mesh=mesh(c["mesh"])
            )
            for i, c in enumerate(link["colliders"])
        )
        links.append(RobotLink(link["name"], link["parent"], arrays[f"{k}.pose"], visuals, colliders))
    joints = []
    for k, joint in enumerate(head["joints"]):
        axis, anchor = arrays[f"j{k}"]
        mimic = joint.pop("mimic")
        whole = RobotJoint(axis=axis, anchor=anchor, **joint)
        tied = Mimic(mimic["leader"], tuple(mimic["coefficients"])) if mimic else None
        joints.append(replace(whole, mimic=tied))
    return RobotModel(
        "",
        path,
        head["format"],
        head["xml"],
        tuple(links),
        tuple(joints),
        arrays["home"],
        np.eye(4),
        head["fixed_base"],
    )
