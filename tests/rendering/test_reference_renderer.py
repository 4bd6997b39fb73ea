from __future__ import annotations

import pytest

from simvid.rendering.raster import Rasterizer
from simvid.rendering.reference import ReferenceRasterizer
from simvid.testing.rendering import RendererContract


class TestReferenceRenderer(RendererContract):
    @pytest.fixture(scope="class")
    @classmethod
    def rasterizer(cls) -> Rasterizer:
        return ReferenceRasterizer()
