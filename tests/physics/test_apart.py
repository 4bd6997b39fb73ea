"""Deformable bodies that start inside each other are refused; those that touch are not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simvid.assets.parts import SceneAssets
from simvid.assets.prepare import prepare
from simvid.errors import SceneError
from simvid.parsing import load_scene
from simvid.physics.apart import check_apart, filling
from simvid.physics.nearness import between_edges, from_faces, pierce
from simvid.physics.newton.engine import NewtonPhysics

HEAD = """\
simvid: 1
duration_s: 0.2
fps: 20
materials:
  jelly: {elastic: {young_modulus_pa: 4e4, particle_spacing_m: 0.02}}
  clay: {plastic: {young_modulus_pa: 1e5, yield_stress_pa: 2e3, particle_spacing_m: 0.01}}
  sand: {granular: {young_modulus_pa: 2e5, particle_spacing_m: 0.02}}
  canvas: {cloth: {particle_spacing_m: 0.05}}
  cord: {rope: {}}
cameras: [{name: front, pose: {look_from_m: [1, -1, 1], look_at_m: [0, 0, 0]}}]
bodies:
"""
Places = tuple[float, float, float]
Made = Callable[..., SceneAssets]


def box(name: str, material: str, at: Places, size: str = "0.16", turn: str = "[0, 0, 0]") -> str:
    return (
        f"  - {{name: {name}, shape: {{box: {{size_m: {size}}}}}, material: {material}, "
        f"pose: {{position_m: {list(at)}, rotation_deg: {turn}}}}}\n"
    )


def ball(name: str, at: Places) -> str:
    pose = f"pose: {{position_m: {list(at)}}}"
    return f"  - {{name: {name}, shape: {{sphere: {{radius_m: 0.1}}}}, material: jelly, {pose}}}\n"


def sheet(name: str, at: Places, turn: str = "[0, 0, 0]") -> str:
    return box(name, "canvas", at, "[0.4, 0.4, 0.004]", turn)


def cord(name: str, at: Places, turn: str = "[0, 0, 0]") -> str:
    return (
        f"  - {{name: {name}, shape: {{capsule: {{radius_m: 0.005, length_m: 0.4}}}}, material: cord, "
        f"pose: {{position_m: {list(at)}, rotation_deg: {turn}}}}}\n"
    )


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def of(*bodies: str) -> SceneAssets:
        path = tmp_path / "apart.yaml"
        path.write_text(HEAD + "".join(bodies))
        return prepare(load_scene(path))

    return of


def test_a_grid_of_particles_fills_what_it_stands_for() -> None:
    """Closed forms of sums of quadratic B-splines: 1 within, 1/2 on the face, 7/8 in the outermost layer."""
    axis = np.arange(6.0)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    rng = np.random.default_rng(0)
    assert filling(grid, 1.0, rng.uniform(1, 4, (500, 3))) == pytest.approx(1.0)
    places = np.array([[2.3, 2.7, 5.0], [2.3, 2.7, 5.5], [2.3, 5.0, 5.0], [5.0, 5.0, 5.0], [2.0, 2.0, 6.5]])
    assert filling(grid, 1.0, places) == pytest.approx([7 / 8, 1 / 2, (7 / 8) ** 2, (7 / 8) ** 3, 0.0])


@pytest.mark.parametrize("material", ["jelly", "clay", "sand"])
def test_bodies_may_touch_and_overlap_by_no_more_than_a_spacing(made: Made, material: str) -> None:
    """Half of one spacing and half of the other: 20 mm of jelly in jelly, 15 mm of clay in jelly; sand stands deeper
    in its faces."""
    least = {"jelly": 0.02, "clay": 0.015, "sand": 0.02}[material]
    most = 0.03 if material == "sand" else least + 1e-4
    for axis in range(3):
        for overlap, fails in ((0.0, False), (least - 1e-4, False), (most, True)):
            at = [0.0, 0.0, 1.0]
            at[axis] += 0.16 - overlap
            assets = made(box("one", "jelly", (0, 0, 1)), box("two", material, (at[0], at[1], at[2])))
            if not fails:
                check_apart(assets)
                continue
            with pytest.raises(SceneError, match=r"start inside '\w+' \(bodies\[\d\]\) at t = 0"):
                check_apart(assets)


def test_the_error_names_both_bodies_and_a_way_out_that_is_one(made: Made) -> None:
    large = box("large", "jelly", (0, 0, 1))
    with pytest.raises(SceneError) as caught:
        NewtonPhysics().check(made(large, box("small", "clay", (0.02, 0, 1), "0.08")))
    assert str(caught.value).partition("apart.yaml:")[2] == (
        "13: bodies[1] (small): 512 of 512 particles of 'small' start inside 'large' (bodies[0]) at t = 0 (at most "
        "10 mm deep is allowed): move 'small' by [0.1, 0, 0] m"
    )
    NewtonPhysics().check(made(large, box("small", "clay", (0.12, 0, 1), "0.08")))
    # the small one is the one inside, wherever it is listed
    with pytest.raises(SceneError, match=r"bodies\[0\] \(small\): 512 of 512 particles of 'small' start inside"):
        check_apart(made(box("small", "clay", (0.02, 0, 1), "0.08"), large))


def test_round_and_turned_bodies_may_touch(made: Made) -> None:
    """Along the grid's axes, its faces' and its space's diagonals."""
    for way in ((1, 0, 0), (0, 1, 1), (1, 1, 1), (-1, 2, 0.5)):
        unit = np.array(way) / np.linalg.norm(way)
        x, y, z = (0.2 * unit + [0, 0, 1]).tolist()
        check_apart(made(ball("one", (0, 0, 1)), ball("two", (x, y, z))))
        x, y, z = (0.165 * unit + [0, 0, 1]).tolist()
        with pytest.raises(SceneError, match="start inside"):
            check_apart(made(ball("one", (0, 0, 1)), ball("two", (x, y, z))))
    low = 0.08 + 0.08 * float(np.sqrt(2))  # on an edge
    check_apart(made(box("one", "jelly", (0, 0, 1)), box("two", "jelly", (0, 0, 1 + low), turn="[45, 0, 0]")))


