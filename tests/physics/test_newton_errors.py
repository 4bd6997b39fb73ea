"""What the Newton engine refuses, what it notices, and that it is quiet and repeatable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.errors import PhysicsError, SceneError
from simvid.physics.newton.engine import NewtonPhysics
from simvid.scene import Body, Ground, Hinge, Joint, Keyframe, Material, Motion, Weld
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene
from simvid.trajectory import Trajectory

SCRIPT = """
from simvid.physics.newton.engine import NewtonPhysics
from simvid.testing.physics import bouncing_scene
from simvid.testing.physics_scenes import small_assets
from simvid.trajectory_io import digest
import sys
made = NewtonPhysics().simulate(small_assets(bouncing_scene()))
open(sys.argv[1], "w").write(digest(made))
"""


def run(bodies: list[Body], **given: Any) -> Trajectory:
    return NewtonPhysics().simulate(small_assets(small_scene(bodies, **given)))


def test_two_fresh_processes_are_quiet_and_give_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for k in range(2):
        out = tmp_path / str(k)
        done = subprocess.run(
            [sys.executable, "-W", "error::UserWarning", "-c", SCRIPT, str(out)],
            capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        digests.append(out.read_text())
    assert digests[0] == digests[1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1"]  # no MUJOCO_LOG.TXT


def test_overlap_says_how_deep_and_which_way() -> None:
    bodies = [box("shelf", (1.0, 1.0, 0.1), fixed=True, pose=at(0, 0, 1)), box("mug", pose=at(0, 0, 1.08))]
    with pytest.raises(SceneError) as caught:
        run(bodies)
    assert str(caught.value).partition(": ")[2] == (
        "bodies[1] (mug): 'mug' and 'shelf' are 20 mm inside each other at t = 0 (at most 1 mm is allowed): "
        "move 'mug' by [0, 0, 0.0201] m, or tie them by a joint"
    )


def test_all_overlaps_are_told_at_once() -> None:
    bodies = [box(f"box_{k}", pose=at(0, 0, 0.05 + 0.08 * k)) for k in range(3)]
    with pytest.raises(SceneError) as caught:
        run([*bodies, box("sunk", pose=at(2, 0, 0.0))], ground=Ground())
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "bodies[3] (sunk): 'sunk' and 'ground' are 50 mm" in lines[0]


@pytest.mark.parametrize("gap", [0.0, -0.0009])
def test_touching_is_no_overlap(gap: float) -> None:
    made = run([box(pose=at(0, 0, 0.05)), box("upper", pose=at(0, 0, 0.15 + gap))], ground=Ground(), seconds=0.4)
    assert np.abs(made.twists[-1]).max() < 1e-2


def test_fixed_parts_may_overlap() -> None:
    made = run([box("a", fixed=True), box("b", fixed=True, pose=at(0.05, 0, 0)), ball(pose=at(0, 0, 1))], seconds=0.1)
    assert len(made.contacts) == 0


def test_elastic_bodies_without_particles_are_refused() -> None:
    """Rather than moved as rigid ones."""
    elastic = Material.model_validate({"elastic": {"young_modulus_pa": 1e5}})
    with pytest.raises(SceneError, match="'jelly' is of a deformable material, but its assets have no particles"):
        run([box("jelly", pose=at(0, 0, 1), material=elastic)])


def test_unknown_and_circular_parents() -> None:
    lost = ball(joint=Joint(hinge=Hinge(anchor_m=(0, 0, 0), axis=(0, 0, 1), parent="wall")))
    with pytest.raises(SceneError, match=r"'ball': unknown joint parent 'wall'"):
        run([lost])
    ring = [ball("a", joint=Joint(weld=Weld(parent="b"))), ball("b", joint=Joint(weld=Weld(parent="a")))]
    with pytest.raises(SceneError, match="lead back to itself"):
        run(ring)


def test_runaway_speed_names_part_time_and_step() -> None:
    with pytest.raises(PhysicsError, match=r"t = 0.0\d+ s: 'ball' moves at .* m/s.* 0.002 s; try physics.step_s: "):
        run([ball(velocity_m_s=(950, 0, 0))], gravity=(8e3, 0, 0), seconds=0.2)


@pytest.mark.parametrize("speed", [1.5e3, 1e200])
def test_a_start_that_is_too_fast_is_refused(speed: float) -> None:
    with pytest.raises(
        SceneError, match=r"bodies\[0\] \(ball\): 'ball' starts with .* at most 1000 m/s; give a smaller"
    ):
        run([ball(velocity_m_s=(speed, 0, 0))], seconds=0.2)


def test_runaway_spin_is_noticed() -> None:
    with pytest.raises(PhysicsError, match=r"'ball' turns at 2e\+03 rad/s"):
        run([ball(angular_velocity_rad_s=(0, 0, 2e3))], seconds=0.2)


def test_being_crushed_is_noticed() -> None:
    down = Motion(keyframes=(Keyframe(t_s=0, pose=at(0, 0, 0.3)), Keyframe(t_s=0.3, pose=at(0, 0, 0.1))))
    with pytest.raises(
        PhysicsError, match=r"'(ground|victim|press)' and '(victim|press)' have been up to .* mm inside"
    ):
        run([box("press", (1, 1, 0.1), motion=down), box("victim", pose=at(0, 0, 0.05))], ground=Ground(), seconds=1.0)


def test_progress_counts_frames() -> None:
    told: list[tuple[int, int]] = []
    NewtonPhysics().simulate(small_assets(small_scene([ball()], seconds=0.1)), lambda *x: told.append(x))
    assert told == [(k, 6) for k in range(1, 7)]
