"""Ways to refine a clip: a refiner as it is, or with other settings, without some labels, or frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SimvidError
from simvid.jobs.backends import refiner_of
from simvid.jobs.evaluation.cases import Case
from simvid.refining.base import LitRefiner

WITHOUT: Mapping[str, tuple[str, ...]] = {
    "without depth": ("depth",),
    "without normals": ("normals",),
    "without motion": ("flow_backward", "occluded_backward"),
    "without light buffers": ("light_diffuse", "light_specular", "ambient_occlusion"),
    "without albedo and materials": ("albedo", "roughness", "metallic"),
    "without surfaces": ("surface_albedo", "surface_normals"),
    "without the traced picture": ("traced",),
}
"""Labels that each ablation hides."""
STEPS = (1, 2, 4)
STRENGTHS = (0.5, 0.75)


@dataclass(frozen=True)
class Variant:
    """One way to refine.

    Attributes:
        name: heading of its row.
        entry: of the refiners shelf, or the path of a YAML file.
        changes: settings that differ from the entry's.
        hidden: labels that the refiner is not shown.
        alone: each frame is refined by itself, as a clip of one frame with a seed of its own.
        unlit: the refiner is not told the light's numbers.
    """

    name: str
    entry: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    alone: bool = False
    unlit: bool = False


class Ready:
    """A variant with its refiner.

    Raises:
        SceneError: no such entry, or faults in its settings.
        SimvidError: no such backend, or a package it needs is missing.
    """

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        chosen = refiner_of(variant.entry, Path(), variant.changes)
        self.use, self.record = chosen.use, chosen.record

    def look(self, case: Case) -> str:
        """The case's look where the refiner knows it; else its pictures stay lit as they are."""
        return case.look if case.look in getattr(self.use, "looks", ()) else "as_rendered"

    def refine(self, case: Case, seed: int) -> Iterator[NDArray[np.uint8]]:
        """Refined pictures of a case.

        Raises:
            SimvidError: the case has no frames to refine.
        """
        if case.frames is None:
            raise SimvidError(f"{case.name}: has no frames to refine")
        shown = tuple(name for name in self.use.reads if name not in self.variant.hidden)
        frames, look = case.frames(shown), self.look(case)
        light = None if self.variant.unlit else case.light
        use = self.use.in_light(light) if isinstance(self.use, LitRefiner) else self.use
        if not self.variant.alone:
            yield from use.refine(frames, look=look, seed=seed)
            return
        for k, frame in enumerate(frames):
            yield from use.refine(iter([frame]), look=look, seed=seed + 1 + k)


def ablations(entry: str, name: str) -> list[Variant]:
    """The same weights without each control, without a past, in other numbers of steps and strengths.

    What a refiner does not read, and settings that it does not have, are left out.
    """
    ready = Ready(Variant(name, entry))
    reads, has = set(ready.use.reads), ready.record.settings
    found = [Variant(f"{name}, {what}", entry, hidden=hidden) for what, hidden in WITHOUT.items() if reads & {*hidden}]
    if reads:
        found.append(Variant(f"{name}, coarse picture alone", entry, hidden=tuple(sorted(reads))))
    if isinstance(ready.use, LitRefiner):
        found.append(Variant(f"{name}, without the light's numbers", entry, unlit=True))
    if "history" in has:
        found.append(Variant(f"{name}, without history", entry, {"history": False}))
    found.append(Variant(f"{name}, frame by frame", entry, alone=True))
    for key, values in (("steps", STEPS), ("strength", STRENGTHS)):
        if key in has:
            found += [Variant(f"{name}, {key} {v}", entry, {key: v}) for v in values if v != has[key]]
    return found
