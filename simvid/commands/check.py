"""``simvid check``: is every clip of a folder what it should be?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from simvid.clips.records import CLIP_FILE
from simvid.errors import ClipError
from simvid.generating.dataset_check import Findings, check_folder
from simvid.generating.soundness import clip_faults


def main(arguments: argparse.Namespace) -> int:
    """Check, list what is wrong; ``ClipError``'s code if anything is. With ``--refined``, judge that."""
    if arguments.refined is not None:
        from simvid.commands.gate import judge

        return judge(arguments)
    source = Path(arguments.source)
    if (source / CLIP_FILE).exists():
        faults = clip_faults(source)
        found = Findings(1, {source.name: faults} if faults else {})
    else:
        found = check_folder(source, arguments.workers, _told(arguments.quiet))
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
    text = f"{bad} of {found.clips} clips are damaged or failed a self-check" if bad else ""
    text += ("; " if bad and missing else "") + (f"{missing} clips of the job are not made" if missing else "")
    print(f"simvid: {source}: {text}; nothing was changed", file=sys.stderr)
    return ClipError.exit_code


def _told(quiet: bool):  # type: ignore[no-untyped-def]
    def told(done: int, count: int) -> None:
        if not quiet and (done == count or done % 100 == 0):
            print(f"{done}/{count} checked", file=sys.stderr, flush=True)

    return told
