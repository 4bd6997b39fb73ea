"""Refine all cases in all wanted ways, and compare with the true pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.clips.records import Backend
from simvid.errors import ClipError, SimvidError
from simvid.evaluating.table import Evaluation, evaluate, mean_of, true_ratios
from simvid.jobs.evaluation.cases import Case
from simvid.jobs.evaluation.measuring import Cost
from simvid.jobs.evaluation.variants import Ready, Variant
from simvid.progress import SILENCE, Reporter

COARSE, PATHS, TRUE = "coarse", "few paths", "true"
TRACED = "traced"
"""What frames call the pictures of ``PATHS``."""
Keep = Callable[[Case, str, NDArray[np.uint8]], None]
"""Told of each case's refined pictures, for the videos."""


def heading(name: str) -> str:
    """Of a refiner's or refinement's row: its name, told apart from the rows that are always there."""
    return f"{name} (refined)" if name in (COARSE, PATHS, TRUE) else name


@dataclass(frozen=True)
class Row:
    """One line of the table: a video per case, compared with the true one.

    Attributes:
        name: heading.
        clips: evaluation by the name of the case.
        mean: over all cases.
        refiner: which, with its settings; None for the coarse and the true pictures.
        cost: seconds and memory.
    """

    name: str
    clips: Mapping[str, Evaluation]
    mean: Evaluation
    refiner: Backend | None = None
    cost: Mapping[str, float | None] = field(default_factory=dict)


def judge(
    cases: Sequence[Case], variants: Sequence[Variant], *, seed: int = 0, features: Any = None,
    reporter: Reporter = SILENCE, keep: Keep | None = None,
) -> list[Row]:  # fmt: skip
    """Rows for the coarse pictures, for each variant, and for the true pictures.

    And for the traced pictures, where a refiner begins from them.

    Args:
        cases: at least one.
        variants: ways to refine; their refiners are loaded before work begins.
        seed: of the refiners.
        features: for the perceptual figures.
        reporter: told how it goes on, in clips.
        keep: given the refined pictures.

    Raises:
        SimvidError: a refiner cannot be loaded, does not know a look, or gives no picture for a frame.
        ClipError: a refiner begins from traced pictures, and a case has none.
    """
    ready = [Ready(variant) for variant in variants]
    rows = [_row(COARSE, cases, lambda case: case.coarse(), features, reporter)]
    if readers := [chosen.variant.name for chosen in ready if TRACED in chosen.use.reads]:
        _check_traced(cases, readers[0])
        rows.append(_row(PATHS, cases, _traced, features, reporter))
    for chosen in ready:
        cost = Cost()

        def refined(case: Case, chosen: Ready = chosen, cost: Cost = cost) -> NDArray[np.uint8]:
            video = cost.take(chosen.refine(case, seed))
            if keep is not None:
                keep(case, chosen.variant.name, video)
            return video

        row = _row(chosen.variant.name, cases, refined, features, reporter)
        rows.append(Row(row.name, row.clips, row.mean, chosen.record, cost.json()))
    return [*rows, true_row(cases)]


def compare(
    cases: Sequence[Case], videos: Mapping[str, Callable[[Case], NDArray[np.uint8]]], *, features: Any = None,
    reporter: Reporter = SILENCE,
) -> list[Row]:  # fmt: skip
    """The same for videos that are there already: rows for the coarse, for each of them, and for the true pictures."""
    named = {COARSE: lambda case: case.coarse(), **videos}
    return [*(_row(name, cases, get, features, reporter) for name, get in named.items()), true_row(cases)]


def true_row(cases: Sequence[Case]) -> Row:
    """How the true pictures themselves change along the flow; their other figures are those of equals."""
    found = {}
    for case in cases:
        true = case.true()
        found[case.name] = Evaluation(*true_ratios(true, true, case.motion()))
    return Row(TRUE, found, mean_of(list(found.values())))


def _check_traced(cases: Sequence[Case], reader: str) -> None:
    without = [case.name for case in cases if case.frames is None or next(case.frames((TRACED,))).traced is None]
    if without:
        raise ClipError(
            f"{reader}: begins from traced pictures, which {len(without)} of {len(cases)} clips lack ({without[0]}); "
            "make these pairs again, or evaluate a refiner that does not read them"
        )


def _traced(case: Case) -> NDArray[np.uint8]:
    """The pictures that few paths gave, [T, H, W, 3]."""
    assert case.frames is not None, "it was checked"
    return np.stack([frame.traced for frame in case.frames((TRACED,)) if frame.traced is not None])


def _row(
    name: str, cases: Sequence[Case], get: Callable[[Case], NDArray[np.uint8]], features: Any, reporter: Reporter
) -> Row:
    found, started = {}, time.perf_counter()
    reporter.begin(name, len(cases))
    for k, case in enumerate(cases, start=1):
        video, true = get(case), case.true()
        if video.shape != true.shape:
            raise SimvidError(f"{case.name}: {name}: expected pictures {true.shape}, got {video.shape}")
        found[case.name] = evaluate(video, true, case.motion(), features, case.fps)
        reporter.advance(name, k)
    reporter.end(name, time.perf_counter() - started, reused=False)
    return Row(name, found, mean_of(list(found.values())))
