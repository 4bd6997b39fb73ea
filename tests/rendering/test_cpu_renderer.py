from __future__ import annotations

import pytest

from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.raster import Rasterizer
from simvid.testing.rendering import RendererContract


class TestCpuRenderer(RendererContract):
    @pytest.fixture(scope="class")
    @classmethod
    def rasterizer(cls) -> Rasterizer:
        return CpuRasterizer(threads=2)
