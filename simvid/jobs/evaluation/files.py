"""What an evaluation leaves behind: a folder with its tables as JSON and Markdown, and videos to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid import __version__
from simvid.clips.contact_sheet import INK, PAPER, font
from simvid.clips.folders import clear_os_errors, new_folder, remove, temporary_beside
from simvid.clips.video import VideoWriter
from simvid.errors import ClipError
from simvid.evaluating.table import Evaluation, markdown, mean_of
from simvid.jobs.evaluation.beside import beside, markdown_beside
from simvid.jobs.evaluation.cases import Case
from simvid.jobs.evaluation.judge import COARSE, PATHS, TRUE, Row

JSON_FILE, TABLE_FILE, VIDEOS = "evaluation.json", "evaluation.md", "videos"
_LABEL, _GAP, _TEXT = 20, 4, 13
_STILLS = 4
"""Frames of a clip on its still picture."""
_WIDEST = 240
"""Small pictures are enlarged by whole numbers up to this width [px]."""


@dataclass(frozen=True)
class Report:
    """An evaluation.

    Attributes:
        about: what was compared: data, split, seed and the like, as plain values.
        rows: coarse first, true last.
        groups: kind of scene by the name of the clip.
    """

    about: Mapping[str, Any]
    rows: Sequence[Row]
    groups: Mapping[str, str]

    def json(self) -> dict[str, Any]:
        """Plain values."""
        refiners = {row.name: {**row.refiner.model_dump(mode="json"), "cost": dict(row.cost)}
                    for row in self.rows if row.refiner is not None}  # fmt: skip
        names = list(self.groups)
        return {
            "simvid": __version__, **self.about, "clips": names, "refiners": refiners,
            "mean": {row.name: row.mean.json() for row in self.rows}, "beside": self._beside(),
            "families": {group: {row.name: mean.json() for row, mean in means} for group, means in self._families()},
            "per_clip": {name: {row.name: row.clips[name].json() for row in self.rows} for name in names},
        }  # fmt: skip

    def markdown(self) -> str:
        """Tables: means over all clips, gains, costs, means of each kind of scene, and each clip."""
        parts = [f"# Refined against true pictures\n\n{self._intro()}\n", "## Mean\n", self._means()]
        for base, gains in self._beside().items():
            parts += [
                f"## Beside {base}\n\nPSNR over its own, all else as a share of its own.\n",
                markdown_beside(gains),
            ]
        if costs := self._costs():
            parts += ["## Cost\n", costs]
        if len(set(self.groups.values())) > 1:
            for group, means in self._families():
                parts += [f"## {group}\n", markdown({row.name: _short(mean) for row, mean in means})]
        if len(self.groups) > 1:
            parts.append("## Each clip\n")
            for name in self.groups:
                rows = {row.name: _short(row.clips[name]) for row in self.rows}
                parts += [f"### {name}\n", markdown(rows)]
        return "\n".join(parts)

    def _intro(self) -> str:
        shown = [f"{key.replace('_', ' ')}: {value}" for key, value in self.about.items() if value not in (None, "")]
        return f"{len(self.groups)} clips; " + "; ".join(shown)

    def _means(self) -> str:
        return markdown({row.name: row.mean for row in self.rows if row.name != TRUE} | {
            row.name: _short(row.mean) for row in self.rows if row.name == TRUE
        })  # fmt: skip

    def _beside(self) -> dict[str, dict[str, dict[str, float]]]:
        """Videos beside the coarse, those of few paths, and the first refiner's; by the name of the base."""
        rows = [row for row in self.rows if row.name != TRUE]
        bases = 3 if any(row.name == PATHS for row in rows) else 2
        return {
            base.name: {row.name: beside(row.mean, base.mean) for row in rows[k + 1 :]}
            for k, base in enumerate(rows[:bases]) if rows[k + 1 :]
        }  # fmt: skip

    def _costs(self) -> str:
        lines = []
        for row in self.rows:
            if row.cost:
                values = ("-" if value is None else f"{value:g}" for value in row.cost.values())
                lines.append(f"| {row.name} | " + " | ".join(values) + " |")
        if not lines:
            return ""
        head = "| refiner | s per frame | s of the first frame | processor s per frame | peak memory MiB |"
        return "\n".join([head, "|---|---|---|---|---|", *lines]) + "\n"

    def _families(self) -> list[tuple[str, list[tuple[Row, Evaluation]]]]:
        found = []
        for group in sorted(set(self.groups.values())):
            mine = [name for name, its in self.groups.items() if its == group]
            found.append((group, [(row, mean_of([row.clips[name] for name in mine])) for row in self.rows]))
        return found


