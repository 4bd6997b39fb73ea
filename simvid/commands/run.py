"""``simvid run``, ``simulate`` and ``render``: a scene becomes a clip."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from simvid.catalogue import BackendShelf, find
from simvid.clip import Clip
from simvid.clips.records import CLIP_FILE
from simvid.commands.reporting import Times, checks_in_short, laws_in_short, reporter_for
from simvid.errors import CheckError, CheckWarning, ClipError, SceneError
from simvid.frames import LABELS
from simvid.parsing import load_scene, parse_scene
from simvid.pipeline import run
from simvid.scene import Scene


def main(arguments: argparse.Namespace) -> int:
    """Run it and say where things are; ``CheckError``'s code if labels failed a self-check or physics broke a law."""
    scene, origin, out = _source(arguments)
    if arguments.sample is not None and not scene.randomize:
        raise SceneError(f"--sample: expected none, as {scene.name} randomizes nothing, got {arguments.sample}")
    times, shown = reporter_for(arguments)
    with shown, warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckWarning)  # told below
        clip = run(
            scene, arguments.out or out, frames=arguments.frames, sample_index=arguments.sample, until=arguments.until,
            trajectory=origin, force=arguments.force, reporter=times,
        )  # fmt: skip
    if arguments.json:
        print(json.dumps(summary(clip, times), indent=1))
    elif arguments.quiet:
        print(clip.path)
    else:
        print("\n".join(lines(clip, times)))
    for check in clip.failed_checks:
        print(f"simvid: self-check {check.line()}", file=sys.stderr)
    for law in clip.broken_laws:
        print(f"simvid: physics: {law.line()}", file=sys.stderr)
    return CheckError.exit_code if clip.failed_checks or clip.broken_laws else 0


def source_scene(arguments: argparse.Namespace) -> Scene:
    """The scene with what the options change."""
    return load_scene(arguments.scene, overrides_of(arguments))


def overrides_of(arguments: argparse.Namespace) -> list[str]:
    """What the options change in a scene, as ``--set`` takes it."""
    overrides = list(arguments.overrides)
    for path, value in (
        ("render", shelf_entry("renderer", arguments.renderer)),
        ("refine.refiner", shelf_entry("refiner", arguments.refiner)),
        ("refine.look", arguments.look),
    ):
        if value is not None:
            overrides.append(f"{path}={json.dumps(value)}")
    if arguments.labels is not None:
        overrides.append(f"labels={json.dumps(_labels(arguments.labels))}")
    return overrides


def _source(arguments: argparse.Namespace) -> tuple[Scene, Clip | None, Path]:
    """The scene, and for a clip folder the clip and the folder that it lies in."""
    if arguments.out == "":
        raise ClipError("--out: expected a folder, got nothing")
    overrides = overrides_of(arguments)
    folder = Path(arguments.scene)
    if arguments.until == "rendering" and (folder / CLIP_FILE).is_file():
        clip = Clip.open(folder)
        text = json.dumps(clip.record.scene)
        scene = parse_scene(text, str(folder / CLIP_FILE), clip.scene._base, overrides, cut=True)
        return scene, clip, folder.parent
    return load_scene(arguments.scene, overrides), None, Path("out")


def _labels(text: str) -> list[str]:
    """Names of labels with commas between them, ``all`` among them."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in ("all", *LABELS):
            near = get_close_matches(name, LABELS, n=1)
            hint = f"\n  hint: did you mean {near[0]!r}?" if near else ""
            known = ", ".join(LABELS)
            raise SceneError(f"--labels: expected all, or names of {known} with commas between, got {text!r}{hint}")
    return names


def shelf_entry(kind: Literal["renderer", "refiner"], value: str | None) -> str | None:
    """The name on the shelf, or the whole path of a file named from here."""
    if value is None:
        return None
    shelf: BackendShelf = "renderers" if kind == "renderer" else "refiners"
    try:
        path = find(shelf, value)
    except SceneError as error:
        raise SceneError(f"--{kind}: {str(error).removeprefix(f'{shelf}: ')}") from error
    return value if path.stem == value else str(path.resolve())


def summary(clip: Clip, times: Times) -> dict[str, Any]:
    """For programs."""
    cameras = [c.name for c in clip.record.cameras]
    return {
        "clip": str(clip.path),
        "content_hash": clip.content_hash,
        "input_hash": clip.record.input_hash,
        "frames": clip.frame_count,
        "was_there": times.was_there,
        "reused": times.reused,
        "stages_s": times.stages_s,
        "videos": {name: str(clip.video(name)) for name in cameras},
        "refined": {r.name: {c: str(clip.video(c, r.name)) for c in r.cameras} for r in clip.record.refined},
        "contact_sheet": str(clip.path / "contact_sheet.png") if cameras else None,
        "checks": [check.model_dump(mode="json") for check in clip.record.checks],
        "success": None if clip.record.success is None else clip.record.success.model_dump(mode="json"),
        "receipt": None if clip.record.receipt is None else clip.record.receipt.model_dump(mode="json"),
        "labels": {name: [str(p) for p in label_pictures(clip, name)] for name in cameras},
    }


def label_pictures(clip: Clip, camera: str) -> list[Path]:
    """Overview pictures of a camera's labels."""
    prefix = f"cameras/{camera}/labels/"
    return [clip.path / name for name in clip.record.files if name.startswith(prefix)]


def lines(clip: Clip, times: Times) -> list[str]:
    """For people."""
    found = [("clip", str(clip.path))]
    for camera in clip.record.cameras:
        found.append(("video", str(clip.video(camera.name))))
        found += [("refined video", str(clip.video(camera.name, r.name))) for r in clip.record.refined]
        names = ",".join(p.stem for p in label_pictures(clip, camera.name))
        if names:
            found.append(("label pictures", f"{clip.path / camera.folder / 'labels'}/{{{names}}}.png"))
    if clip.record.cameras:
        found.insert(1, ("contact sheet", str(clip.path / "contact_sheet.png")))
        found.append(("self-checks", checks_in_short(clip.record.checks)))
    else:
        found.append(("trajectory", str(clip.path / "trajectory.npz")))
    if clip.record.receipt is not None:
        found.append(("physics", laws_in_short(clip.record.receipt)))
    if clip.record.success is not None:
        found += [("task" if not k else "", text) for k, text in enumerate(clip.record.success.lines())]
    found.append(("time", "  ".join(f"{stage} {seconds:.1f} s" for stage, seconds in times.stages_s.items())))
    found.append(("content hash", clip.content_hash))
    return [f"{name:<15} {value}" for name, value in found]
