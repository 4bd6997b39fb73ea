"""``simvid check``: is every clip of a folder what it should be?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from simvid.clips.records import CLIP_FILE
from simvid.errors import ClipError, UsageError
from simvid.generating.dataset_check import Findings, check_folder
from simvid.generating.soundness import clip_faults


def main(arguments: argparse.Namespace) -> int:
    """Check, list what is wrong; ``ClipError``'s code if anything is. With ``--refined``, judge that."""
    if arguments.refined is not None:
        from simvid.commands.gate import judge

        if arguments.plot is not None:
            raise UsageError("--plot: draws the receipt of a clip, not of a refinement; with --refined the scores are "
                             "drawn beside the video")  # fmt: skip
        if arguments.workers is not None:
            raise UsageError("--workers: is for the clips of a folder; with --refined one clip is judged")
        return judge(arguments)
    source = Path(arguments.source)
    if (source / CLIP_FILE).exists():
        faults = clip_faults(source)
        found = Findings(1, {source.name: faults} if faults else {})
        if arguments.plot is not None:
            _plot(source, Path(arguments.plot))
    elif arguments.plot is not None:
        raise ClipError(f"--plot: expected a clip to draw, got {source}, which is a folder without {CLIP_FILE}")
    else:
        found = check_folder(source, arguments.workers or 1, _told(arguments.quiet))
    if arguments.json:
        print(
            json.dumps({"folder": str(source), "clips": found.clips, "faults": found.faults, "missing": found.missing})
        )
    else:
        for line in found.lines():
            print(line)
    if found.sound:
        if not (arguments.json or arguments.quiet):
            print(f"{found.clips} clips, all sound")
        return 0
    bad, missing = len(found.faults), len(found.missing)
    text = f"{bad} of {found.clips} clips are damaged, failed a self-check or broke physics" if bad else ""
    text += ("; " if bad and missing else "") + (f"{missing} clips of the job are not made" if missing else "")
    print(f"simvid: {source}: {text}; nothing was changed", file=sys.stderr)
    return ClipError.exit_code


def _plot(source: Path, path: Path) -> None:
    """Draw the receipt of a clip.

    Raises:
        SimvidError: the file does not end in .svg, or the receipt cannot be made.
    """
    from simvid.clip import Clip
    from simvid.clips.folders import new_file
    from simvid.jobs.receipts import receipt_with_curves
    from simvid.viewing.receipt_charts import receipt_charts

    if path.suffix != ".svg":
        raise ClipError(f"--plot: expected a file that ends in .svg, got {path}")
    clip = Clip.open(source)
    receipt, curves = receipt_with_curves(clip)
    with new_file(path) as work:
        work.write_text(receipt_charts(receipt, curves, clip.fps))


def _told(quiet: bool):  # type: ignore[no-untyped-def]
    def told(done: int, count: int) -> None:
        if not quiet and (done == count or done % 100 == 0):
            print(f"{done}/{count} checked", file=sys.stderr, flush=True)

    return told
