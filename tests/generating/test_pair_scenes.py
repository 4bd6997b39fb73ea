"""Scenes for training pairs: the same from the same seed, valid, and never seen on both sides of the split."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from simvid.errors import SceneError, SimvidError
from simvid.generating.families import DEFORMING, HELD_OUT, TRAINING
from simvid.generating.families.arms import UR5E
from simvid.generating.pair_job import ATTEMPTS, licence_of, tasks
from simvid.generating.pair_scenes import HELD_OUT_LOOKS, OPEN_SKIES, OWN_LIGHT, ROOMS, families, pair_scene
from simvid.generating.props import HELD_OUT_MESHES, MESHES
from simvid.jobs.backends import engine_of
from simvid.jobs.preflight import prepared
from simvid.parsing import parse_scene

FIRST_SCENES = {
    "drop": "1a9e8bb8cc44",
    "toss": "0def3dca0a70",
    "tower": "3cf26bca5817",
    "dominoes": "a9a16cdb2b66",
    "bowl": "3265fe199d6a",
    "ramp": "5921e9520eb6",
    "swing": "cc61ca0dd5a0",
    "still_life": "16b2e345add6",
    "panda": "869130c3de60",
    "ur5e": "66859cc3536c",
    "odd_toss": "ad82eefcbdc0",
    "billiard": "f57ae00ac2e3",
    "spinning": "539107afff8a",
}
"""Start of the SHA-256 of scene 0 of seed 1: pairs were made of these, and their scenes can be drawn again. Those for
training are the scenes of the bundled weights' seventh run and later: before, fewer kinds of light were drawn."""
MOST_PARTICLES = 14_000
"""In a scene: it takes seconds to simulate."""


def test_the_same_seed_gives_the_same_scene_and_another_number_another() -> None:
    first, again = pair_scene("drop", 3, 7), pair_scene("drop", 3, 7)
    assert first.scene == again.scene
    assert (first.first, first.look) == (again.first, again.look)
    others = (pair_scene("drop", 4, 7), pair_scene("drop", 3, 8), pair_scene("drop", 3, 7, attempt=1))
    assert all(other.scene.bodies != first.scene.bodies for other in others)


@pytest.mark.parametrize("family", [*TRAINING, *HELD_OUT])
def test_every_family_draws_scenes_that_can_be_simulated(family: str) -> None:
    for number in range(2):
        for attempt in range(ATTEMPTS):
            try:
                assets = prepared(pair_scene(family, number, 11, attempt=attempt).scene)
                break
            except SimvidError:
                continue
        else:
            pytest.fail(f"{family} {number}: no draw of {ATTEMPTS} is possible")
        assert sum(not part.part.fixed for part in assets.parts) >= 1


@pytest.mark.parametrize("family", FIRST_SCENES)
def test_scenes_that_pairs_were_made_of_stay_what_they_were(family: str) -> None:
    tree = pair_scene(family, 0, 1).scene.model_dump(mode="json", exclude_defaults=True)
    assert hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:12] == FIRST_SCENES[family]


def test_training_sees_many_kinds_of_light_and_none_of_the_held_out_rooms() -> None:
    scenes = [pair_scene("still_life", number, 5) for number in range(120)]
    own = [drawn.scene for drawn in scenes if drawn.look == OWN_LIGHT]
    assert 54 <= len(own) <= 90  # six of ten
    skies = [light.sky for scene in own for light in scene.lights if light.sky is not None]
    assert len(skies) == len(own)
    assert {sky.preset for sky in skies} == {"studio", *OPEN_SKIES, *ROOMS}
    assert not set(ROOMS) & set(HELD_OUT_LOOKS)
    turned = [sky.turn_deg for sky in skies if sky.preset in ROOMS]
    assert len(set(turned)) == len(turned) > 5
    assert all(sky.turn_deg == 0 for sky in skies if sky.preset not in ROOMS)


