"""RefinerContract: what every refiner must hold. Inherit it and say how to make yours."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from simvid.errors import SceneError
from simvid.frames import CameraPath, Frame
from simvid.refining.base import ClipContext, Refiner
from simvid.trajectory import Contacts, Part, Trajectory


def sample_frames(count: int, width: int = 48, height: int = 32) -> list[Frame]:
    """Frames with every label: a square that moves one pixel to the right per frame over a sloping floor."""
    frames = []
    v, u = np.mgrid[:height, :width].astype(np.float32)
    for i in range(count):
        square = (abs(u - width / 4 - i) < 6) & (abs(v - height / 2) < 6)
        depth = np.where(square, 1.0, 2.0 + 2.0 * (1 - v / height)).astype(np.float32)
        normals = np.zeros((height, width, 3), np.float32)
        normals[..., 1], normals[..., 2] = np.where(square, 0, -0.6), np.where(square, -1, -0.8)
        flow = np.zeros((height, width, 2), np.float32)
        flow[square, 0] = 1.0
        rgb = np.stack([np.where(square, 220, 4 * u), np.where(square, 60, 5 * v), 90 + 0 * u], axis=-1)
        hidden = np.zeros((height, width), np.bool_)
        frames.append(
            Frame(
                rgb.astype(np.uint8), np.ones_like(depth), depth, depth.copy(), np.where(square, 2, 1).astype(np.int32),
                normals, flow, -flow, hidden, hidden.copy(),
            )
        )  # fmt: skip
    return frames


def sample_context(count: int, width: int = 48, height: int = 32) -> ClipContext:
    """A clip for ``sample_frames``: the floor is the ground, the square a link of a robot, both at rest."""
    K = np.array([[40.0, 0, width / 2], [0, 40, height / 2], [0, 0, 1]])
    camera = CameraPath("front", width, height, K, np.repeat(np.eye(4)[None], count, axis=0))
    parts = (
        Part("ground", "ground", 1, "ground", "ground", fixed=True),
        Part("arm/hand", "arm", 2, "link", "arm"),
    )
    poses = np.zeros((count, 2, 7))
    poses[..., 3] = 1
    trajectory = Trajectory(24, parts, poses, np.zeros((count, 2, 6)), Contacts.none())
    return ClipContext("A square on a floor.", camera, trajectory)


class _Untouchable:
    """Frames that nobody may ask for."""

    def __iter__(self) -> Iterator[Frame]:
        raise AssertionError("a frame was asked for")


class RefinerContract(ABC):
    """Inherit as ``class TestMine(RefinerContract)`` in a pytest file."""

    count = 5
    """Frames to refine; set it to what the model can take."""

    @abstractmethod
    def refiner(self) -> Refiner:
        """A fresh refiner, as small as it can be."""

    def look(self) -> str:
        """A look that it knows."""
        return "as_rendered"

    def pictures(self, seed: int = 0) -> Any:
        """The refined sample, uint8 [T, H, W, 3]."""
        return np.stack(list(self.refiner().refine(iter(sample_frames(self.count)), look=self.look(), seed=seed)))

    def test_one_picture_per_frame(self) -> None:
        """As many, as large, 8 bits."""
        pictures = self.pictures()
        assert pictures.shape == (self.count, 32, 48, 3)
        assert pictures.dtype == np.uint8

    def test_same_seed_same_pictures(self) -> None:
        """Twice, with two refiners."""
        assert np.array_equal(self.pictures(seed=3), self.pictures(seed=3))

    def test_frames_are_left_alone(self) -> None:
        """The arrays given are not written to."""
        frames = sample_frames(self.count)
        for frame in frames:
            for array in (frame.rgb, *frame.labels.values()):
                array.flags.writeable = False
        list(self.refiner().refine(iter(frames), look=self.look(), seed=0))

    def test_it_needs_only_what_it_reads(self) -> None:
        """Frames with rgb and ``reads`` alone are enough, and all names in ``reads`` are labels."""
        reads = self.refiner().reads
        bare = []
        for frame in sample_frames(self.count):
            kept: dict[str, Any] = {name: frame.labels[name] for name in reads}
            bare.append(Frame(frame.rgb, **kept))
        pictures = list(self.refiner().refine(iter(bare), look=self.look(), seed=0))
        assert np.array_equal(np.stack(pictures), self.pictures())

    def test_unknown_look_is_refused_at_once(self) -> None:
        """With the known looks in the text, and before a frame is touched."""
        text = ""
        try:
            self.refiner().refine(_Untouchable(), look="no such look", seed=0)
        except SceneError as error:
            text = str(error)
        assert "no such look" in text, "an unknown look was accepted"
        assert self.look() in text, "the text lists the looks there are"

    def test_its_record_is_complete(self) -> None:
        """Name, version and settings can be written down."""
        refiner = self.refiner()
        assert refiner.name
        assert refiner.version()
        assert json.loads(json.dumps(dict(refiner.settings()), allow_nan=False)) == dict(refiner.settings())
