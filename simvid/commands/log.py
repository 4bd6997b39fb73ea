"""``simvid log``: a clip as a recording for the rerun viewer."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from simvid.clip import Clip
from simvid.viewing.recording import write_recording
from simvid.viewing.server import MOST


def main(arguments: argparse.Namespace) -> int:
    """Write the recording; say so where it has no splats."""
    clip = Clip.open(arguments.clip)
    path = Path(arguments.output) if arguments.output else clip.path.parent / f"{clip.path.name}.rrd"
    trouble = write_recording(clip, path, arguments.splats or MOST)
    if arguments.json:
        print(json.dumps({"recording": str(path), "frames": clip.frame_count, "splats": not trouble}))
    elif arguments.quiet:
        print(path)
    else:
        print(f"{path}   {path.stat().st_size / 1e6:.1f} MB; look at it with  rerun {path}")
    if trouble and not arguments.quiet:
        print(f"boxes without splats: {trouble}", file=sys.stderr)
    return 0
