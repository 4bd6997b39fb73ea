"""Two bodies that are tied do not collide; those that are let go, or whose joint broke, do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simvid.assets.parts import SceneAssets
from simvid.checking.receipts.evidence import Evidence
from simvid.checking.receipts.penetration import penetration
from simvid.physics.newton.engine import NewtonPhysics
from simvid.scene import Attachment, Ball, Breaks, Joint
from simvid.testing.physics_scenes import at, box, small_assets, small_scene
from simvid.trajectory import Trajectory

POST = box("post", (0.1, 0.1, 0.1), fixed=True, pose=at(0, 0, 1))
TIE = Attachment(name="t", a="rod", b="post", kind="ball", at_m=(-0.15, 0.0, 0.0))


def swung(joint: Joint | None = None, tie: Attachment | None = None) -> tuple[SceneAssets, Trajectory]:
    """A rod that swings down into the post that it hangs on."""
    rod = box("rod", (0.3, 0.04, 0.04), mass_kg=0.3, pose=at(0.2, 0, 1), joint=joint)
    ties = () if tie is None else (tie,)
    assets = small_assets(small_scene([POST, rod], seconds=1.0).model_copy(update={"attachments": ties}))
    return assets, NewtonPhysics().simulate(assets)


def deep_s(assets: SceneAssets, made: Trajectory) -> float:
    """For how long the law finds them deep inside each other."""
    return penetration(Evidence(assets, made)).record.measured.get("deep_s", 0.0)


def inside(assets: SceneAssets, made: Trajectory) -> Trajectory:
    """The same, but from 0.9 s on the rod stands in the post; it was away for two frames before."""
    poses = made.poses.copy()
    poses[43:, 1] = (2.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0)
    poses[45:, 1, 0] = 0.15
    return replace(made, poses=poses)


def test_an_attachment_that_swings_them_into_each_other_breaks_no_law() -> None:
    assets, made = swung(tie=TIE)
    free = assets.scene.model_copy(update={"attachments": ()})
    assert deep_s(replace(assets, scene=free), made) > 0.15  # they are inside each other
    assert deep_s(assets, made) == 0.0
    assert deep_s(assets, inside(assets, made)) == 0.0


def test_what_was_let_go_is_judged_again_when_it_has_come_out() -> None:
    assets, made = swung(tie=TIE.model_copy(update={"end_s": 0.3}))
    assert deep_s(assets, made) == 0.0
    assert deep_s(assets, inside(assets, made)) == pytest.approx(0.12)


def test_what_has_broken_off_is_judged_again() -> None:
    held = Joint(ball=Ball(anchor_m=(0.05, 0.0, 1.0), parent="post", breaks=Breaks(force_n=1e3)))
    assets, made = swung(held)
    assert not made.ties
    assert deep_s(assets, inside(assets, made)) == 0.0
    assets, made = swung(Joint(ball=Ball(anchor_m=(0.05, 0.0, 1.0), parent="post", breaks=Breaks(force_n=5.0))))
    assert [tie.kind for tie in made.ties] == ["break"]
    assert np.isfinite(made.poses).all()
    assert deep_s(assets, made) == 0.0
    assert deep_s(assets, inside(assets, made)) == pytest.approx(0.12)
