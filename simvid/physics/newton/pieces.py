"""Deformable parts of a scene by the rows in which a solver keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from simvid.assets.parts import DeformableBody


@dataclass(frozen=True, eq=False)
class Piece:
    """A deformable part and the rows of its particles or vertices."""

    part: int
    body: DeformableBody
    rows: slice
