"""``simvid report DIR``: one HTML page about a folder of clips, which needs nothing but itself.

Totals, how fast they were made, what was drawn for them, how their self-checks, their physics receipts and the label
gate of their refinements went, what was given up or rejected and why, and small videos of some of them with their
labels beside the picture.
"""

from __future__ import annotations

import html
import statistics
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from simvid.clip import Clip
from simvid.clips.receipt_records import LawRecord
from simvid.clips.records import CLIP_FILE, ClipRecord
from simvid.errors import ClipError
from simvid.generating.dataset_check import clip_folders
from simvid.generating.job_folder import JOB_FILE, JobFolder
from simvid.notebook import table
from simvid.viewing.distributions import charts, drawn_values
from simvid.viewing.gate_tables import gate_tables
from simvid.viewing.report import LISTED, STYLE
from simvid.viewing.thumbnails import thumbnail_html

THUMBNAILS = 24
PAUSE_S = 600.0
"""A longer gap between two clips is a pause, unless clips take that long [s]."""
GRID = (
    ".clips{display:flex;flex-wrap:wrap;gap:12px}.clips figure{margin:0}.clips figcaption{font-size:.75em;color:#555}"
    ".bad{color:#b00020;font-weight:bold}.charts{display:flex;flex-wrap:wrap;gap:4px 20px}.charts svg{margin:0}"
)


def dataset_report(folder: Path, thumbnails: int = THUMBNAILS) -> str:
    """The page.

    Args:
        folder: with clips in it; perhaps one that ``simvid generate`` or ``replay`` made.
        thumbnails: how many clips to show, evenly spread; failed ones first.

    Raises:
        ClipError: no such folder, or nothing in it.
    """
    names = clip_folders(folder)
    job = JobFolder(folder) if (folder / JOB_FILE).is_file() else None
    if not names and job is None:
        raise ClipError(f"{folder}: no clips in it; expected a clip, or a folder of clips (DIR/CLIP/{CLIP_FILE})")
    clips, damaged = _opened(folder, names)
    records = [clip.record for clip in clips]
    title = html.escape(folder.resolve().name)
    parts = [*_totals(records, damaged, job), *_speed(records, job), *_given_up(damaged, job), *_checks(records)]
    parts += [*_receipts(records), *gate_tables(records, LISTED)]
    parts += [*_thumbnails(clips, thumbnails), "<h2>What was drawn</h2>", *charts(drawn_values(records))]
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}{GRID}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n<h1>{title}</h1>\n{body}\n</body></html>\n'


def _opened(folder: Path, names: Sequence[str]) -> tuple[list[Clip], dict[str, str]]:
    """The clips that can be opened, by sample, and why the others cannot."""
    clips, damaged = [], {}
    for name in names:
        try:
            clips.append(Clip.open(folder / name))
        except ClipError as error:
            damaged[name] = str(error)
    return sorted(clips, key=lambda clip: (clip.record.sample_index, clip.path.name)), damaged


