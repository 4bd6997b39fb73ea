"""The law of bodies of elements, on motions of closed forms; its eyes against a box."""

from __future__ import annotations

import numpy as np
import pytest

from simvid.assets.lattice import lattice_tetrahedra
from simvid.assets.parts import SceneAssets
from simvid.checking.receipts.elements import depths, distances, surface_of
from simvid.checking.receipts.evidence import Evidence
from simvid.checking.receipts.matter import squeeze
from simvid.checking.receipts.receipt import receipt_of
from simvid.clips.receipt_records import LawRecord
from simvid.testing.bending import scripted, squash
from simvid.testing.physics_scenes import written_assets
from simvid.trajectory import Trajectory

MATERIALS = """\
  rubber: {elastic: {young_modulus_pa: 1.0e+4, poisson_ratio: 0.3, particle_spacing_m: 0.02, method: fem}}
  water: {liquid: {particle_spacing_m: 0.02}}
  cotton: {cloth: {stretch_n_m: 100, bend_n_m: 1.0e-5}}
"""
BODIES = """\
  - {name: rubber, shape: {box: {size_m: 0.12}}, material: rubber, pose: {position_m: [0, 0, 0.5]}}
  - {name: water, shape: {box: {size_m: 0.12}}, material: water, pose: {position_m: [1, 0, 0.5]}}
  - {name: towel, shape: {box: {size_m: [0.2, 0.2, 0.002]}}, material: cotton, pose: {position_m: [0, 0, 0.58]}}
"""


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> SceneAssets:
    file = tmp_path_factory.mktemp("elements") / "elements.yaml"
    return written_assets(file, MATERIALS, BODIES, gravity=0, ground=False)


def law(assets: SceneAssets, name: str | None = None, shift: tuple[float, float, float] = (0, 0, 0)) -> LawRecord:
    """Of bodies at rest, but that one is elsewhere in the middle of the clip."""
    made: Trajectory = scripted(assets, {n: squash(np.eye(3)) for n in ("rubber", "water", "towel")})
    for p in made.particles:
        if p.name == name:
            p.positions[8:13] += np.array(shift, np.float32)
    return next(law for law in receipt_of(assets, made).laws if law.name == "element_depth")


def test_bodies_apart_break_nothing(assets: SceneAssets) -> None:
    assert law(assets).passed
    assert law(assets, "towel", (0, 0, -0.023)).passed, "a cloth that is 3 mm in, of 5 allowed"


@pytest.mark.parametrize(("name", "shift"), [("water", (-0.95, 0, 0)), ("towel", (0, 0, -0.06))])
def test_what_goes_through_is_seen(assets: SceneAssets, name: str, shift: tuple[float, float, float]) -> None:
    found = law(assets, name, shift)
    assert (found.passed, found.part) == (False, f"{name} and rubber")
    assert found.measured["inside_share"] > 0.05


def test_what_lies_on_a_body_of_elements_may_squeeze_it(assets: SceneAssets) -> None:
    """No table holds what cloth and elements do to each other: the weight of all of them over its bulk modulus."""
    made = scripted(assets, {n: squash(np.eye(3)) for n in ("rubber", "water", "towel")})
    evidence = Evidence(assets, made)
    object.__setattr__(evidence, "gravity", np.array([0, 0, -9.81]))
    index = next(k for k, p in enumerate(assets.parts) if p.part.name == "rubber")
    body = assets.parts[index].deformable
    assert body is not None
    weight = 9.81 * (1000 * 0.12**3 + 1000 * 0.2 * 0.2 * 0.002)
    assert squeeze(evidence, index, body) == pytest.approx(weight / 0.12**2 / (1e4 / (3 * 0.4)), rel=1e-3)


def test_depth_in_a_sheared_box() -> None:
    """Every place of a box, half of it outside: to the nearest side; sheared, so that cells lean."""
    axis = (np.arange(4) + 0.5) * 0.25
    middles = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    nodes, corners = lattice_tetrahedra(np.asarray(middles, np.float64), np.full(3, 0.25))
    points = np.random.default_rng(1).uniform(-0.1, 1.1, (300, 3))
    shear = np.array([[1.0, 0, 0.3], [0, 1, 0], [0, 0, 1]])
    found = depths(points @ shear.T, nodes @ shear.T, corners, surface_of(corners))
    sides = np.minimum(points, 1 - points)
    sides[:, 0] /= np.hypot(1, 0.3)
    assert found == pytest.approx(np.maximum(sides.min(axis=1), 0), abs=1e-9)


def test_distances_of_points_from_a_triangle() -> None:
    """Against the least of many points of it."""
    rng = np.random.default_rng(4)
    corners, points = rng.normal(size=(40, 3, 3)), rng.normal(size=(40, 3))
    a, b = (k.ravel() for k in np.meshgrid(np.linspace(0, 1, 161), np.linspace(0, 1, 161)))
    weights = np.stack([a, b, 1 - a - b], axis=1)[a + b <= 1]
    dense = np.einsum("wc,nck->nwk", weights, corners)
    assert distances(points, corners) == pytest.approx(
        np.linalg.norm(points[:, None] - dense, axis=2).min(axis=1), abs=0.02
    )
