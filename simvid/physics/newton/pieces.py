"""Deformable parts of a scene by the rows in which a solver keeps them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from simvid.assets.parts import DeformableBody, SceneAssets


@dataclass(frozen=True, eq=False)
class Piece:
    """A deformable part and the rows of its particles or vertices."""

    part: int
    body: DeformableBody
    rows: slice


def has_kind(assets: SceneAssets, kinds: Collection[str]) -> bool:
    """Whether the scene has a deformable body of one of these kinds."""
    return any(p.deformable is not None and p.deformable.kind in kinds for p in assets.parts)
