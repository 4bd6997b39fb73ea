"""Line charts as SVG: numbers over time, with axes and a legend, and nothing that runs."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.clips.pictures import id_colors, nice_step

Floats: TypeAlias = NDArray[np.floating]
_Place: TypeAlias = Callable[[float], float]
WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 30, 30
LINE, LEGEND_PX = 18, 170
MOST_POINTS = 1000
HEAD_PX, GAP_PX = 50, 14
"""Of charts that are stacked."""
STYLE = 'font-family="sans-serif" font-size="11"'


def line_chart(title: str, unit: str, times_s: Floats, series: Mapping[str, Floats]) -> str:
    """Some series [T] over the same times, one colour each.

    Args:
        title: above the chart.
        unit: of the values, for the axis; may be empty.
        times_s: [T], rising.
        series: name -> values [T]; NaN leaves a gap.
    """
    values = np.concatenate([np.asarray(v, np.float64) for v in series.values()])
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        low, high = low - 0.5, high + 0.5
    first, last = float(times_s[0]), max(float(times_s[-1]), float(times_s[0]) + 1e-9)
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(time: float) -> float:
        return LEFT + (time - first) / (last - first) * across

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * up

    parts = [f'<text x="{LEFT}" y="18" font-size="14" font-weight="bold">{html.escape(title)}</text>']
    for tick in ticks(low, high, 5):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.6g}</text>')
    for tick in ticks(first, last, 8):
        parts.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{TOP + up}" stroke="#eee"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{TOP + up + 16}" text-anchor="middle">{tick:.6g} s</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="18" text-anchor="end" fill="#666">{html.escape(unit)}</text>')
    columns = max(1, (WIDTH - LEFT) // LEGEND_PX)
    for k, (name, points) in enumerate(series.items()):
        color = "#" + bytes(id_colors(len(series))[k + 1].tolist()).hex()
        parts += [_line(piece, color) for piece in _pieces(times_s, points, x, y)]
        at_x, at_y = LEFT + k % columns * LEGEND_PX, HEIGHT + k // columns * LINE
        parts.append(f'<rect x="{at_x}" y="{at_y}" width="10" height="10" fill="{color}"/>')
        parts.append(f'<text x="{at_x + 15}" y="{at_y + 9}">{html.escape(name)}</text>')
    height = HEIGHT + math.ceil(len(series) / columns) * LINE
    return f'<svg width="{WIDTH}" height="{height}" {STYLE}>{"".join(parts)}</svg>'


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two, at most ``most + 1``."""
    step = nice_step((high - low) / most)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _pieces(times: Floats, values: Floats, x: _Place, y: _Place) -> list[str]:
    """Points of the lines between the gaps of a series; of neighbours in a long one, the least and the greatest."""
    step = max(1, 2 * len(times) // MOST_POINTS)
    rows = np.flatnonzero(np.isfinite(values))
    found = []
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
        kept = {int(k) for k in (*run[:1], *run[-1:])}
        for first in range(0, len(run), step):
            near = run[first : first + step]
            kept |= {int(near[values[near].argmin()]), int(near[values[near].argmax()])}
        found.append(" ".join(f"{x(float(times[k])):.1f},{y(float(values[k])):.1f}" for k in sorted(kept)))
    return [points for points in found if points]


def _line(points: str, color: str) -> str:
    return f'<polyline fill="none" stroke="{color}" stroke-width="1.5" points="{points}"/>'


def stacked(title: str, subtitle: str, charts: list[str]) -> str:
    """Charts one below another on white, under a title: a whole SVG file."""
    parts = [
        f'<text x="10" y="22" font-size="15" font-weight="bold">{html.escape(title)}</text>',
        f'<text x="10" y="38">{html.escape(subtitle)}</text>',
    ]
    y = HEAD_PX
    for chart in charts:
        found = re.match(r'<svg width="\d+" height="(\d+)"', chart)
        assert found is not None, "of line_chart"
        parts.append(chart.replace("<svg ", f'<svg y="{y}" ', 1))
        y += int(found.group(1)) + GAP_PX
    back = f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" {STYLE}>'
    return f"{head}{back}{''.join(parts)}</svg>\n"
