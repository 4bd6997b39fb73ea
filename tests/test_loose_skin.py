"""The skin around grains and drops: closed, as large as what is packed in it, smooth where they lie level."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from simvid.assets.mass import mesh_volume_inertia
from simvid.assets.particles import uneven
from simvid.assets.solidity import mesh_problems
from simvid.deforming.loose import LooseSkin
from simvid.deforming.nets import surface_net
from simvid.mesh import Mesh
from simvid.trajectory import ParticleMotion

RNG = np.random.default_rng(11)
H = 0.1
GRID: NDArray[Any] = np.stack(np.meshgrid(*[np.arange(10) * H - 0.45] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


@pytest.mark.parametrize("shape", ["box", "ball"])
def test_the_skin_of_packed_grains_is_closed_and_holds_their_volume(shape: str) -> None:
    inside = GRID if shape == "box" else GRID[np.linalg.norm(GRID, axis=1) < 0.42]
    net = surface_net(inside + 3, H)
    mesh = Mesh((net.vertices - 3).astype(np.float32), net.faces)
    assert mesh_problems(mesh) == []
    assert mesh_volume_inertia(mesh)[0] == pytest.approx(len(inside) * H**3, rel=0.05)
    corners = net.vertices[net.faces]
    out = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((out * net.normals[net.faces[:, 0]]).sum(axis=1) > 0).mean() > 0.99
    if shape == "box":
        assert np.abs(mesh.vertices).max() == pytest.approx(0.5, abs=0.3 * H)


def test_a_lone_grain_has_a_skin() -> None:
    assert len(surface_net(np.zeros((1, 3)), H).faces) > 12


def test_what_flies_far_off_does_not_fill_the_memory() -> None:
    splash = surface_net(np.concatenate([GRID, [[400.0, 400, 400]]]), H)
    assert splash.cell_m == surface_net(GRID, H).cell_m
    assert splash.vertices.max() < 1, "one drop in a thousand is left out"
    mist = surface_net(RNG.uniform(0, 60, (2000, 3)), H)
    assert mist.cell_m > 2 * H
    assert len(mist.vertices) > 1000


def test_the_skin_of_a_level_heap_is_level() -> None:
    """Grains that stand on no grid: what is seen of them is smooth, and as high as they are packed."""
    wide: NDArray[Any] = np.stack(np.meshgrid(*[np.arange(12) * H - 0.55] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    heap = uneven(wide, np.full(3, H))[(np.abs(wide) < 0.5).all(axis=1)]  # its outermost stand as unevenly as the rest
    net = surface_net(heap, H)
    top = (np.abs(net.vertices[:, :2]) < 0.3).all(axis=1) & (net.vertices[:, 2] > 0.3)
    assert net.vertices[top, 2].mean() == pytest.approx(0.5, abs=0.1 * H)
    assert net.vertices[top, 2].std() < 0.1 * H
    assert np.degrees(np.arccos(net.normals[top, 2].clip(-1, 1))).mean() < 8


def test_a_layer_of_one_grain_is_one_flat_sheet() -> None:
    x, y = (a.ravel() for a in np.meshgrid(np.arange(12) * 1.6 * H, np.arange(12) * 1.6 * H))
    net = surface_net(np.stack([x, y, 0 * x], axis=1).astype(np.float64), H)
    inner = (np.abs(net.vertices[:, :2] - x.max() / 2) < 0.3 * x.max()).all(axis=1)
    assert np.ptp(net.vertices[:, 2]) < 1.6 * H
    assert np.abs(net.normals[inner, 2]).mean() > 0.95
    assert mesh_problems(Mesh(net.vertices.astype(np.float32), net.faces)) == []
    joined = connected_components(
        coo_matrix((np.ones(len(net.faces)), (net.faces[:, 0], net.faces[:, 1])), (len(net.vertices),) * 2)
    )
    assert np.bincount(joined[1]).max() > 0.95 * len(net.vertices), "but for grains at its corners"


def test_grains_keep_their_lightness_where_they_rest() -> None:
    heap = uneven(GRID, np.full(3, H))
    motion = ParticleMotion(
        "sand", 0, 1, "loose", np.stack([heap, heap + 0.001 * H]).astype(np.float32),
        np.tile(np.eye(3, dtype=np.float32), (2, len(GRID), 1, 1)), heap.astype(np.float32),
    )  # fmt: skip
    skin = LooseSkin(motion, grains=True)
    (net, light), (_, after) = skin.at(0), skin.at(1)
    assert light.std() > 0.1
    assert len(net.vertices) == len(light)
    assert len(light) == len(after)
    assert (light == after).mean() > 0.9, "but for vertices half-way between two"
    assert (LooseSkin(motion, grains=False).at(0)[1] == 1).all()
