"""The cpu rasterizer and its gradients on processors with shorter vectors, and from the cache of compiled kernels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.rendering.cpu.backward import GradientRasterizer, PictureGradient
from simvid.rendering.cpu.backward_layout import Gradients
from simvid.rendering.raster import checked_job
from simvid.rendering.reference import ReferenceRasterizer
from simvid.testing.clouds import psnr_db, random_cloud

CLOUD = random_cloud(13, 1500, degree=3, features=0, owners=4, width=90, height=70)


def gradients() -> dict[str, Any]:
    """Gradients of a loss that weighs all pixels differently."""
    rasterizer, rng, n = GradientRasterizer(threads=1), np.random.default_rng(0), len(CLOUD["means"])
    rest = {"near_m": 0.01, "far_m": 1e6, "eps2d": 0.3, "want": frozenset({"expected_depth"})}
    drawn = rasterizer.draw(checked_job(**{**CLOUD, "sh_rotations": None, "owner": None, **rest}))
    weights = (rng.normal(size=(70, 90, *rest)).astype(np.float32) for rest in ((3,), (), ()))
    found = Gradients(*(np.zeros(k * n, np.float32) for k in (3, 4, 3, 1, 48, 0)))
    rasterizer.backward(drawn, PictureGradient(*weights), found)
    return found._asdict()


PROGRAM = """
import importlib.util, json, sys
import numpy as np
from simvid.rendering.cpu import backward_project as cpu_backward_project
from simvid.rendering.cpu import backward_tiles as cpu_backward_tiles
from simvid.rendering.cpu import blend as cpu_blend
from simvid.rendering.cpu import project as cpu_project
from simvid.rendering.cpu import tiles as cpu_tiles
from simvid.rendering.cpu.rasterizer import CpuRasterizer
spec = importlib.util.spec_from_file_location("here", sys.argv[2])
here = importlib.util.module_from_spec(spec)
spec.loader.exec_module(here)
raster = CpuRasterizer(threads=1).rasterize(**here.CLOUD)
np.savez(sys.argv[1], colour=raster.features, ids=raster.ids, **here.gradients())
kernels = (
    cpu_blend.blend, cpu_project.project, cpu_tiles.sort_by_depth, cpu_tiles.start_tiles, cpu_tiles.fill_tiles,
    cpu_backward_tiles.blend_backward, cpu_backward_tiles.place_lines, cpu_backward_tiles.add_lines,
    cpu_backward_project.project_backward,
)
hits, misses = (sum(sum(getattr(k.stats, name).values()) for k in kernels) for name in ("cache_hits", "cache_misses"))
print(json.dumps({"hits": hits, "misses": misses}))
"""


def run_elsewhere(tmp_path: Path, processor: str, features: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Rasterize in a new process for another processor, with its own cache."""
    environment = {
        **os.environ, "NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": features,
        "NUMBA_CACHE_DIR": str(tmp_path / "kernels"),
    }  # fmt: skip
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "found.npz"), __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    return dict(np.load(tmp_path / "found.npz")), json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names x86 processors")
@pytest.mark.parametrize(("processor", "features"), [("haswell", "+avx2,+fma,+bmi,+bmi2,+lzcnt"), ("x86-64", "+sse2")])
def test_lesser_processors_find_the_same_and_compile_once(tmp_path: Path, processor: str, features: str) -> None:
    oracle, here = ReferenceRasterizer().rasterize(**CLOUD), gradients()
    first, count = run_elsewhere(tmp_path, processor, features)
    assert psnr_db(first["colour"], oracle.features) >= 80
    assert oracle.ids is not None
    assert np.mean(first["ids"] == oracle.ids) >= 0.999
    for name, gradient in here.items():
        assert np.linalg.norm(first[name] - gradient) <= 1e-3 * np.linalg.norm(gradient), name
    assert here["means"].any()
    assert count["misses"] >= 9
    again, count = run_elsewhere(tmp_path, processor, features)
    assert count == {"hits": 9, "misses": 0}
    for name, value in first.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)
