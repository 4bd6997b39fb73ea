"""``simvid replay``: stored trajectories seen again, without new physics."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from simvid.commands.generate import ProgressLines, options_of, summed_up
from simvid.commands.run import overrides_of, shelf_entry
from simvid.errors import JobError, SceneError
from simvid.generating.job_folder import JobFolder
from simvid.generating.replay import Passes, refine_all, replay
from simvid.yaml_reading import read_yaml


def main(arguments: argparse.Namespace) -> int:
    """See the clips again in a new folder, or add a refinement to each in its place."""
    refining = arguments.refiner is not None or arguments.look is not None
    seen = arguments.add_camera or arguments.camera or arguments.labels is not None or arguments.renderer is not None
    if not (seen or refining):
        raise SceneError("replay: expected something to see: --add-camera, --camera, --labels, --renderer or --refiner")
    if refining and not seen and arguments.out is None:
        return _refine(arguments)
    if arguments.out is None:
        raise SceneError("--out: expected a folder for the new clips, got nothing")
    arguments.overrides = []
    passes = Passes(
        cameras=tuple(_camera(text) for text in arguments.add_camera),
        keep=tuple(arguments.camera) or None,
        overrides=tuple(overrides_of(arguments)),
        until="refining" if refining else "rendering",
    )
    end = replay(arguments.source, arguments.out, passes, options_of(arguments), ProgressLines(arguments.quiet))
    return summed_up(arguments, JobFolder(Path(arguments.out)), end)


def _camera(text: str) -> dict[str, Any]:
    """A camera from YAML."""
    document = read_yaml(text, "--add-camera")
    if document.faults:
        raise SceneError.of(document.faults)
    if not isinstance(document.tree, dict):
        raise SceneError(f"--add-camera: expected a mapping such as {{name: top, pose: {{…}}}}, got {text!r}")
    return document.tree


def _refine(arguments: argparse.Namespace) -> int:
    refiner = shelf_entry("refiner", arguments.refiner)
    given_up = refine_all(arguments.source, refiner, arguments.look, options_of(arguments))
    if arguments.json:
        print(json.dumps({"folder": arguments.source, "given_up": given_up}))
    elif not given_up and not arguments.quiet:
        print(f"{arguments.source}: every clip is refined")
    for name, reason in given_up.items():
        print(f"simvid: {name} was not refined: {reason.splitlines()[0]}", file=sys.stderr)
    return JobError.exit_code if given_up else 0