@dataclass
class Shown:
    """Pictures kept for the videos: some clips, in the columns of ``titles``.

    Attributes:
        cases: those that get a video.
        titles: headings of the columns between the coarse and the true pictures.
        kept: refined pictures by clip and heading.
    """

    cases: Sequence[Case]
    titles: Sequence[str]
    kept: dict[tuple[str, str], NDArray[np.uint8]] = field(default_factory=dict)

    def keep(self, case: Case, title: str, video: NDArray[np.uint8]) -> None:
        """Remember, if it will be shown."""
        if title in self.titles and any(case.name == shown.name for shown in self.cases):
            self.kept[case.name, title] = video

    def columns(self, case: Case) -> dict[str, NDArray[np.uint8]]:
        """Videos by heading, from coarse to true."""
        middle = {title: self.kept[case.name, title] for title in self.titles if (case.name, title) in self.kept}
        return {COARSE: case.coarse(), **middle, TRUE: case.true()}


def check_place(out: Path) -> None:
    """See that a report can be written there, before there is one.

    Raises:
        ClipError: something else is in its place, or it cannot be written to.
    """
    if out.exists() and not (out / JSON_FILE).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ClipError(f"{out}: is there and is no evaluation; choose another place with --out")
    probe = temporary_beside(out)
    with clear_os_errors(out):
        probe.mkdir(parents=True)
        remove(probe)


def write_report(out: Path, report: Report, shown: Shown) -> None:
    """Write the folder, in the place of an earlier one.

    Raises:
        ClipError: something else is in its place, it cannot be written to, or the disk is full.
    """
    check_place(out)
    with new_folder(out, replace=True) as work:
        (work / JSON_FILE).write_text(json.dumps(report.json(), indent=1, allow_nan=False) + "\n")
        (work / TABLE_FILE).write_text(report.markdown())
        for case in shown.cases:
            (work / VIDEOS).mkdir(exist_ok=True)
            _write_case(work / VIDEOS / case.name, shown.columns(case), case.fps)


def _write_case(stem: Path, columns: Mapping[str, NDArray[np.uint8]], fps: float) -> None:
    """NAME.mp4, and NAME.png with some of its frames one below the other."""
    from PIL import Image

    count = len(next(iter(columns.values())))
    first = side_by_side({title: video[0] for title, video in columns.items()})
    stills = sorted({round(k * (count - 1) / (_STILLS - 1)) for k in range(_STILLS)})
    kept = []
    with VideoWriter(stem.with_suffix(".mp4"), first.shape[1], first.shape[0], fps) as writer:
        for t in range(count):
            picture = side_by_side({title: video[t] for title, video in columns.items()})
            writer.write(picture)
            if t in stills:
                kept.append(picture)
    Image.fromarray(np.concatenate(kept)).save(stem.with_suffix(".png"))


def side_by_side(pictures: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures [H, W, 3] in a row under their headings; small ones enlarged by a whole number."""
    from PIL import Image, ImageDraw

    height, width = next(iter(pictures.values())).shape[:2]
    zoom = max(_WIDEST // width, 1)
    wide, tall = zoom * width, zoom * height
    sheet = Image.new("RGB", (len(pictures) * (wide + _GAP) - _GAP, tall + _LABEL), PAPER)
    pen = ImageDraw.Draw(sheet)
    for k, (title, picture) in enumerate(pictures.items()):
        left = k * (wide + _GAP)
        pen.text((left + 2, 2), _fitting(pen, title, wide), fill=INK, font=font(_TEXT))
        sheet.paste(Image.fromarray(picture.repeat(zoom, axis=0).repeat(zoom, axis=1)), (left, _LABEL))
    return np.asarray(sheet)


def _fitting(pen: Any, text: str, width: int) -> str:
    """As much of a heading as has room."""
    while len(text) > 1 and pen.textlength(text, font=font(_TEXT)) > width - 4:
        text = text[:-2] + "…"
    return text


def _short(row: Evaluation) -> Evaluation:
    """Without what was left out, which is said once."""
    return Evaluation(row.figures)
