"""What a rendering backend is called with, and the glue from an entry of the renderers/ shelf to a renderer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simvid.scene.base import Model, Positive


class RenderSettings(Model):
    """Settings that every splatting renderer understands; ``settings:`` of an entry on the renderers/ shelf."""

    detail_px: Annotated[float, Field(ge=0.5, le=16)] = 1.1
    """Distance between mesh-made Gaussians, in pixels of the nearest camera at its nearest."""
    max_gaussians: Annotated[int, Field(ge=1_000, le=20_000_000)] = 1_500_000
    """Upper bound on mesh-made Gaussians; detail gets coarser to keep it."""
    shadows: bool = True
    """Sun shadows and the shading of corners by what hides the sky."""
    exposure: Positive = 1.0
    """Factor on all light."""
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    """None: as many as there are cores."""
    far_m: Positive = 1000.0
    """Ground beyond this is sky."""
