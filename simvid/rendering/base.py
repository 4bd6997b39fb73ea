"""What a rendering backend is: a rasterizer of Gaussians, or a renderer that draws frames in its own way."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Protocol

from pydantic import Field

from simvid.assets.parts import SceneAssets
from simvid.frames import CameraPath, Frame
from simvid.scene.base import Model, Positive
from simvid.trajectory import Trajectory


class Renderer(Protocol):
    """Draws the frames of a camera with their labels.

    A backend that is no rasterizer is a class like this with a class attribute ``Settings``, the model of its shelf
    entry's ``settings:``; it is called with one. Rasterizers become one in ``SplatRenderer``.
    """

    def version(self) -> str:
        """Names and versions of all that decides about the pictures."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """Those that decide about the pictures, as they are recorded."""
        ...

    def faults(self, assets: SceneAssets) -> list[str]:
        """What of a scene cannot be drawn, a line each with the way out; asked before any long work."""
        ...

    def frames(
        self, assets: SceneAssets, trajectory: Trajectory, camera: CameraPath, labels: Collection[str]
    ) -> Iterator[Frame]:
        """Every frame in order, with the arrays that the labels bring; see ``renderer.render_frames``."""
        ...


class RenderSettings(Model):
    """Settings that every splatting renderer understands; ``settings:`` of an entry on the renderers/ shelf."""

    detail_px: Annotated[float, Field(ge=0.5, le=16)] = 1.1
    """Distance between mesh-made Gaussians, in pixels of the nearest camera at its nearest."""
    max_gaussians: Annotated[int, Field(ge=1_000, le=20_000_000)] = 1_500_000
    """Upper bound on mesh-made Gaussians; detail gets coarser to keep it."""
    shadows: bool = True
    """Sun shadows and the shading of corners by what hides the sky."""
    bounces: bool = True
    """Light that bodies and ground throw on each other. Without it, light from below is the same everywhere."""
    exposure: Positive = 1.0
    """Factor on all light."""
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    """None: as many as there are cores."""
    far_m: Positive = 1000.0
    """Ground beyond this is sky."""
