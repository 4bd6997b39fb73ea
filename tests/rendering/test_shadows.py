"""Shadow maps: a square plate of discs above a plane."""

from __future__ import annotations

import numpy as np
import pytest

from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import ONE, ZERO, Floats
from simvid.rendering.light.lamps import LampArrays, LampMaps, lamp_share
from simvid.rendering.light.shadows import Casters, MapArrays, ShadowMaps, disc_taps, soft_share, thinned

TEXEL = 0.01


@kernel
def _sun_shares(maps: MapArrays, spread: float, taps: Floats, points: Floats, out: Floats) -> None:
    for i in range(len(points)):
        out[i] = soft_share(
            0, maps, np.float32(spread), taps, (points[i, 0], points[i, 1], points[i, 2]), (ZERO, ZERO, ONE)
        )


@kernel
def _lamp_shares(lamps: LampArrays, points: Floats, out: Floats) -> None:
    for i in range(len(points)):
        out[i] = lamp_share(0, lamps, (points[i, 0], points[i, 1], points[i, 2]), (ZERO, ZERO, ONE))


def plate(height: float, half: float = 0.2, spacing: float = 0.01) -> Casters:
    side = np.arange(-half, half + 1e-9, spacing)
    x, y = np.meshgrid(side, side)
    points = np.stack([x.ravel(), y.ravel(), np.full(x.size, height)], axis=-1).astype(np.float32)
    n = len(points)
    normals = np.tile(np.array([0, 0, 1], np.float32), (n, 1))
    return Casters(points, normals, np.full(n, 0.9 * spacing, np.float32), np.zeros(n, bool))


def shares(
    direction: tuple[float, float, float], points: np.ndarray, spread: float = 0.01, height: float = 0.5
) -> np.ndarray:
    d = np.array(direction)
    maps = ShadowMaps((d / np.linalg.norm(d))[None], np.zeros(3), 1.0, TEXEL, 1024)
    maps.draw_moving(plate(height), Workers(1))
    out = np.empty(len(points), np.float32)
    _sun_shares(maps.arrays, spread, disc_taps(32), points.astype(np.float32), out)
    return out


def on_ground(x: np.ndarray | float, y: float = 0.0) -> np.ndarray:
    x = np.atleast_1d(x)
    return np.stack([x, np.full_like(x, y), np.zeros_like(x)], axis=-1)


def test_shadow_under_a_high_sun() -> None:
    out = shares((0, 0, 1), on_ground(np.array([0, 0.1, 0.18, 0.24, 0.3, 5.0])))
    np.testing.assert_allclose(out[:3], 0, atol=0.02)
    np.testing.assert_allclose(out[3:], 1, atol=0.02)


def test_shadow_falls_away_from_a_low_sun() -> None:
    # the sun stands in +x at 45 degrees: the plate's shadow is shifted by its height to -x
    out = shares((1, 0, 1), on_ground(np.array([-0.5, -0.35, -0.65, 0.0, -0.8])))
    np.testing.assert_allclose(out, [0, 0, 0, 1, 1], atol=0.05)


def test_the_lit_plate_throws_no_shadow_on_itself() -> None:
    side = np.linspace(-0.18, 0.18, 21)
    x, y = np.meshgrid(side, side)
    top = np.stack([x.ravel(), y.ravel(), np.full(x.size, 0.5)], axis=-1)
    for direction in ((0, 0, 1), (1, 0.3, 0.5), (2, 0, 0.5)):
        assert shares(direction, top).min() > 0.99


def test_edges_widen_with_the_distance_to_the_caster() -> None:
    x = np.linspace(0.0, 0.4, 201)

    def width(height: float) -> float:
        out = shares((0, 0, 1), on_ground(x), spread=0.1, height=height)
        assert (np.diff(out) > -0.06).all()
        return float(x[out > 0.9][0] - x[out > 0.1][0])

    assert width(0.8) > 2 * width(0.2)
    assert width(0.8) == pytest.approx(2 * 0.8 * 0.1, rel=0.5)  # the whole penumbra is 2 h tan(angle / 2) wide


def test_what_never_moves_is_kept() -> None:
    maps = ShadowMaps(np.array([[0, 0, 1.0]]), np.zeros(3), 1.0, TEXEL, 1024)
    maps.draw_still(plate(0.5), Workers(1))
    full = plate(0.5)
    empty = Casters(full.points[:0], full.normals[:0], full.radii[:0], full.closed[:0])
    maps.draw_moving(plate(0.8, half=0.05), Workers(1))
    middle = maps.arrays.grid.shape[1] // 2
    assert maps.arrays.grid[0, middle, middle] == pytest.approx(0.8)
    maps.draw_moving(empty, Workers(1))
    assert maps.arrays.grid[0, middle, middle] == pytest.approx(0.5)


def test_map_is_no_larger_than_allowed() -> None:
    maps = ShadowMaps(np.array([[0, 0, 1.0]]), np.zeros(3), 10.0, 0.001, 256)
    assert maps.arrays.grid.shape == (1, 256, 256)
    assert maps.texel_m == pytest.approx(20 / 256)


def test_thinned_discs_still_cover() -> None:
    whole = plate(0.5)
    rows, wide = thinned(whole.radii, 0.03)
    thin = Casters(whole.points[rows], whole.normals[rows], wide, whole.closed[rows])
    assert len(thin.points) < len(whole.points) / 6
    maps = ShadowMaps(np.array([[0, 0, 1.0]]), np.zeros(3), 1.0, 0.04, 1024)
    maps.draw_moving(thin, Workers(1))
    covered = maps.arrays.grid[0] > 0
    assert np.count_nonzero(covered) == pytest.approx((0.42 / 0.04) ** 2, rel=0.25)


def test_lamp_shadow_spreads() -> None:
    # a lamp 1 m up, the plate halfway: its shadow is twice as large
    lamps = LampMaps(np.array([[0, 0, 1.0]]), np.ones((1, 3)), shadows=True)
    lamps.draw_moving(plate(0.5), Workers(1))
    points = on_ground(np.array([0.0, 0.3, 0.37, 0.45, 1.0, 3.0])).astype(np.float32)
    out = np.empty(len(points), np.float32)
    _lamp_shares(lamps.arrays, points, out)
    np.testing.assert_allclose(out, [0, 0, 0, 1, 1, 1], atol=0.05)
    above = np.array([[0, 0, 0.5]], np.float32)
    _lamp_shares(lamps.arrays, above, out[:1])
    assert out[0] > 0.99  # lit side of the plate


def test_lamp_sees_all_around() -> None:
    for axis in range(3):
        for sign in (-1.0, 1.0):
            shift = np.zeros(3, np.float32)
            shift[axis] = sign
            wall = plate(0.0, half=0.3)
            turned = np.roll(np.stack([wall.points[:, 2], wall.points[:, 0], wall.points[:, 1]], axis=-1), axis, axis=1)
            normals = np.roll(np.tile(np.array([1, 0, 0], np.float32), (len(turned), 1)), axis, axis=1)
            lamps = LampMaps(np.zeros((1, 3)), np.ones((1, 3)), shadows=True)
            lamps.draw_moving(wall._replace(points=np.ascontiguousarray(turned + shift), normals=normals), Workers(1))
            behind = (2.0 * shift)[None].astype(np.float32)
            out = np.empty(1, np.float32)
            _lamp_shares(lamps.arrays, behind, out)
            assert out[0] == 0
            _lamp_shares(lamps.arrays, -behind, out)
            assert out[0] == 1
