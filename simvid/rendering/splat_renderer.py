"""A rasterizer of Gaussians as a renderer."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from importlib import metadata
from typing import Any, ClassVar

from simvid import __version__
from simvid.assets.parts import SceneAssets
from simvid.frames import CameraPath, Frame
from simvid.rendering import traced
from simvid.rendering.base import RenderSettings
from simvid.trajectory import Trajectory


class SplatRenderer:
    """Draws a scene as Gaussians, with a rasterizer whose class is called with ``threads`` if it takes that."""

    Settings: ClassVar[type[RenderSettings]] = RenderSettings

    def __init__(self, rasterizer: type[Any], settings: RenderSettings) -> None:
        self._kind, self._settings = rasterizer, settings

    def version(self) -> str:
        """Of the package that the rasterizer comes from."""
        return version_of(self._kind)

    def settings(self) -> Mapping[str, Any]:
        """All but the number of threads: any number gives the same bits."""
        return self._settings.model_dump(mode="json", exclude={"threads"})

    def faults(self, assets: SceneAssets) -> list[str]:
        """What the rasterizer says, if its class has ``faults``; whatever has a look can be drawn, but not traced."""
        found = list(self._kind.faults(assets)) if hasattr(self._kind, "faults") else []
        return found + (traced.faults(assets) if traced.LABEL in assets.scene.labels else [])

    def frames(
        self, assets: SceneAssets, trajectory: Trajectory, camera: CameraPath, labels: Collection[str]
    ) -> Iterator[Frame]:
        """As ``render_frames``; and with ``traced``, if that is asked for."""
        from simvid.rendering.renderer import render_frames

        threaded = "threads" in inspect.signature(self._kind).parameters
        rasterizer = self._kind(threads=self._settings.threads) if threaded else self._kind()
        frames = render_frames(assets, trajectory, camera, rasterizer, set(labels) - {traced.LABEL}, self._settings)
        if traced.LABEL not in labels:
            return frames
        return traced.with_traced(frames, assets, trajectory, camera, self._settings)


def version_of(kind: type[Any]) -> str:
    """Name and version of the package that a class comes from."""
    package = kind.__module__.partition(".")[0]
    if package == "simvid":
        return f"simvid {__version__}"
    owners = metadata.packages_distributions().get(package, [])
    return f"{owners[0]} {metadata.version(owners[0])}" if owners else f"{package} (not installed)"
