"""What was drawn for many clips, as charts: a histogram for each number, a bar for each name."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from simvid.clips.records import ClipRecord

Drawn: TypeAlias = dict[str, list[float | str]]
WIDTH, BAR, TOP, LEFT = 330, 16, 24, 120
HEIGHT, BINS = 110, 20
MOST = 80
"""Charts on a page; further values are counted."""
NAMES = 12
"""Bars of a chart; further names are counted."""
STYLE = 'font-family="sans-serif" font-size="11"'
COLOR = "#4878a8"


def drawn_values(records: Iterable[ClipRecord]) -> Drawn:
    """Path -> the values that clips drew for it; lists and mappings are taken apart: ``…position_m[0]``."""
    found: Drawn = {}
    for record in records:
        for path, value in record.sampled.items():
            for place, leaf in _leaves(value, path):
                found.setdefault(place, []).append(leaf)
    return found


def _leaves(value: object, path: str) -> Iterator[tuple[str, float | str]]:
    if isinstance(value, bool) or value is None:
        yield path, str(value).lower()
    elif isinstance(value, int | float):
        yield path, float(value)
    elif isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        if len(value) == 1:
            yield path, str(next(iter(value)))
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        alike = bool(value) and isinstance(value[0], Mapping)
        if alike:
            yield f"{path} (count)", float(len(value))
        for k, item in enumerate(value):
            yield from _leaves(item, f"{path}[*]" if alike else f"{path}[{k}]")


def charts(drawn: Drawn) -> Iterator[str]:
    """A chart for each path."""
    if not drawn:
        yield "<p>nothing: the scene does not vary</p>"
        return
    made = [chart(path, values) for path, values in list(drawn.items())[:MOST]]
    yield f'<div class="charts">{"".join(made)}</div>'
    if len(drawn) > MOST:
        yield f"<p>and {len(drawn) - MOST} more values</p>"


def chart(path: str, values: Sequence[float | str]) -> str:
    """One chart: of numbers if all are, else of names."""
    numbers = [v for v in values if isinstance(v, float)]
    few = len(set(values)) <= NAMES
    if len(numbers) == len(values) and not (few and all(v.is_integer() for v in numbers)):
        return histogram(path, numbers)
    names = [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    counts = sorted(Counter(names).items(), key=lambda item: -item[1])
    return bars(path, counts if len(numbers) < len(values) else sorted(counts, key=lambda item: float(item[0])))


def histogram(path: str, values: Sequence[float]) -> str:
    """How often numbers were drawn, in equal steps from the least to the largest."""
    counts, edges = np.histogram(np.asarray(values, np.float64), bins=min(BINS, max(4, len(values) // 4)))
    step, tallest = WIDTH / len(counts), max(int(counts.max()), 1)
    parts = [_title(path, f"{len(values)} drawn")]
    for k, count in enumerate(counts):
        height = (HEIGHT - TOP - 18) * int(count) / tallest
        y = HEIGHT - 18 - height
        parts.append(
            f'<rect x="{k * step:.1f}" y="{y:.1f}" width="{step - 1:.1f}" height="{height:.1f}" fill="{COLOR}">'
            f"<title>{edges[k]:.4g} to {edges[k + 1]:.4g}: {count}</title></rect>"
        )
    for x, anchor, value in ((0, "start", edges[0]), (WIDTH / 2, "middle", edges.mean()), (WIDTH, "end", edges[-1])):
        parts.append(f'<text x="{x:.0f}" y="{HEIGHT - 4}" text-anchor="{anchor}">{value:.4g}</text>')
    return _svg(HEIGHT, parts)


def bars(path: str, counts: Sequence[tuple[str, int]]) -> str:
    """How often each name was drawn."""
    tallest, total = max(n for _, n in counts), sum(n for _, n in counts)
    parts = [_title(path, f"{total} drawn")]
    for k, (name, count) in enumerate(counts[:NAMES]):
        y = TOP + 4 + k * BAR
        width = (WIDTH - LEFT - 40) * count / tallest
        parts.append(f'<text x="{LEFT - 6}" y="{y + 10}" text-anchor="end">{html.escape(name[:18])}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 4}" fill="{COLOR}"/>')
        parts.append(f'<text x="{LEFT + width + 4:.1f}" y="{y + 10}" fill="#666">{count}</text>')
    lines = min(len(counts), NAMES)
    if len(counts) > NAMES:
        parts.append(f'<text x="{LEFT}" y="{TOP + 14 + lines * BAR}" fill="#666">and {len(counts) - NAMES} more</text>')
        lines += 1
    return _svg(TOP + 8 + lines * BAR, parts)


def _title(path: str, note: str) -> str:
    short = path if len(path) <= 44 else f"…{path[-43:]}"
    return (
        f'<text x="0" y="14" font-weight="bold">{html.escape(short)}<title>{html.escape(path)}</title></text>'
        f'<text x="{WIDTH}" y="14" text-anchor="end" fill="#666">{note}</text>'
    )


def _svg(height: float, parts: Sequence[str]) -> str:
    return f'<svg width="{WIDTH}" height="{height:.0f}" {STYLE}>{"".join(parts)}</svg>'
