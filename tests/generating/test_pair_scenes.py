"""Scenes for training pairs: the same from the same seed, valid, and never seen on both sides of the split."""

from __future__ import annotations

import numpy as np
import pytest

from simvid.errors import SceneError, SimvidError
from simvid.generating.families import HELD_OUT, TRAINING
from simvid.generating.pair_job import ATTEMPTS, tasks
from simvid.generating.pair_scenes import HELD_OUT_LOOKS, families, pair_scene
from simvid.generating.props import HELD_OUT_MESHES, MESHES
from simvid.jobs.preflight import prepared


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
