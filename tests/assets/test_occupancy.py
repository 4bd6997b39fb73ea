"""Closed surfaces around clouds of points, and the pieces of a bowl."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from simvid.assets.bowl import RINGS, SEGMENTS, bowl_pieces
from simvid.assets.mass import mesh_volume_inertia
from simvid.assets.occupancy import CELLS, occupancy_mesh


def test_a_hollow_cloud_becomes_a_filled_closed_surface() -> None:
    p = np.random.default_rng(0).normal(size=(20_000, 3))
    p /= np.linalg.norm(p, axis=1)[:, None]
    mesh = occupancy_mesh(p.astype(np.float32))
    cell = 2 / CELLS
    volume, center, _ = mesh_volume_inertia(mesh)
    assert trimesh.Trimesh(mesh.vertices, mesh.faces).is_watertight
    # the surface lies between the sphere and one cell diagonal outside it
    assert 4 / 3 * np.pi < volume < 4 / 3 * np.pi * (1 + 3**0.5 * cell) ** 3
    assert np.allclose(center, 0, atol=cell / 10)


def test_a_far_speck_is_left_out() -> None:
    block = np.random.default_rng(1).uniform(0, 1, size=(20_000, 3))
    mesh = occupancy_mesh(np.concatenate([block, [[3.0, 0, 0]]]).astype(np.float32))
    assert mesh.bounds[1, 0] < 1.2


def test_bowl_pieces_fill_the_shell_and_are_convex() -> None:
    pieces = bowl_pieces(0.2, 0.02)
    assert len(pieces) == RINGS * SEGMENTS
    shell = 2 / 3 * np.pi * (0.22**3 - 0.2**3)
    total = 0.0
    for piece in pieces:
        volume = mesh_volume_inertia(piece)[0]
        hull = trimesh.Trimesh(piece.vertices, piece.faces).convex_hull.volume
        assert volume > 0
        assert volume == pytest.approx(hull, rel=0.05)
        total += volume
    assert total == pytest.approx(shell, rel=0.05)  # chords lie inside the spheres
