"""What every refiner offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from simvid.frames import CameraPath, Frame
from simvid.scene.base import Model
from simvid.trajectory import Trajectory


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

    @property
    def looks_are_light(self) -> bool:
        """How a look reaches it.

        True: as light. The coarse pass is drawn again under the look, from the same motion, and the refiner is asked
        for ``as_rendered``: it needs to know no look by name. False: the refiner is told the look, and the coarse
        pass stays as it is.
        """
        ...

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


@dataclass(frozen=True, eq=False)
class ClipContext:
    """What a refiner may be told of the clip besides its frames."""

    caption: str
    """The scene's description."""
    camera: CameraPath
    trajectory: Trajectory
    light: tuple[float, ...] | None = None
    """The light of the coarse pass in numbers, as ``simvid.refining.model.LIGHT`` counts them; None is unknown."""

    @property
    def robots(self) -> tuple[int, ...]:
        """Ids of the parts that are links of robots."""
        return tuple(k for k, part in enumerate(self.trajectory.parts, start=1) if part.kind == "link")

    @property
    def moving(self) -> tuple[int, ...]:
        """Ids of the parts that physics moves."""
        parts = enumerate(self.trajectory.parts, start=1)
        return tuple(k for k, part in parts if not part.fixed and part.kind != "ground")

    def digest(self) -> str:
        """SHA-256 over all that pictures may depend on, but for particles, which the frames' own digests speak of."""
        scene, camera = self.trajectory, self.camera
        told = (self.caption, self.light, scene.fps, scene.parts, camera.lens, camera.shutter)
        total = sha256(repr(told).encode())
        for array in (camera.K, camera.world_from_camera, scene.poses):
            total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()


@runtime_checkable
class LoadingRefiner(Protocol):
    """A refiner that imports for seconds before its first picture, and may do so before its first frame is there."""

    def load(self) -> None:
        """Import what refining needs.

        Raises:
            MissingExtraError: a package is not installed.
        """
        ...


@runtime_checkable
class ListeningRefiner(Protocol):
    """A refiner that is told of the clip before it refines; what it is told enters the hash of the result."""

    def in_clip(self, context: ClipContext) -> Refiner:
        """The same refiner for one camera of one clip."""
        ...


@runtime_checkable
class LitRefiner(Protocol):
    """A refiner that can be told the light of frames on their own, without a clip."""

    def in_light(self, light: tuple[float, ...] | None) -> Refiner:
        """The same refiner, told a light: see ``ClipContext.light``."""
        ...
