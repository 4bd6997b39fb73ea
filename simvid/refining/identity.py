"""IdentityRefiner: changes nothing. The control of every comparison with a real refiner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SceneError
from simvid.frames import Frame
from simvid.refining.base import NoSettings

LOOKS = ("as_rendered",)


class IdentityRefiner:
    """Gives every picture back as it was rendered."""

    name = "identity"
    reads: tuple[str, ...] = ()
    looks_are_light = False
    Settings = NoSettings

    def __init__(self, settings: NoSettings) -> None:
        self._settings = settings

    def version(self) -> str:
        """Of the method."""
        return "1"

    def settings(self) -> Mapping[str, Any]:
        """None."""
        return self._settings.model_dump()

    def refine(self, frames: Iterable[Frame], *, look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        """The pictures themselves.

        Raises:
            SceneError: a look other than ``as_rendered``.
        """
        if look not in LOOKS:
            raise SceneError(
                f"the refiner 'identity' changes nothing, so its look is {', '.join(LOOKS)}; got {look!r}\n"
                "  hint: --refiner bundled draws under that light; without a refiner,  look:  of the scene does"
            )
        return (frame.rgb for frame in frames)
