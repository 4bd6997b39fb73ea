"""What every refiner offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simvid.frames import Frame
from simvid.scene.base import Model


class NoSettings(Model):
    """For a refiner that has nothing to set."""


class Refiner(Protocol):
    """Turns coarse frames into refined pictures, one for one. Registered under ``simvid.refining``.

    The class has an attribute ``Settings``, a frozen pydantic model of what its entry on the ``refiners/`` shelf may
    set, and is called with one such value.
    """

    name: str
    reads: tuple[str, ...]
    """Labels that it reads besides rgb, such as ``("depth", "normals")``; the frames it is given carry these."""

    def version(self) -> str:
        """Model and code versions, for the clip's record."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """All settings that shape the result; they enter its hash."""
        ...

    def refine(self, frames: Iterable[Frame], *, look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        """Refined sRGB pictures, uint8 [H, W, 3], in order.

        Nothing slow happens before the first picture is asked for.

        Raises:
            SceneError: at once, for an unknown look; the text lists the known ones.
        """
        ...
