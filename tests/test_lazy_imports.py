"""Heavy packages load inside the one backend that uses them; a fresh interpreter proves it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "warp", "newton", "mujoco", "genesis", "gsplat", "diffusers", "mitsuba", "av", "trimesh", "coacd",
         "numba", "scipy", "rich", "PIL")  # fmt: skip


def loaded(code: str) -> set[str]:
    """Top-level packages in sys.modules after running code in a fresh interpreter."""
    script = f"{code}\nimport sys; print(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("code", "also_not"),
    [
        ("import simvid", ("pydantic", "yaml")),
        ("import simvid.cli", ("pydantic", "numpy", "yaml")),
        ("import simvid.catalogue, simvid.registry", ("pydantic", "numpy")),
        ("from simvid import Scene, Gaussians, Frames, Trajectory", ()),
        ("from simvid import load_scene", ()),
        ("import simvid.pipeline", ()),
        ("import simvid.rendering.splat_renderer, simvid.rendering.traced, simvid.jobs.stage_inputs", ()),
    ],
)
def test_light_doors_load_nothing_heavy(code: str, also_not: tuple[str, ...]) -> None:
    assert loaded(code) & {*HEAVY, *also_not} == set()


def test_the_probe_sees_a_heavy_import() -> None:
    assert "numba" in loaded("import numba")


def test_every_public_name_exists() -> None:
    code = "import simvid; assert all(hasattr(simvid, n) for n in simvid.__all__), dir(simvid)"
    assert "simvid" in loaded(code)
