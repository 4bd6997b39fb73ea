"""Convex hulls and parts: what they cover, that they are cached, and that the worker can neither crash nor hang us."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.assets import convex
from simvid.assets.convex import MOST_HULL_VERTICES, convex_hull, convex_parts
from simvid.assets.mass import mesh_volume_inertia
from simvid.assets.primitives import primitive_mesh
from simvid.assets.solidity import mesh_problems
from simvid.errors import AssetError
from simvid.mesh import Mesh


def volume(mesh: Mesh) -> float:
    return mesh_volume_inertia(mesh)[0]


def is_convex(mesh: Mesh) -> bool:
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces].astype(np.float64), 1, 0)
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    above = mesh.vertices.astype(np.float64) @ normal.T - np.einsum("fk,fk->f", a, normal)
    return bool(above.max() < 1e-5 * np.ptp(mesh.vertices, axis=0).max())


def ell() -> Mesh:
    """An L: a unit cube with another one on its right and one on top; closed, volume 3."""
    outline = np.array([[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]], np.float32)
    front, back = (np.column_stack([outline[:, 0], np.full(6, y), outline[:, 1]]) for y in (0, 1))
    cap = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]])
    k = np.arange(6)
    j = (k + 1) % 6
    sides = np.concatenate([np.stack([k, k + 6, j + 6], 1), np.stack([k, j + 6, j], 1)])
    faces = np.concatenate([cap, cap[:, ::-1] + 6, sides]).astype(np.int32)
    return Mesh(np.concatenate([front, back]).astype(np.float32), faces)


def test_hull_of_an_l() -> None:
    assert mesh_problems(ell()) == []
    assert abs(volume(ell()) - 3) < 1e-6
    hull = convex_hull(ell())
    assert mesh_problems(hull) == []
    assert is_convex(hull)
    assert abs(volume(hull) - 3.5) < 1e-5
    assert len(hull.vertices) == 10


def test_large_hulls_are_simplified_at_the_same_volume() -> None:
    ball = primitive_mesh("sphere", (0.5,), 120)
    hull = convex_hull(ball)
    assert len(hull.vertices) <= MOST_HULL_VERTICES
    assert mesh_problems(hull) == []
    assert is_convex(hull)
    assert abs(volume(hull) / volume(ball) - 1) < 1e-4
    radius = np.linalg.norm(hull.vertices, axis=1)
    assert 0.49 < radius.min() <= radius.max() < 0.515


@pytest.mark.parametrize(
    "points", [[[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], [[0, 0, 0], [1, 1, 1], [2, 2, 2]], [[1, 2, 3]] * 5]
)
def test_flat_meshes_have_no_hull(points: list[list[float]], tmp_path: Path) -> None:
    mesh = Mesh(np.array(points, np.float32), np.array([[0, 1, 2]], np.int32))
    with pytest.raises(AssetError, match="spans a volume"):
        convex_hull(mesh)
    with pytest.raises(AssetError, match="spans a volume"):
        convex_parts(mesh, cache_dir=tmp_path)


def test_parts_of_an_l_and_their_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    parts = convex_parts(ell(), cache_dir=tmp_path)
    assert len(parts) == 2
    assert all(is_convex(p) and mesh_problems(p) == [] for p in parts)
    assert abs(sum(map(volume, parts)) - 3) < 0.06
    assert capfd.readouterr() == ("", "")  # CoACD prints a lot
    (stored,) = tmp_path.iterdir()

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the cache was not used")

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", refuse)
        again = convex_parts(ell(), cache_dir=tmp_path)
        for a, b in zip(parts, again, strict=True):
            assert np.array_equal(a.vertices, b.vertices)
            assert np.array_equal(a.faces, b.faces)
        with pytest.raises(AssertionError, match="the cache was not used"):
            convex_parts(ell(), threshold=0.2, cache_dir=tmp_path)
    for damage in (b"junk", b""):
        stored.write_bytes(damage)
        fresh = convex_parts(ell(), cache_dir=tmp_path)  # the same from scratch, and the cache is repaired
        assert all(np.array_equal(a.vertices, b.vertices) for a, b in zip(parts, fresh, strict=True))
        assert stored.stat().st_size > 100


def test_meshes_with_a_hole_are_decomposed_too(tmp_path: Path) -> None:
    whole = ell()
    split = Mesh(whole.vertices, np.delete(whole.faces, 2, axis=0))  # a hole of 0.5 m² in 14 m²
    assert mesh_problems(split)[0].startswith("open (3 edges")
    parts = convex_parts(split, cache_dir=tmp_path)
    assert len(parts) == 2
    assert abs(sum(map(volume, parts)) - 3) < 0.06


def test_no_more_parts_than_allowed(tmp_path: Path) -> None:
    (part,) = convex_parts(ell(), max_parts=1, cache_dir=tmp_path)
    assert abs(volume(part) - 3.5) < 0.01


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "stopped with code -11.*use collision: convex_hull",
        ),
        ("raise RuntimeError('out of luck')", "stopped with code 1: RuntimeError: out of luck"),
        ("print('done')", "stopped with code 0"),
        ("import time; time.sleep(60)", "took longer than 1 s"),
    ],
)
def test_a_worker_that_fails_is_an_error(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "coacd_worker.py"
    worker.write_text(script)
    monkeypatch.setattr(convex, "__file__", str(tmp_path / "convex.py"))
    monkeypatch.setattr(convex, "TIME_LIMIT_S", 1.0 if "longer" in said else 60.0)
    with pytest.raises(AssetError, match=said):
        convex_parts(ell(), cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="threshold"):
        convex_parts(ell(), threshold=0.0)
    with pytest.raises(ValueError, match="max_parts"):
        convex_parts(ell(), max_parts=0)