def test_cloth_and_rope_lie_on_a_body_but_not_in_it(made: Made) -> None:
    """Also where a body is small between the points of a coarse cloth."""
    jelly = box("jelly", "jelly", (0, 0, 1))
    check_apart(made(jelly, sheet("cloth", (0, 0, 1.082))))
    check_apart(made(jelly, cord("rope", (0.085, 0, 1))))
    for inside in (sheet("cloth", (0, 0, 1.06)), sheet("cloth", (0, 0, 1)), cord("rope", (0.06, 0, 1))):
        with pytest.raises(SceneError, match=r"points of '(cloth|rope)' start inside 'jelly' \(bodies\[0\]\)"):
            NewtonPhysics().check(made(jelly, inside))
    small = box("small", "clay", (0.012, 0.012, 1), "0.03")
    with pytest.raises(SceneError, match="points of 'cloth' start inside 'small'"):
        check_apart(made(sheet("cloth", (0, 0, 1)), small))


@pytest.mark.parametrize(
    ("other", "fails"),
    [
        (sheet("two", (0, 0, 1.004)), False),  # 2 mm are half of each one's thickness
        (sheet("two", (0.3, 0, 1.0025)), True),
        (sheet("two", (0, 0, 1.0031), "[0, 0, 30]"), False),  # nearly by 1 mm, as rigid bodies may
        (sheet("two", (0, 0, 1), "[90, 0, 0]"), True),
        (sheet("two", (0, 0, 1.21), "[90, 0, 0]"), False),
        (cord("two", (0.013, 0.007, 1)), True),  # through a face
        (cord("two", (0, 0, 1.008), "[90, 0, 0]"), False),  # 2 and 5 mm
        (cord("two", (0, 0, 1.005), "[90, 0, 0]"), True),
        (cord("two", (0.21, 0, 1)), False),
    ],
)
def test_thin_bodies_may_lie_on_each_other_but_not_cross(made: Made, other: str, fails: bool) -> None:
    assets = made(sheet("one", (0, 0, 1)), other)
    if not fails:
        check_apart(assets)
        return
    with pytest.raises(SceneError, match=r"edges and faces of 'two' start inside 'one'") as caught:
        check_apart(assets)
    way = re.search(r"move 'two' by \[(.*)\] m", str(caught.value))
    assert way is not None
    assert max(abs(float(x)) for x in way.group(1).split(",")) > 0.001


def test_sheets_far_thinner_than_what_is_allowed_are_not_in_one_place(made: Made) -> None:
    """0.4 mm thick: they may be half of that inside each other."""
    thin = "[0.4, 0.4, 0.0004]"
    check_apart(made(box("one", "canvas", (0, 0, 1), thin), box("two", "canvas", (0, 0, 1.0003), thin)))
    for height in (1.0, 1.0001):
        with pytest.raises(SceneError, match="'two' start inside 'one'"):
            check_apart(made(box("one", "canvas", (0, 0, 1), thin), box("two", "canvas", (0, 0, height), thin)))


def test_ropes_may_lie_on_each_other_but_not_cross(made: Made) -> None:
    check_apart(made(cord("one", (0, 0, 1)), cord("two", (0.01, 0, 1), "[90, 0, 0]")))
    with pytest.raises(SceneError, match="'two' start inside 'one'"):
        check_apart(made(cord("one", (0, 0, 1)), cord("two", (0.006, 0, 1), "[90, 0, 0]")))


def test_distances_as_sampling_finds_them() -> None:
    """Edges and faces against many points on both."""
    rng = np.random.default_rng(1)
    one, two, faces = rng.normal(size=(40, 2, 3)), rng.normal(size=(40, 2, 3)), rng.normal(size=(40, 3, 3))
    t = np.linspace(0, 1, 201)[:, None]
    for edge, other, found in zip(one, two, between_edges(one, two), strict=True):
        p, q = edge[0] + t * (edge[1] - edge[0]), other[0] + t * (other[1] - other[0])
        assert found == pytest.approx(np.linalg.norm(p[:, None] - q, axis=2).min(), abs=0.03)
    parallel = one.copy()
    parallel[:, :, 2] += 0.5
    assert between_edges(one, parallel).max() <= 0.5 + 1e-12
    a, b = (k.ravel()[:, None] for k in np.meshgrid(t, t))
    a, b = a[a[:, 0] + b[:, 0] <= 1], b[a[:, 0] + b[:, 0] <= 1]
    some = 0
    for point, face, found in zip(one[:, 0], faces, from_faces(one[:, 0], faces), strict=True):
        nearest = np.linalg.norm(face[0] + a * (face[1] - face[0]) + b * (face[2] - face[0]) - point, axis=1).min()
        assert found == np.inf or found == pytest.approx(nearest, abs=0.03)
        some += found < np.inf
    assert some > 3
    middles = faces.mean(axis=1)
    normal = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    assert pierce(np.stack([middles - normal, middles + normal], axis=1), faces).all()
    assert not pierce(np.stack([middles + normal, middles + 2 * normal], axis=1), faces).any()
    assert not pierce(
        np.stack([2 * faces[:, 0] - middles - normal, 2 * faces[:, 0] - middles + normal], 1), faces
    ).any()
