"""``simvid show``: what is in a clip."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from simvid.clip import Clip
from simvid.errors import ClipError


def main(arguments: argparse.Namespace) -> int:
    """Describe the clip; ``ClipError``'s code if it does not hold what it says."""
    clip = Clip.open(arguments.clip)
    faults = clip.verify() if arguments.verify else []
    if arguments.json:
        tree = clip.record.model_dump(mode="json")
        print(json.dumps({**tree, "faults": faults} if arguments.verify else tree, indent=1))
    elif not arguments.quiet:
        print("\n".join(_lines(clip)))
    if faults:
        raise ClipError(f"{clip.path}: {len(faults)} files are not what they were\n" + "\n".join(faults))
    if arguments.verify and not (arguments.quiet or arguments.json):
        print(f"all {len(clip.record.files)} files hold what they should")
    return 0


def _lines(clip: Clip) -> Iterator[str]:
    record = clip.record
    size = sum(file.bytes for file in record.files.values())
    yield f"{record.name}: {record.description}" if record.description else record.name
    yield f"  {record.frame_count} frames at {record.fps:g} fps, seed {record.seed}, {size / 1e6:.1f} MB"
    yield f"  content {record.content_hash}"
    if record.replayed_from is not None:
        yield f"  replayed from {record.replayed_from.clip} (content {record.replayed_from.content_hash[:16]})"
    yield f"  physics {record.physics.backend} ({record.physics.version})"
    for camera in record.cameras:
        yield f"  camera {camera.name}: {camera.width} x {camera.height} px, {', '.join(camera.arrays)}"
    for refined in record.refined:
        yield f"  refined {refined.name}: look {refined.look}, seed {refined.seed}, {', '.join(refined.cameras)}"
    for path, value in record.sampled.items():
        yield f"  drawn {path} = {value}"
    yield "  id  part"
    for part in record.parts[:40]:
        mass = "fixed" if part.fixed else "" if part.mass_kg is None else f"{part.mass_kg:.4g} kg"
        yield f"  {part.id:>3} {part.name:<24} {part.category:<16} {mass}".rstrip()
    if len(record.parts) > 40:
        yield f"      and {len(record.parts) - 40} more"
    if record.success is not None:
        head, *conditions = record.success.lines()
        yield f"  task {head}"
        yield from (f"    {text}" for text in conditions)
    yield from _logs(clip)
    if record.checks:
        yield "  self-checks"
    for check in record.checks:
        yield f"    {check.line()}"
    if record.receipt is not None:
        yield "  physics receipt"
        yield from (f"    {law.line()}" for law in record.receipt.laws)
        if record.receipt.energy_j:
            yield f"    budget [J]: {', '.join(f'{k} {v:.4g}' for k, v in record.receipt.energy_j.items())}"
        yield f"    trajectory {record.receipt.trajectory}"
    for stage in record.stages:
        yield f"  stage {stage.stage:<24} {stage.wall_s:6.1f} s  {stage.key[:16]}"


def _logs(clip: Clip) -> Iterator[str]:
    """What the robots did when."""
    try:
        robots = clip.trajectory.robots
    except ClipError:
        yield "  what robots did cannot be read: the trajectory is damaged (--verify says more)"
        return
    for robot in robots:
        yield from (f"  {robot.name} at {t:.2f} s: {text}" for t, text in robot.log)
