"""Pairs from scene to disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simvid.camera_path import CameraPath
from simvid.errors import PhysicsError
from simvid.frames import Frames
from simvid.generating import pair_making
from simvid.generating.pair_job import FAILED, PairTask, make_pair, run_pairs
from simvid.generating.pair_making import blurred, window
from simvid.generating.pair_scenes import FRAMES
from simvid.jobs.backends import engine_of
from simvid.jobs.preflight import prepared
from simvid.parsing import load_scene
from simvid.refining.pair_sets import open_pairs
from simvid.trajectory import Contacts, OutsideRecord, Part, RobotMotion, TieEvent, ToolMotion, Trajectory

pytest.importorskip("mitsuba")
TASK = PairTask("tower", 0, seed=3, resolution_px=48, samples=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of one small pair."""
    out = tmp_path_factory.mktemp("pairs")
    assert make_pair(TASK, out).state == "made"
    return out


def test_a_pair_shows_the_same_instants_twice(data: Path) -> None:
    (clip,) = open_pairs(data, "train")
    whole = clip.whole()
    assert clip.record.family == "tower"
    assert clip.record.frames == FRAMES
    assert clip.record.samples == TASK.samples
    pictures = [np.load(data / TASK.name / f"{name}.npy").astype(float) for name in ("coarse", "target")]
    same = np.square(pictures[0] - pictures[1]).mean()
    shifted = np.square(pictures[0][:-4] - pictures[1][4:]).mean()
    assert same < shifted, "the pictures of other instants must fit less well"
    assert -10 * np.log10(same / 255**2) > 15
    assert np.isfinite(whole.target).all()


def test_a_short_pair_is_the_beginning_of_the_long_one(data: Path, tmp_path: Path) -> None:
    short = replace(TASK, frames=2)
    assert make_pair(short, tmp_path).state == "made"
    for name in ("coarse", "target", "depth"):
        few, all_of_them = (np.load(folder / TASK.name / f"{name}.npy") for folder in (tmp_path, data))
        assert len(few) == 2
        far = np.isfinite(few.astype(np.float32))
        assert np.array_equal(far, np.isfinite(all_of_them[:2].astype(np.float32))), name
        off = np.abs(few[far].astype(np.float32) - all_of_them[:2][far]).mean()
        assert off < 0.5, f"{name}: shadow maps fit what moves in these frames, and nothing else may differ"


def test_what_is_there_is_not_made_again(data: Path) -> None:
    stamp = (data / TASK.name / "pair.json").stat().st_mtime_ns
    assert [o.state for o in run_pairs([TASK], data, workers=1)] == ["there"]
    assert (data / TASK.name / "pair.json").stat().st_mtime_ns == stamp


def test_the_same_task_gives_the_same_bytes(data: Path, tmp_path: Path) -> None:
    make_pair(TASK, tmp_path)
    for name in ("coarse", "target", "depth", "light_diffuse"):
        assert (tmp_path / TASK.name / f"{name}.npy").read_bytes() == (data / TASK.name / f"{name}.npy").read_bytes()


def test_a_scene_that_cannot_be_made_is_recorded_with_its_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: object, **__: object) -> None:
        raise PhysicsError("ball flies away at 0.3 s")

    monkeypatch.setattr(pair_making, "make", diverge)
    outcome = make_pair(TASK, tmp_path)
    assert (outcome.state, outcome.reason) == ("failed", "ball flies away at 0.3 s")
    assert len(json.loads((tmp_path / FAILED / f"{TASK.name}.json").read_text())["reasons"]) == 6
    assert not (tmp_path / TASK.name).exists()


def test_a_window_is_a_trajectory_of_its_own() -> None:
    scene = load_scene("pendulum", {"duration_s": 0.5})
    whole = engine_of(scene).use.simulate(prepared(scene), lambda *_: None)
    part = window(whole, 3, 5)
    assert part.frame_count == 5
    assert np.array_equal(part.poses, whole.poses[3:8])
    inside = (whole.contacts.frame >= 3) & (whole.contacts.frame < 8)
    assert np.array_equal(part.contacts.frame, whole.contacts.frame[inside] - 3)
    assert np.allclose(part.contacts.time_s, whole.contacts.time_s[inside] - 3 / whole.fps)
    with pytest.raises(ValueError, match="expected frames within"):
        window(whole, 10, 5)


def test_a_window_takes_along_what_acts_from_outside_and_what_breaks() -> None:
    scene = load_scene("pendulum", {"duration_s": 0.5})
    whole = engine_of(scene).use.simulate(prepared(scene), lambda *_: None)
    shape = whole.poses.shape[:2]
    work = np.arange(np.prod(shape), dtype=float).reshape(shape)
    record = OutsideRecord(np.ones((*shape, 3)), np.ones(shape), work)
    ties = tuple(TieEvent("break", name, (), frame / whole.fps) for name, frame in (("a", 1), ("b", 3), ("c", 7.5)))
    part = window(replace(whole, outside=record, ties=ties), 3, 5)
    assert part.outside is not None
    assert np.array_equal(part.outside.work, work[3:8])
    (tie,) = part.ties
    assert tie.name == "b"
    assert tie.time_s == pytest.approx(0.0)


def test_a_window_cuts_all_that_is_known_of_a_robot() -> None:
    t = 10
    tool = ToolMotion(np.arange(7.0 * t).reshape(t, 7), np.zeros((t, 7)), np.arange(float(t)), np.zeros(t))
    log = ((0.1, "too early"), (0.4, "grasped"), (0.95, "too late"))
    joints = np.random.default_rng(0).random((4, t, 2))
    names, actions = ("a", "b"), np.arange(t, dtype=np.int32)
    robot = RobotMotion("arm", names, joints[0], joints[1], joints[2], joints[3], "position", tool, actions, log)
    part = Part("arm/hand", "arm", 2, "link", "arm")
    still = np.tile([0.0, 0, 0, 1, 0, 0, 0], (t, 1, 1))
    whole = Trajectory(10.0, (part,), still, np.zeros((t, 1, 6)), Contacts.none(), (robot,))
    (cut,) = window(whole, 3, 4).robots
    assert cut.tool is not None
    assert cut.actions is not None
    assert np.array_equal(cut.tool.poses, tool.poses[3:7])
    assert cut.tool.gripper_m.tolist() == cut.actions.tolist() == [3, 4, 5, 6]
    assert np.array_equal(cut.targets, joints[3, 3:7])
    assert [(round(when, 9), words) for when, words in cut.log] == [(0.1, "grasped")]
    with pytest.raises(ValueError, match=r"RobotMotion\.tool: expected 4 frames, got 10"):
        replace(cut, tool=tool)


def test_blur_is_gaussian() -> None:
    rgb = np.zeros((1, 9, 9, 3), np.uint8)
    rgb[0, 4, 4] = 200
    path = CameraPath("c", 9, 9, np.array([[9.0, 0, 4.5], [0, 9, 4.5], [0, 0, 1]]), np.eye(4)[None])
    frames = Frames(path, rgb)
    soft = blurred(frames, 1.0).rgb
    assert soft[0, 4, 4, 0] == pytest.approx(200 / (2 * np.pi), abs=1.5)
    assert blurred(frames, 0.0) is frames
