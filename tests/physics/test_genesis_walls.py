"""Walls beside sand and water on Genesis: what holds, what is refused as too thin, and what ends a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from simvid.assets.parts import SceneAssets
from simvid.assets.prepare import prepare
from simvid.errors import PhysicsError, SceneError
from simvid.parsing import load_scene
from simvid.physics.genesis import engine
from simvid.physics.genesis.engine import GenesisPhysics
from simvid.physics.genesis.soft import GenesisSoft
from simvid.physics.genesis.walls import check_kept_out, check_walls
from simvid.physics.newton.obstacles import obstacles_of
from simvid.physics.newton.pieces import Piece
from simvid.physics.newton.soft import rigid_view
from simvid.physics.newton.soft_start import depths
from simvid.physics.newton.world import build_world

SCENE = """\
simvid: 1
duration_s: 0.1
fps: 20
ground: {{}}
cameras: [{{name: front, pose: {{look_from_m: [1, -1, 1], look_at_m: [0, 0, 0]}}}}]
materials:
  water: {{liquid: {{particle_spacing_m: 0.02}}}}
  jelly: {{elastic: {{young_modulus_pa: 1.0e+4, particle_spacing_m: 0.02}}}}
bodies:
  - {{name: tank, fixed: true, shape: {{box: {{size_m: [{thick}, 0.4, 0.4]}}}}, pose: {{position_m: [0.2, 0, 0.2]}}}}
  - {{name: pond, shape: {{box: {{size_m: 0.12}}}}, material: {material}, pose: {{position_m: [0, 0, 0.06]}}}}
"""
CELL_M = 0.04
TANKS = """\
simvid: 1
duration_s: 0.3
fps: 20
ground: {}
cameras: [{name: front, pose: {look_from_m: [1, -1, 1], look_at_m: [0, 0, 0]}}]
materials:
  water: {liquid: {bulk_modulus_pa: 5.0e+4, viscosity_pa_s: 0, particle_spacing_m: 0.02}}
  sand: {granular: {young_modulus_pa: 1.0e+5, particle_spacing_m: 0.02}}
bodies:
"""
TANK = """\
  - name: {name}_tank
    fixed: true
    pose: {{position_m: [{x}, 0.003, 0.15], rotation_deg: [{roll}, {tilt}, 0]}}
    shape:
      compound:
        parts:
          - {{shape: {{box: {{size_m: [0.2, 0.2, 0.02]}}}}, pose: {{position_m: [0, 0, -0.01]}}}}
          - {{shape: {{box: {{size_m: [0.02, 0.2, 0.2]}}}}, pose: {{position_m: [0.09, 0, 0.1]}}}}
          - {{shape: {{box: {{size_m: [0.02, 0.2, 0.2]}}}}, pose: {{position_m: [-0.09, 0, 0.1]}}}}
          - {{shape: {{box: {{size_m: [0.16, 0.02, 0.2]}}}}, pose: {{position_m: [0, 0.09, 0.1]}}}}
          - {{shape: {{box: {{size_m: [0.16, 0.02, 0.2]}}}}, pose: {{position_m: [0, -0.09, 0.1]}}}}
  - name: {name}
    shape: {{box: {{size_m: 0.12}}}}
    material: {name}
    pose: {{position_m: {place}, rotation_deg: [{roll}, {tilt}, 0]}}
