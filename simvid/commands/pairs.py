"""``simvid pairs``: training pairs for refiners."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from simvid.errors import JobError
from simvid.generating.pair_job import FAILED, PairOutcome, run_pairs, tasks


def main(arguments: argparse.Namespace) -> int:
    """Make them, and say how many there are; exit code 9 where some were given up."""
    wanted = tasks(arguments.count, arguments.held_out, arguments.seed, arguments.size_px, arguments.samples,
                   arguments.frames, only=arguments.family)  # fmt: skip
    started, states = time.perf_counter(), Counter[str]()

    def tell(outcome: PairOutcome) -> None:
        states[outcome.state] += 1
        if arguments.quiet or outcome.state == "there":
            return
        made, left = states["made"] + states["failed"], len(wanted) - states.total()
        each = (time.perf_counter() - started) / made
        reason = f": {outcome.reason}" if outcome.reason else ""
        print(f"{states.total()}/{len(wanted)} {outcome.name} {outcome.state}{reason}  ({3600 / each:.0f} pairs/h, "
              f"{left * each / 60:.0f} min left)", file=sys.stderr, flush=True)  # fmt: skip

    out = Path(arguments.out)
    run_pairs(wanted, out, arguments.workers, tell)
    if arguments.json:
        print(json.dumps({"out": str(out), **states}))
    else:
        print(f"{out}: {states['made']} made, {states['there']} were there, {states['failed']} failed"
              + (f" (reasons in {out / FAILED})" if states["failed"] else ""))  # fmt: skip
    return JobError.exit_code if states["failed"] else 0