def _long(seconds: float) -> str:
    """Seconds in words."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def _totals(records: Sequence[ClipRecord], damaged: dict[str, str], job: JobFolder | None) -> Iterator[str]:
    frames = sum(r.frame_count * max(1, len(r.cameras)) for r in records)
    seconds = sum((r.frame_count - 1) / r.fps for r in records)
    size = sum(file.bytes for r in records for file in r.files.values())
    scenes = sorted({r.name for r in records})
    rows = [
        ("clips", str(len(records))), ("pictures", f"{frames:,}"), ("time", _long(seconds)),
        ("size", f"{size / 1e9:.2f} GB"), ("scenes", ", ".join(scenes[:10])),
        ("cameras", ", ".join(sorted({f"{c.name} {c.width} x {c.height}" for r in records for c in r.cameras})[:10])),
        ("refined", ", ".join(sorted({f.name for r in records for f in r.refined})) or "no"),
    ]  # fmt: skip
    origins = {r.replayed_from.clip for r in records if r.replayed_from is not None}
    if origins:
        rows.append(("replayed", f"the trajectories of {len(origins)} other clips, without new physics"))
    if damaged:
        rows.append(("damaged", str(len(damaged))))
    if job is not None:
        manifest = job.manifest
        rows += [("wanted", str(manifest.count)), ("given up", str(len(job.failed()))), ("simvid", manifest.code)]
    yield table(("", ""), rows, LISTED)


def _speed(records: Sequence[ClipRecord], job: JobFolder | None) -> Iterator[str]:
    """Clips per hour, by the clock and per worker, and what each stage takes."""
    rows = []
    made = list(job.made().values()) if job is not None else []
    rate = clips_per_hour([datetime.fromisoformat(r.made_at) for r in records], [m.wall_s for m in made])
    if rate is not None:
        rows.append(("clips per hour by the clock, without pauses", f"{rate:.0f}"))
    if made:
        mean = statistics.fmean(m.wall_s for m in made)
        rows.append(("clips per hour and worker", f"{3600 / mean:.0f}" if mean > 0 else ""))
        rows.append(("time of a clip: mean, longest", f"{mean:.2f} s, {max(m.wall_s for m in made):.2f} s"))
        rows.append(("most memory of a worker", f"{max(m.memory_mb for m in made):.0f} MB"))
        tries = sum(m.attempts > 1 for m in made)
        rows.append(("clips that took more than one attempt", str(tries)))
    stages: dict[str, list[float]] = {}
    for record in records:
        for stage in record.stages:
            stages.setdefault(stage.stage, []).append(stage.wall_s)
    rows += [(f"stage {name}: mean", f"{statistics.fmean(values):.2f} s") for name, values in stages.items()]
    if rows:
        yield "<h2>Speed</h2>" + table(("", ""), rows, LISTED)


def clips_per_hour(made_at: Sequence[datetime], took_s: Sequence[float]) -> float | None:
    """How fast clips followed each other; None if that cannot be said.

    Where a clip came much later than the one before, the job had been stopped or the clock was set: that gap does not
    count.

    Args:
        made_at: when each was finished, in any order.
        took_s: how long each took, as far as it is known [s].
    """
    times = sorted(made_at)
    pause_s = max(PAUSE_S, 5 * max(took_s, default=0.0))
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    steady = [gap for gap in gaps if gap <= pause_s]
    return 3600 * len(steady) / sum(steady) if sum(steady) > 0 else None


def _given_up(damaged: dict[str, str], job: JobFolder | None) -> Iterator[str]:
    rows = [(name, "damaged", reason, "", "") for name, reason in damaged.items()]
    for name, record in (job.failed() if job is not None else {}).items():
        values = ", ".join(f"{path} = {value}" for path, value in record.sampled.items())
        rows.append((name, record.why, record.reason, str(record.seed if record.seed is not None else ""), values))
    if rows:
        yield "<h2>Clips that were given up or are damaged</h2>"
        yield table(("clip", "why", "reason", "seed", "drawn"), rows, LISTED)


def _checks(records: Sequence[ClipRecord]) -> Iterator[str]:
    """How often each self-check passed, and the worst that was measured."""
    kinds: dict[str, list[int]] = {}
    worst: dict[str, dict[str, tuple[float, float]]] = {}
    for check in (check for r in records for check in r.checks):
        counts = kinds.setdefault(check.name, [0, 0, 0])
        counts[{True: 0, False: 1, None: 2}[check.passed]] += 1
        for name, value in check.measured.items():
            if name in check.limits:
                most = worst.setdefault(check.name, {}).get(name, (value, 0.0))[0]
                worst[check.name][name] = (max(most, value), check.limits[name])
    yield "<h2>Self-checks</h2>"
    if not kinds:
        yield "<p>none were run</p>"
        return
    rows = [
        (name, str(passed), str(failed), str(nothing),
         ", ".join(f"{k} {v:.3g} (at most {limit:g})" for k, (v, limit) in worst.get(name, {}).items()))
        for name, (passed, failed, nothing) in sorted(kinds.items())
    ]  # fmt: skip
    yield table(("check", "passed", "FAILED", "nothing to check", "worst measured"), rows, LISTED)
    failed = [(r.name, str(r.sample_index), c.line()) for r in records for c in r.checks if c.passed is False]
    if failed:
        yield "<h3>Failed</h3>" + table(("scene", "sample", "check"), failed, LISTED)


def _receipts(records: Sequence[ClipRecord]) -> Iterator[str]:
    """How often each law of physics held, and how near the worst clip came to its limit."""
    laws = [(r, law) for r in records if r.receipt is not None for law in r.receipt.laws]
    yield "<h2>Physics receipts</h2>"
    if not laws:
        yield "<p>none were made</p>"
        return
    rows = []
    for name in dict.fromkeys(law.name for _, law in laws):
        mine = [(r, law) for r, law in laws if law.name == name]
        counts = [sum(law.passed is state for _, law in mine) for state in (True, False, None)]
        record, worst = max(mine, key=lambda pair: nearness(pair[1]))
        said = worst.line() if nearness(worst) >= 0 else ""
        rows.append((name, *map(str, counts), f"sample {record.sample_index}: {said}" if said else ""))
    yield table(("law", "held", "BROKEN", "not judged", "nearest to its limit"), rows, LISTED)
    missing = sum(r.receipt is None for r in records)
    if missing:
        yield f"<p>{missing} clips have no receipt: simvid check makes one for each</p>"
    broken = [(r.name, str(r.sample_index), law.line()) for r, law in laws if law.passed is False]
    if broken:
        yield "<h3>Broken</h3>" + table(("scene", "sample", "law"), broken, LISTED)


def nearness(law: LawRecord) -> float:
    """The largest measure over its limit; -1 for a law that was not judged."""
    if law.passed is None:
        return -1.0
    return max((law.measured.get(name, 0.0) / limit for name, limit in law.limits.items() if limit > 0), default=0.0)


def _thumbnails(clips: Sequence[Clip], most: int) -> Iterator[str]:
    shown = chosen(clips, most)
    if shown:
        said = "all of them" if len(shown) == len(clips) else f"{len(shown)} of {len(clips)}, failed ones first"
        yield f"<h2>Clips</h2><p>{said}; on the right with labels</p>"
        yield f'<div class="clips">{"".join(thumbnail_html(clip) for clip in shown)}</div>'


def chosen(clips: Sequence[Clip], most: int) -> list[Clip]:
    """Some clips with cameras: those with failed self-checks or broken laws first, the others evenly spread."""
    seen = [clip for clip in clips if clip.record.cameras]
    failed = [clip for clip in seen if clip.failed_checks or clip.broken_laws][:most]
    others = [clip for clip in seen if not (clip.failed_checks or clip.broken_laws)]
    room = min(most - len(failed), len(others))
    return failed + [others[k * len(others) // room] for k in range(room)]
