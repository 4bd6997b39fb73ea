"""The conversion that stops where MuJoCo takes over gives what Newton's own solver steps."""

from __future__ import annotations

import os
import warnings
from typing import Any

import mujoco
import numpy as np
import pytest

from simvid.physics.newton.convert import convert, quiet_warp
from simvid.physics.newton.model import SceneBuilder, build_model
from simvid.scene import Ground, Hinge, Joint, Slider
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene

FIELDS = (
    "body_pos", "body_quat", "body_mass", "body_ipos", "jnt_type", "jnt_axis", "jnt_pos",
    "jnt_limited", "dof_damping", "dof_armature", "geom_type", "geom_size", "geom_pos", "geom_quat", "geom_friction",
)  # fmt: skip


def model() -> SceneBuilder:
    bodies = [
        box("post", fixed=True, pose=at(0, 0, 1)),
        ball("bob", pose=at(0.3, 0, 1), joint=Joint(hinge=Hinge(anchor_m=(0, 0, 1), axis=(0, 1, 0), parent="post"))),
        box("sled", pose=at(2, 0, 1), joint=Joint(slider=Slider(axis=(1, 0, 0), damping_n_s_m=0.5))),
        box("loose", (0.1, 0.2, 0.3), pose=at(4, 0, 1, rotation_deg=(10, 20, 30))),
    ]
    return build_model(small_assets(small_scene(bodies, ground=Ground())))


def inertia(m: Any) -> Any:
    """Of all bodies, in their own axes; round bodies have no axes of their own."""
    turns = np.zeros((m.nbody, 9))
    for turn, quat in zip(turns, m.body_iquat, strict=True):
        mujoco.mju_quat2Mat(turn, quat)
    axes = turns.reshape(-1, 3, 3)
    return np.einsum("bij,bj,bkj->bik", axes, m.body_inertia, axes)


@pytest.mark.slow
def test_it_is_the_model_that_newton_would_step() -> None:
    from newton.solvers import SolverMuJoCo

    with quiet_warp():
        ours = convert(model().builder, cone="elliptic", integrator="implicitfast").compile()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Newton's own, about its versions
            solver = SolverMuJoCo(
                model().builder.finalize(device="cpu", skip_all_validations=True), use_mujoco_cpu=True,
                kinematic_switchable_roots=False, cone="elliptic", integrator="implicitfast",
            )  # fmt: skip
    theirs = solver.mj_model
    for name in FIELDS:
        difference = getattr(ours, name).astype(float) - getattr(theirs, name)
        assert np.abs(difference).max() < 1e-6, name  # float32
    assert np.abs(inertia(ours) - inertia(theirs)).max() < 1e-6 * theirs.body_inertia.max()
    assert ours.opt.cone == theirs.opt.cone == int(mujoco.mjtCone.mjCONE_ELLIPTIC)
    assert ours.opt.integrator == theirs.opt.integrator


def test_warps_settings_are_put_back_and_stderr_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    import warp

    before = (warp.config.log_level, warp.config.enable_backward, warp.config.optimization_level)
    with pytest.raises(ValueError, match="inside"):
        _noisy()
    assert (warp.config.log_level, warp.config.enable_backward, warp.config.optimization_level) == before
    assert capfd.readouterr().err == "but this is news\n"


def _noisy() -> None:
    import warp

    with quiet_warp():
        assert warp.config.optimization_level == 0
        os.write(2, b"Warp CUDA warning: Could not find or load the NVIDIA CUDA driver. And so on.\n")
        os.write(2, b"but this is news\n")
        raise ValueError("inside")


def test_newton_builds_a_model_without_any_joint() -> None:
    scene = build_model(small_assets(small_scene([box("post", fixed=True)])))
    assert scene.builder.joint_count == 1
