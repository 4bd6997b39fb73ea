"""``simvid evaluate``: compare refined with true pictures, of a clip or of training pairs."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.commands.reporting import reporter_for
from simvid.errors import UsageError
from simvid.evaluating.table import markdown
from simvid.jobs.evaluation.cases import Case, Split, pair_cases, sample_folder
from simvid.jobs.evaluation.files import JSON_FILE, TABLE_FILE, VIDEOS, Report, Shown, check_place, write_report
from simvid.jobs.evaluation.judge import Row, compare, heading, judge
from simvid.jobs.evaluation.variants import Variant, ablations
from simvid.perception.squeezenet import imagenet_features
from simvid.progress import Reporter


def main(arguments: argparse.Namespace) -> int:
    """Compare, write the tables and videos, and show the means."""
    _check(arguments)
    out = Path(arguments.out)
    check_place(out)
    times, shown_progress = reporter_for(arguments)
    with shown_progress:
        report, shown = (_clip if arguments.clip else _pairs)(arguments, times)
    write_report(out, report, shown)
    if arguments.json:
        print(json.dumps({"out": str(out), **report.json()}, indent=1))
        return 0
    if not arguments.quiet:
        print(markdown({row.name: row.mean for row in report.rows}))
        videos = f", {out / VIDEOS}" if shown.cases else ""
        print(f"{out / JSON_FILE}, {out / TABLE_FILE}{videos}", file=sys.stderr)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Arguments that go together."""
    if arguments.clip is None:
        if not arguments.refiner:
            raise UsageError("evaluate: expected a clip with --refined NAME, or --refiner ENTRY to refine pairs with")
        wrong = [("--refined", arguments.refined), ("--reference", arguments.reference)]
        where = "of a clip; name the clip"
    else:
        wrong = [("--data", arguments.data), ("--split", arguments.split), ("--count", arguments.count),
                 ("--ablate", arguments.ablate)]  # fmt: skip
        where = "of training pairs; leave out the clip, or make a refinement with  simvid refine"
    for option, value in wrong:
        if value:
            raise UsageError(f"evaluate: {option} is {where}")
    if arguments.clip is not None and (arguments.refiner or not arguments.refined):
        from simvid.clip import Clip

        there = ", ".join(one.name for one in Clip.open(arguments.clip).record.refined) or "none"
        raise UsageError(f"evaluate: expected --refined NAME, of the refinements that the clip has ({there}); others "
                         "are made by  simvid refine CLIP --refiner ENTRY")  # fmt: skip


def _pairs(arguments: argparse.Namespace, reporter: Reporter) -> tuple[Report, Shown]:
    """Refine pairs of a data set, or of the sample that comes with simvid."""
    data = Path(arguments.data) if arguments.data else sample_folder()
    split: Split = arguments.split or "held_out"
    cases = pair_cases(data, split, arguments.count)
    about = {"data": data.name, "split": split, "seed": arguments.seed, **_size(cases)}
    return _judged(arguments, cases, about, reporter)


def _size(cases: list[Case]) -> dict[str, Any]:
    return {"frames": sum(case.shape[0] for case in cases),
            "sizes_px": sorted({f"{case.shape[2]} x {case.shape[1]}" for case in cases})}  # fmt: skip


def _judged(
    arguments: argparse.Namespace, cases: list[Case], about: dict[str, Any], reporter: Reporter
) -> tuple[Report, Shown]:
    named = _names(arguments.refiner)
    variants = [Variant(name, entry) for name, entry in named.items()]
    if arguments.ablate:
        about["ablations"] = "the same weights with less shown to them, not networks trained without it"
        variants += [v for name, entry in named.items() for v in ablations(entry, name)]
    shown = Shown(cases[: arguments.videos], [v.name for v in variants][: 3 if arguments.ablate else None])
    rows = judge(
        cases, variants, seed=arguments.seed, features=imagenet_features(), reporter=reporter, keep=shown.keep
    )  # fmt: skip
    return Report(about, rows, {case.name: case.group for case in cases}), shown


def _names(entries: list[str]) -> dict[str, str]:
    """Headings of entries: their names, numbered where several are alike."""
    stems, seen, found = Counter(Path(e).stem for e in entries), Counter[str](), {}
    for entry in entries:
        stem = Path(entry).stem
        seen[stem] += 1
        found[f"{stem} ({seen[stem]})" if stems[stem] > 1 else heading(stem)] = entry
    return found


def _clip(arguments: argparse.Namespace, reporter: Reporter) -> tuple[Report, Shown]:
    """Compare refinements that a clip has."""
    from simvid.clip import Clip
    from simvid.jobs.evaluation.clip_cases import clip_cases

    clip = Clip.open(arguments.clip)
    reference = Path(arguments.reference) if arguments.reference else None
    records = [clip.refinement(name) for name in arguments.refined]
    cases = clip_cases(clip, reference, records, reporter)
    about = {"clip": clip.name, "content_hash": clip.content_hash, "look": records[0].look, **_size(cases)}
    videos: dict[str, Callable[[Case], NDArray[np.uint8]]] = {
        heading(r.name): partial(_refined, clip, r.name) for r in records
    }
    rows = compare(cases, videos, features=imagenet_features(), reporter=reporter)
    rows = [_with_refiner(row, clip) for row in rows]
    shown = Shown(cases[: arguments.videos], list(videos))
    for case in shown.cases:
        for name, get in videos.items():
            shown.keep(case, name, get(case))
    return Report(about, rows, {case.name: case.group for case in cases}), shown


def _refined(clip: Any, name: str, case: Case) -> NDArray[np.uint8]:
    pictures: NDArray[np.uint8] = clip.refined(name, case.name)
    return pictures


def _with_refiner(row: Row, clip: Any) -> Row:
    """The row with the record of its refinement."""
    for record in clip.record.refined:
        if heading(record.name) == row.name:
            return Row(row.name, row.clips, row.mean, record.refiner, row.cost)
    return row
