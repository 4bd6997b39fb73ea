"""What every refiner offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simvid.frames import Frame


class Refiner(Protocol):
    """Turns coarse frames into refined pictures, one for one. Registered under ``simvid.refining``.

    The class is called with the settings of its entry on the ``refiners/`` shelf.
    """

    name: str

    def version(self) -> str:
        """Model and code versions, for the clip's record."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """All settings that shape the result; they enter its hash."""
        ...

    def refine(self, frames: Iterable[Frame], *, look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        """Refined sRGB pictures, uint8 [H, W, 3], in order.

        Raises:
            SceneError: unknown look; the text lists the known ones.
        """
        ...
