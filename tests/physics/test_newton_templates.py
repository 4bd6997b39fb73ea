"""A world from a kept conversion is to the last bit the world that is built anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simvid.assets.parts import SceneAssets
from simvid.physics.newton.templates import Templates
from simvid.physics.newton.world import World, build_world
from simvid.scene import Attachment, Body, Ground, Hinge, Joint, Material
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene

STATE = ("qpos", "qvel", "qacc", "xpos", "xquat", "efc_force")


def world(change: str = "") -> SceneAssets:
    """A post with a bob on a hinge, a loose box and a loose ball."""
    changes: dict[str, dict[str, Any]] = {
        "a start": {"pose": at(1.3, 1 / 3, 0.7, rotation_deg=(10, 20, 33))},
        "a speed": {"velocity_m_s": (1.0, 0.1, 0.0), "angular_velocity_rad_s": (0.0, 2.0, 1.0)},
        "a mass": {"mass_kg": 3.3},
        "a material": {"material": "ice"},
    }
    given = changes.get(change, {})
    loose = box("loose", (0.1, 0.2, 0.35 if change == "a size" else 0.3), **{"pose": at(1, 0, 0.5), **given})
    hinge = Hinge(anchor_m=(0, 0, 1.5 if change == "a joint" else 1), axis=(0, 1, 0), parent="post")
    bodies: list[Body] = [
        box("post", fixed=True, pose=at(0.1 if change == "a fixed place" else 0, 0, 1)),
        ball("bob", pose=at(0.3, 0, 1), joint=Joint(hinge=hinge)),
        loose,
        (box if change == "a shape" else ball)("ball", pose=at(1.6, 0, 0.4)),
    ]
    scene = small_scene(bodies, ground=Ground(), seconds=0.1)
    ice = Material(friction=0.03, restitution=0.9, rolling_friction_m=0.001)
    ties = (Attachment(name="string", a="ball", b="loose", kind="ball"),) if change == "a tie" else ()
    return small_assets(scene.model_copy(update={"materials": {"ice": ice}, "attachments": ties}))


def values(thing: Any) -> dict[str, Any]:
    """All arrays and numbers of MuJoCo's model or options."""
    found = {name: getattr(thing, name) for name in dir(thing) if not name.startswith("_")}
    return {k: v for k, v in found.items() if isinstance(v, np.ndarray | int | float)}


def assert_same(one: World, two: World) -> None:
    for a, b in ((one.m, two.m), (one.m.opt, two.m.opt)):
        first, second = values(a), values(b)
        assert first.keys() == second.keys()
        for name, value in first.items():
            assert np.array_equal(value, second[name], equal_nan=np.asarray(value).dtype.kind == "f"), name
    for name in STATE:
        assert np.array_equal(getattr(one.d, name), getattr(two.d, name)), name
    for name in ("bodies", "moving", "geom_ids", "restitution"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


@pytest.fixture(scope="module")
def anew() -> Callable[[str], World]:
    return lambda change: build_world(world(change))


@pytest.mark.parametrize("change", ["", "a start", "a speed", "a mass", "a material"])
def test_what_is_set_afterwards_shares_a_conversion(anew: Callable[[str], World], change: str) -> None:
    templates = Templates()
    build_world(world(), templates)
    made = build_world(world(change), templates)
    assert len(templates) == 1
    assert_same(made, anew(change))
    assert_same(build_world(world(), templates), anew(""))  # the kept one is as it was


@pytest.mark.parametrize("change", ["a size", "a shape", "a joint", "a fixed place", "a tie"])
def test_any_other_difference_gets_one_of_its_own(anew: Callable[[str], World], change: str) -> None:
    templates = Templates()
    build_world(world(), templates)
    made = build_world(world(change), templates)
    assert len(templates) == 2
    assert_same(made, anew(change))


def test_the_comparison_sees_a_difference(anew: Callable[[str], World]) -> None:
    with pytest.raises(AssertionError):
        assert_same(anew(""), anew("a mass"))
