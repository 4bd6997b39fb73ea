"""Grains that mix: a point comes back with others than it went with, which is no error; a shift of all of them is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.checking.base import Subject
from simvid.checking.flow_checks import flow_returns
from simvid.frames import CameraPath
from simvid.trajectory import Contacts, Part, ParticleMotion, Trajectory

SIDE, GRAIN_PX, SPEED_PX = 48, 4, 5.0
WAYS = np.random.default_rng(1).uniform(-2, 2, (SIDE // GRAIN_PX,) * 2)


class Pictures(Subject):
    """A subject whose arrays are made here."""

    def has(self, *arrays: str) -> bool:
        return True

    def read(self, name: str, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
        return iter([ARRAYS[name] for _ in indices])


FLOW = np.zeros((SIDE, SIDE, 2), np.float32)
FLOW[..., 1] = SPEED_PX
BACK = -FLOW
BACK[..., 0] = np.kron(WAYS, np.ones((GRAIN_PX, GRAIN_PX)))
ARRAYS: dict[str, NDArray[Any]] = {
    "ids": np.ones((SIDE, SIDE), np.int32),
    "occluded_forward": np.zeros((SIDE, SIDE), np.bool_),
    "flow_forward": FLOW,
    "flow_backward": BACK,
}


def subject(form: Any, grain_m: float = 0.04) -> Pictures:
    """Grains that are seen four pixels apart, one metre away, and fall by five pixels a frame."""
    grid = np.stack(np.meshgrid(*[np.arange(6) * grain_m] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    places = np.stack([grid - grid.mean(axis=0)] * 2).astype(np.float32) + np.array([0, 0, 1], np.float32)
    F = np.broadcast_to(np.eye(3, dtype=np.float32), (2, len(grid), 3, 3)).copy()
    poses = np.tile([0, 0, 1, 1.0, 0, 0, 0], (2, 1, 1))
    body = ParticleMotion("sand", 0, 1, form, places, F, (grid - grid.mean(axis=0)).astype(np.float32))
    trajectory = Trajectory(
        fps=24, parts=(Part("sand", "sand", 1, "body", "sand"),), poses=poses, twists=np.zeros((2, 1, 6)),
        contacts=Contacts.none(), particles=(body,),
    )  # fmt: skip
    K = np.array([[100.0, 0, SIDE / 2], [0, 100.0, SIDE / 2], [0, 0, 1]])
    camera = CameraPath("c", SIDE, SIDE, K, np.stack([np.eye(4)] * 2))
    made = Pictures("c", Path(), {}, None, trajectory)  # type: ignore[arg-type]
    made.__dict__["camera"] = camera
    return made


def test_grains_that_mix_are_no_fault() -> None:
    """Of a solid, and of grains too fine to explain it, they are."""
    assert flow_returns(subject("loose")).passed is True
    assert flow_returns(subject("solid")).passed is False
    assert flow_returns(subject("loose", grain_m=0.0005)).passed is False


@pytest.mark.parametrize("shift", [1.0, -1.0])
def test_a_shift_of_all_grains_is_found(shift: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARRAYS, "flow_backward", -FLOW + np.float32(shift))
    check = flow_returns(subject("loose"))
    assert check.passed is False
    assert "part 'sand'" in check.note
