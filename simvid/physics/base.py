"""What every physics engine offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeAlias, runtime_checkable

from simvid.assets.parts import SceneAssets
from simvid.trajectory import Trajectory

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (frames done, frames in all)."""


class PhysicsEngine(Protocol):
    """An engine: one frozen value with one method. Registered under the entry-point group ``simvid.physics``."""

    name: str

    def version(self) -> str:
        """Engine and solver versions, for the clip's record."""
        ...

    def check(self, assets: SceneAssets) -> None:
        """Refuse what ``simulate`` would refuse before its first step, such as bodies that start inside each other.

        Raises:
            SceneError: as ``simulate``.
        """
        ...

    def simulate(self, assets: SceneAssets, progress: Progress | None = None) -> Trajectory:
        """Run the scene.

        Raises:
            SceneError: the scene asks for what this engine cannot do; the text names one that can, where one exists.
            PhysicsError: the simulation diverged; the text names body, time and remedy.
        """
        ...


@runtime_checkable
class Batching(Protocol):
    """An engine that runs many scenes for less than as many calls of ``simulate``."""

    def simulate_many(self, worlds: Iterable[SceneAssets]) -> Iterator[Trajectory]:
        """The trajectory of each scene, in order and as they come: to the last bit that of ``simulate``.

        Raises:
            SceneError, PhysicsError: as ``simulate``.
        """
        ...
