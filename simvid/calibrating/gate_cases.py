"""What the gate is calibrated with: of each pair, videos that it must accept, and planted ones that it must catch."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.calibrating.pair_frames import PairFrames
from simvid.checking.gate.scores import GateFrame
from simvid.refining.pairs import PairRecord
from simvid.scene import Scene
from simvid.testing.violations import VIOLATIONS, Scenery

ROBOTS = {"panda": "panda", "ur5e": "ur5e"}
"""Families of pairs in which a robot acts."""


@dataclass(frozen=True, eq=False)
class Case:
    """One video to judge: what it is called, whether it must be caught, its pictures, and where they were changed."""

    name: str
    bad: bool
    video: NDArray[np.uint8]
    changed: NDArray[np.bool_] | None = None
    """Where a planted violation changed the picture, [T, H, W]."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One pair with instances in place of parts: all links of a robot are one."""

    pair: PairFrames
    frames: slice
    instances: NDArray[np.int32]
    robots: tuple[int, ...]

    def gate_frames(self, video: NDArray[np.uint8]) -> Iterator[GateFrame]:
        """The frames to judge, with these pictures as the refined ones."""
        names = ("coarse", "depth", "flow_backward", "visible")
        coarse, depth, flow, visible = (self.pair.decoded(name, self.frames) for name in names)
        for k, picture in enumerate(video):
            yield GateFrame(picture, coarse[k], depth[k], self.instances[k], flow[k], visible[k] == 0)


def subject(pair: PairFrames, frames: slice) -> Subject:
    """A pair with its instances. Parts of robots follow those of bodies (as in ``SceneAssets``)."""
    ids = pair.decoded("ids", frames)
    if pair.record.family not in ROBOTS:
        return Subject(pair, frames, ids, ())
    first = first_link(pair)
    return Subject(pair, frames, np.where(ids >= first, first, ids).astype(np.int32), (first,))


def first_link(pair: PairFrames) -> int:
    """Id of the first link of the robot of a pair: bodies come before it."""
    return 2 + sum(body.count for body in scene_of(pair.record).bodies)


def is_seen_through(record: PairRecord) -> bool:
    """Whether a pair holds glass or the like, which splats draw opaque, so that coarse and true pictures differ."""
    if not record.seeds:
        return False
    scene = scene_of(record)
    return any(scene.material(body.material).look.transmission > 0 for body in scene.bodies)


def scene_of(record: PairRecord) -> Scene:
    """The scene of a pair, drawn again from its seeds."""
    from simvid.generating.pair_scenes import pair_scene

    seeds = record.seeds
    return pair_scene(record.family, seeds["number"], seeds["set"], resolution_px=record.width,
                      attempt=seeds["attempt"]).scene  # fmt: skip


def cases(one: Subject, seed: int, refined: NDArray[np.uint8] | None = None) -> Iterator[Case]:
    """All videos of a pair, good ones first; among them what a refiner made of the same frames, where it is given."""
    true, coarse = (np.asarray(one.pair.arrays[name][one.frames]) for name in ("target", "coarse"))
    rng = generator(one, "light", seed)
    yield Case("path-traced", False, true)
    yield Case("coarse", False, coarse)
    yield Case("halfway", False, ((true.astype(np.int16) + coarse) // 2).astype(np.uint8))
    yield Case("re-exposed", False, lit(true, np.full(3, 1.3 ** rng.uniform(-1, 1)), 1.0))
    yield Case("recoloured light", False, lit(true, 1.12 ** rng.uniform(-1, 1, 3), 1.15 ** rng.uniform(-1, 1)))
    yield Case("softened", False, softened(true, float(rng.uniform(0.5, 1.0))))
    if refined is not None:
        yield Case("refined", False, refined)
    flow = one.pair.decoded("flow_backward", one.frames)
    scenery = Scenery(true, one.instances, flow, one.robots, stuff_of(one.instances))
    for name, plant in VIOLATIONS.items():
        made = plant(scenery, generator(one, name, seed))
        if made is not None:
            changed = np.abs(made.astype(np.int16) - true).max(axis=-1) >= 16
            yield Case(name, True, made, changed)


def generator(one: Subject, name: str, seed: int) -> np.random.Generator:
    """Random numbers of one case."""
    return np.random.default_rng([seed, zlib.crc32(one.pair.record.name.encode()), zlib.crc32(name.encode())])


def stuff_of(instances: NDArray[np.int32]) -> tuple[int, ...]:
    """The ground, and whatever covers a quarter of the picture."""
    numbers, sizes = np.unique(instances, return_counts=True)
    large = numbers[sizes >= 0.25 * instances.size]
    return tuple(sorted({1, *(int(k) for k in large if k > 0)}))


def lit(video: NDArray[np.uint8], gain: NDArray[np.float64], gamma: float) -> NDArray[np.uint8]:
    """Under another light: linear light times a factor for each channel, and another contrast."""
    s = np.arange(256)[:, None] / 255
    table = np.clip(np.round(255 * ((s**2.2 * gain) ** (gamma / 2.2))), 0, 255).astype(np.uint8)
    return np.stack([table[video[..., c], c] for c in range(3)], axis=-1)


def softened(video: NDArray[np.uint8], sigma_px: float) -> NDArray[np.uint8]:
    """As a refiner that was trained on mean errors alone draws it."""
    from scipy.ndimage import gaussian_filter

    soft = gaussian_filter(video.astype(np.float32), (0, sigma_px, sigma_px, 0))
    return np.asarray(np.round(soft), np.uint8)
