"""``simvid sample``: the first frames of many samples of a scene on one sheet."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from simvid.clips.contact_sheet import save_png
from simvid.clips.folders import new_file
from simvid.commands.run import source_scene
from simvid.errors import UsageError
from simvid.generating.sampling import first_frames, sheet


def main(arguments: argparse.Namespace) -> int:
    """Draw the sheet, and say where it is."""
    if arguments.output and Path(arguments.output).suffix != ".png":
        raise UsageError(f"--output: expected a file that ends in .png, got {arguments.output}")
    scene = source_scene(arguments)
    started = time.perf_counter()
    indices = range(arguments.first, arguments.first + arguments.count)
    made = first_frames(scene, indices, arguments.camera)
    path = Path(arguments.output or f"{scene.name}-samples.png")
    title = f"{scene.name}: samples {indices.start} to {indices.stop - 1}, at their start"
    with new_file(path) as unfinished:
        save_png(unfinished, sheet(title, made))
    seconds = time.perf_counter() - started
    bad = [one for one in made if one.picture is None]
    if arguments.json:
        samples = [{"sample": one.index, "values": one.values, "fault": one.reason or None} for one in made]
        print(json.dumps({"sheet": str(path), "seconds": round(seconds, 2), "samples": samples}, indent=1))
    else:
        print(path)
        if not arguments.quiet:
            print(f"{len(made)} samples in {seconds:.1f} s", file=sys.stderr)
    for one in bad:
        print(f"simvid: sample {one.index} cannot be: {one.reason}", file=sys.stderr)
    return 0