@pytest.mark.parametrize("family", sorted(DEFORMING))
def test_a_deforming_family_draws_light_scenes_that_start(family: str) -> None:
    """Nothing begins inside something else, and what deforms falls."""
    scene = pair_scene(family, 0, 11).scene
    scene = scene.model_copy(update={"duration_s": 2 / scene.fps})
    found = engine_of(scene).use.simulate(prepared(scene), lambda *_: None)
    assert 0 < sum(p.positions.shape[1] for p in found.particles) < MOST_PARTICLES
    moved = np.concatenate([np.linalg.norm(p.positions[-1] - p.positions[0], axis=-1) for p in found.particles])
    assert 0.002 < np.median(moved) < 0.5


def test_what_deforms_is_on_both_sides_of_the_split() -> None:
    assert {f for f in (*TRAINING, *HELD_OUT) if any(_kinds(f))} == DEFORMING
    assert DEFORMING & set(TRAINING)
    assert DEFORMING & set(HELD_OUT)


def _kinds(family: str) -> list[bool]:
    scene = pair_scene(family, 0, 11).scene
    return [scene.material(body.material).kind is not None for body in scene.bodies]


def test_families_meshes_and_looks_are_on_one_side_of_the_split() -> None:
    assert not set(families(held_out=True)) & set(families(held_out=False))
    assert not {m.path for m in MESHES} & {m.path for m in HELD_OUT_MESHES}
    for family in TRAINING:
        assert all(pair_scene(family, k, 1).look not in HELD_OUT_LOOKS for k in range(12) if _drawn(family, k))
    assert {pair_scene("billiard", k, 1).look for k in range(12)} == set(HELD_OUT_LOOKS)


def _drawn(family: str, number: int) -> bool:
    try:
        pair_scene(family, number, 1)
    except SceneError:
        return False
    return True


def test_an_unknown_family_is_told_with_those_there_are() -> None:
    with pytest.raises(SceneError, match=r"family: expected one of .*dominoes.*, got 'domino'"):
        pair_scene("domino", 0, 0)


def test_a_job_takes_its_families_in_turn() -> None:
    wanted = tasks(2 * len(TRAINING) + 1, len(HELD_OUT), seed=5)
    counts = {f: sum(t.family == f for t in wanted) for f in (*TRAINING, *HELD_OUT)}
    assert {counts[f] for f in TRAINING} == {2, 3}
    assert {counts[f] for f in HELD_OUT} == {1}
    assert len({t.name for t in wanted}) == len(wanted)
    assert np.unique([t.seed for t in wanted]).tolist() == [5]


def test_a_job_may_be_of_some_families_alone() -> None:
    wanted = tasks(3, 1, seed=5, only=("sand", "clay", "jelly"))
    assert [t.name for t in wanted] == ["jelly_00000", "sand_00000", "jelly_00001", "clay_00000"]
    with pytest.raises(SimvidError, match=r"family: expected one of .*jelly.*, got 'sandd'"):
        tasks(1, 0, 0, only=("sandd",))
    with pytest.raises(SimvidError, match=r"2 pairs held out are wanted, and none of sand is; choose among ur5e"):
        tasks(0, 2, 0, only=("sand",))


def test_a_pair_is_under_the_licences_of_all_that_is_seen_in_it() -> None:
    scene = pair_scene("tower", 0, 1, resolution_px=64).scene
    plain = scene.model_copy(update={"bodies": [], "robots": []})
    assert licence_of(plain) == "Apache-2.0"
    arm, eye = (
        {"name": "arm", "model": UR5E},
        {"name": "eye", "pose": {"look_from_m": [2, 0, 1], "look_at_m": [0, 0, 0]}},
    )
    assert licence_of(parse_scene(json.dumps({"simvid": 1, "duration_s": 1, "cameras": [eye], "robots": [arm]}))) == (
        "Apache-2.0; BSD-3-Clause"
    )
