"""``simvid refine``: another refinement of a clip that is there."""

from __future__ import annotations

import argparse
import json

from simvid.clip import Clip
from simvid.commands.reporting import reporter_for
from simvid.commands.run import shelf_entry
from simvid.jobs.refine_clip import refine_clip


def main(arguments: argparse.Namespace) -> int:
    """Refine, and say where the videos are."""
    clip = Clip.open(arguments.clip)
    wanted = clip.scene.refine
    times, shown = reporter_for(arguments)
    with shown:
        clip, record = refine_clip(
            clip,
            shelf_entry("refiner", arguments.refiner) or wanted.refiner,
            look=arguments.look or wanted.look,
            seed=arguments.seed,
            force=arguments.force,
            reporter=times,
        )
    videos = {camera: str(clip.video(camera, record.name)) for camera in record.cameras}
    if arguments.json:
        result = {"clip": str(clip.path), "refined": record.name, "videos": videos, "stages_s": times.stages_s,
                  "content_hash": clip.content_hash}  # fmt: skip
        print(json.dumps(result, indent=1))
        return 0
    for path in videos.values():
        print(path if arguments.quiet else f"{'refined video':<15} {path}")
    if not arguments.quiet:
        print(f"{'content hash':<15} {clip.content_hash}")
    return 0
