"""The path tracer keeps the contract of renderers, in Mitsuba's scalar variant, which needs nothing but its wheel."""

from __future__ import annotations

import pytest

from simvid.rendering.base import Renderer
from simvid.testing.rendering import RendererContract

pathtrace = pytest.importorskip("simvid.rendering.pathtrace")


class TestPathTracer(RendererContract):
    @pytest.fixture(scope="class")
    @classmethod
    def rasterizer(cls) -> Renderer:
        renderer: Renderer = pathtrace.PathTracer(pathtrace.PathTraceSettings(samples=4, max_depth=2, variant="scalar"))
        return renderer
