"""Trajectories survive the disk, and broken files are refused."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import pytest

from simvid.errors import ClipError
from simvid.trajectory import Contacts, Part, ParticleMotion, RobotMotion, Trajectory
from simvid.trajectory_io import digest, load, save

RNG = np.random.default_rng(0)


def example() -> Trajectory:
    t, c, p = 4, 3, 5
    poses = np.zeros((t, 2, 7))
    poses[..., :3], poses[..., 3] = RNG.normal(size=(t, 2, 3)), 1.0
    contacts = Contacts(
        np.arange(c, dtype=np.int32),
        RNG.random(c),
        np.ones(c, np.int32),
        np.full(c, 2, np.int32),
        RNG.random((c, 3)),
        RNG.random((c, 3)),
        RNG.random((c, 3)),
        RNG.random(c),
        np.array([0, 1, 2], np.uint8),
    )
    return Trajectory(
        fps=24.0,
        parts=(Part("ground", "ground", 1, "ground", "ground", True), Part("jelly", "jelly", 3, "body", "jelly")),
        poses=poses,
        twists=RNG.random((t, 2, 6)),
        contacts=contacts,
        robots=(RobotMotion("arm", ("j1", "j2"), *RNG.random((4, t, 2))),),
        particles=(
            ParticleMotion(
                "jelly",
                1,
                3,
                "sheet",
                RNG.random((t, p, 3)).astype(np.float32),
                RNG.random((t, p, 3, 3)).astype(np.float32),
                RNG.random((p, 3)).astype(np.float32),
                np.array([[0, 1, 2]], np.int32),
            ),
        ),
        engine="newton",
        engine_version="1.8",
        step_s=0.002,
        masses_kg=np.array([np.inf, 0.7]),
        wall_s=1.5,
    )


def test_everything_comes_back(tmp_path: Path) -> None:
    before = example()
    path = tmp_path / "t.npz"
    said = save(before, path)
    after = load(path)
    assert said == digest(before) == digest(after)
    assert after.parts == before.parts
    assert after.wall_s == before.wall_s
    assert np.array_equal(after.poses, before.poses)
    assert np.array_equal(after.contacts.event, before.contacts.event)
    assert after.robots[0].joint_names == ("j1", "j2")
    assert after.particles[0].triangles is not None
    assert np.array_equal(after.masses_kg, before.masses_kg)
    assert [p.name for p in tmp_path.iterdir()] == ["t.npz"]


def test_bytes_depend_on_the_trajectory_alone(tmp_path: Path) -> None:
    trajectory = example()
    save(trajectory, tmp_path / "a.npz")
    save(trajectory, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("field", ["poses", "twists", "fps", "engine_version", "parts"])
def test_the_digest_sees_every_change_but_the_wall_time(field: str) -> None:
    trajectory = example()
    changed = {
        "poses": trajectory.poses + np.array([1e-12, 0, 0, 0, 0, 0, 0]),
        "twists": trajectory.twists * (1 + 1e-12),
        "fps": 25.0,
        "engine_version": "1.9",
        "parts": (dataclasses.replace(trajectory.parts[0], category="floor"), trajectory.parts[1]),
    }
    assert digest(dataclasses.replace(trajectory, **{field: changed[field]})) != digest(trajectory)
    assert digest(dataclasses.replace(trajectory, wall_s=9.0)) == digest(trajectory)


def test_missing_truncated_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    with pytest.raises(ClipError, match="missing"):
        load(path)
    save(example(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ClipError, match="damaged"):
        load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(ClipError):
        load(path)
    np.savez(path, about=np.frombuffer(b'{"schema": 99}', np.uint8))
    with pytest.raises(ClipError, match="schema 1, got 99"):
        load(path)