"""
FILLED = {"water": (0.0, 0, 0), "sand": (0.5, 20, 35)}
"""Place and turn of the tanks; walls of half a cell."""


def filled(folder: Path) -> SceneAssets:
    text = TANKS
    for name, (x, roll, tilt) in FILLED.items():
        turn = Rotation.from_euler("xyz", (roll, tilt, 0), degrees=True)
        place = np.round(np.array([x, 0.003, 0.15]) + turn.apply([0, 0, 0.08]), 6).tolist()
        text += TANK.format(name=name, x=x, roll=roll, tilt=tilt, place=place)
    path = folder / "tanks.yaml"
    path.write_text(text)
    return prepare(load_scene(path))


@pytest.mark.slow
def test_walls_of_half_a_cell_hold_water_and_sand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No particle is in a wall at any frame, and all are in their tanks at the end; by its grid alone none holds."""
    assets = filled(tmp_path)
    monkeypatch.setattr(engine, "check_walls", lambda assets: None)  # which wants a cell, for other reasons
    made = GenesisPhysics().simulate(assets)
    things = obstacles_of(build_world(rigid_view(assets)), CELL_M)
    for motion in made.particles:
        places = motion.positions.astype(np.float64)
        for thing in things.obstacles:
            assert max(float(depths(thing, x)[0].max()) for x in places) < 0.001
        tank = assets.parts[next(k for k, p in enumerate(assets.parts) if p.part.name == f"{motion.name}_tank")].pose
        local = (places[-1] - tank[:3, 3]) @ tank[:3, :3]
        assert np.abs(local[:, :2]).max() < 0.081
        assert local[:, 2].min() > -0.001


def scene(folder: Path, thick: float, material: str = "water") -> tuple[SceneAssets, Piece]:
    path = folder / "tank.yaml"
    path.write_text(SCENE.format(thick=thick, material=material))
    assets = prepare(load_scene(path))
    k = next(k for k, p in enumerate(assets.parts) if p.part.name == "pond")
    body = assets.parts[k].deformable
    assert body is not None
    return assets, Piece(k, body, slice(0, len(body.rest)))


def test_a_wall_thinner_than_a_cell_is_refused(tmp_path: Path) -> None:
    assets, _ = scene(tmp_path, 0.03)
    with pytest.raises(SceneError) as caught:
        check_walls(assets)
    assert str(caught.value).partition(": ")[2] == (
        "bodies[0] (tank): 'tank' is 30 mm thick where it is thinnest, and 'pond' may lose volume beside it on "
        "engine 'genesis', whose grid has cells of 40 mm (two particle_spacing_m): expected a cell or more; give a "
        "particle_spacing_m of at most 0.015, thicker walls, or use engine newton"
    )
    check_walls(scene(tmp_path, 0.04)[0])
    check_walls(scene(tmp_path, 0.03, "jelly")[0])


@pytest.mark.parametrize(("lost", "refused"), [(10, False), (20, True)])
def test_water_in_a_wall_ends_the_run(tmp_path: Path, lost: int, refused: bool) -> None:
    """Of 216 particles 10 are less, 20 more than a twentieth."""
    assets, pond = scene(tmp_path, 0.06)
    things = obstacles_of(build_world(rigid_view(assets)), CELL_M)
    places = pond.body.rest.astype(np.float64) + np.array([0, 0, 0.06])
    check_kept_out(assets, [pond], things, places, 0.0)
    places[:lost] = 0.2, 0, 0.2
    if not refused:
        check_kept_out(assets, [pond], things, places, 0.5)
        return
    with pytest.raises(
        PhysicsError, match=r"at t = 0.5 s 9% of the particles of 'pond' are more than 15 mm inside 'tank'"
    ):
        check_kept_out(assets, [pond], things, places, 0.5)


def test_it_is_looked_at_at_every_frame(tmp_path: Path) -> None:
    """With particles that stand for Genesis'."""
    assets, pond = scene(tmp_path, 0.06)
    soft = GenesisSoft(assets, build_world(rigid_view(assets)))
    places = pond.body.rest.astype(np.float64) + np.array([0, 0, 0.06])

    def at(x: np.ndarray) -> SimpleNamespace:
        arrays = {"pos": x[None, :, None], "F": np.tile(np.eye(3), (1, len(x), 1, 1, 1))}
        return SimpleNamespace(particles=SimpleNamespace(
            **{name: SimpleNamespace(to_numpy=lambda a=a: a.copy()) for name, a in arrays.items()}
        ))  # fmt: skip

    soft._mpm = at(places)
    soft.read(0)
    places[:20] = 0.2, 0, 0.2
    soft._mpm = at(places)
    with pytest.raises(PhysicsError, match=r"at t = 0.05 s 9% of .* inside 'tank'"):
        soft.read(1)
