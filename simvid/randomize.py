"""Domain randomisation: sample k of a scene, the same whatever was drawn before it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SceneError
from simvid.field_paths import text
from simvid.parsing.loading import checked, tree_of
from simvid.parsing.targets import NoSuchFieldError, Target, find, replaced
from simvid.parsing.variation import CUT, is_pose, takes_whole_numbers
from simvid.parsing.wording import shown
from simvid.rotations import quat_from_euler_deg, quat_multiply
from simvid.scene import Jitter, Random, Scene
from simvid.yaml_reading import Document

_BELL = NormalDist()


def sample(scene: Scene, index: int) -> tuple[Scene, dict[str, Any]]:
    """Draw every value that ``randomize`` names.

    Each value depends on the scene's seed, its own path and the index alone: samples may be made in any order, and a
    new entry of ``randomize`` leaves the others' values as they were.

    Args:
        scene: with or without ``randomize``; without, it is returned as it is.
        index: which sample, from 0.

    Returns:
        The scene with the values in place and nothing left to draw, and path -> value.

    Raises:
        SceneError: the sampled scene is impossible; the text names the field and the values drawn.
    """
    if not 0 <= index < 2**64:
        raise SceneError(f"sample index: expected a whole number >= 0 and < 2**64, got {index}")
    if not scene.randomize:
        return scene, {}
    tree: Mapping[str, Any] = {key: value for key, value in tree_of(scene).items() if key != "randomize"}
    lines, drawn = dict(scene._lines), dict[str, Any]()
    for path, random in scene.randomize.items():
        where = scene.where(text(("randomize", path)))
        try:
            target = find(tree, path)
            drawn[path] = draw(random, target, Stream(scene.seed, path, index))
            tree, _ = replaced(tree, path, drawn[path], create=False)
        except NoSuchFieldError as error:
            raise SceneError(f"{where}: {error.message}" + (f"\n  hint: {error.hint}" if error.hint else "")) from error
        lines[text(target.loc)] = lines.get(text(("randomize", path)), lines.get("randomize", 0))
    try:
        sampled = checked(Document(scene._file, dict(tree), lines), Path(scene._base))
    except SceneError as error:
        values = ", ".join(f"{path} = {shown(value)}" for path, value in drawn.items())
        raise SceneError.of(replace(f, hint=f"sample {index} drew {values}") for f in error.faults) from error
    return sampled, drawn


class Stream:
    """Numbers that depend on a seed, a name and an index, and on nothing else.

    Philox is a counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): the key
    comes from seed and name, the counter starts at the index. Only its raw bits are used, so that a new release of
    numpy cannot change a sample.
    """

    def __init__(self, seed: int, name: str, index: int) -> None:
        digest = hashlib.blake2b(f"{seed}\n{name}".encode(), digest_size=16).digest()
        key = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
        self._bits = np.random.Philox(key=key, counter=np.array([0, 0, index, 0], dtype=np.uint64))

    def unit(self) -> float:
        """Evenly in (0, 1), with 52 bits."""
        return (int(self._bits.random_raw()) // 2**12 + 0.5) * 2.0**-52

    def bell(self) -> float:
        """Standard normal within three standard deviations, by inversion."""
        tail = _BELL.cdf(-CUT)
        return _BELL.inv_cdf(tail + (1 - 2 * tail) * self.unit())


def draw(random: Random, target: Target, stream: Stream) -> Any:
    """One value for a field, as plain values of a scene file; whole numbers where the field wants them.

    Raises:
        NoSuchFieldError: a jitter of something that is no pose.
    """
    whole = takes_whole_numbers(target)
    if random.choice is not None:
        return random.choice[int(stream.unit() * len(random.choice))]
    if random.jitter is not None:
        if not is_pose(target):
            raise NoSuchFieldError(f"expected a pose to jitter, got {shown(target.value)}")
        return jittered(target.value, random.jitter, stream)
    if random.normal is not None:
        value = random.normal.mean + random.normal.std * stream.bell()
        return round(value) if whole else value
    if random.uniform is not None:
        low, high = random.uniform.low, random.uniform.high
        if whole:
            first, last = math.ceil(low), math.floor(high)
            return first + min(int(stream.unit() * (last - first + 1)), last - first)
        u = stream.unit()
        return min(max(low * (1 - u) + high * u, low), high)
    assert random.log_uniform is not None
    low, high = random.log_uniform.low, random.log_uniform.high
    u = stream.unit()
    value = min(max(math.exp(math.log(low) * (1 - u) + math.log(high) * u), low), high)
    return min(max(round(value), math.ceil(low)), math.floor(high)) if whole else value


@dataclass(frozen=True, eq=False)
class _Change:
    """A small move: by ``shift`` [m], about ``turn`` (unit axis times angle) [rad], both in the parent's frame."""

    shift: NDArray[np.float64]
    turn: NDArray[np.float64]


def jittered(pose: Mapping[str, Any], jitter: Jitter, stream: Stream) -> dict[str, Any]:
    """A pose moved a little: each coordinate by a bell curve, the orientation by a bell-curved angle about any axis.

    A pose given by look_from_m and look_at_m stays one: both points move, and the turn about the line of sight goes
    into roll_deg.
    """
    shift = np.array([jitter.position_m * stream.bell() for _ in range(3)])
    height, around = 2 * stream.unit() - 1, 2 * math.pi * stream.unit()
    flat = math.sqrt(max(0.0, 1 - height * height))
    axis = np.array([flat * math.cos(around), flat * math.sin(around), height])
    change = _Change(shift, axis * math.radians(jitter.rotation_deg * stream.bell()))
    if pose.get("look_from_m") is not None:
        return _moved_view(pose, change)
    if pose.get("quaternion_wxyz") is not None:
        q = np.asarray(pose["quaternion_wxyz"], dtype=np.float64)
        q = q / np.linalg.norm(q)
    else:
        q = quat_from_euler_deg(pose.get("rotation_deg") or (0.0, 0.0, 0.0))
    position = np.asarray(pose.get("position_m") or (0.0, 0.0, 0.0), dtype=np.float64) + change.shift
    kept = {key: value for key, value in pose.items() if key == "roll_deg"}
    return {**kept, "position_m": position.tolist(), "quaternion_wxyz": quat_multiply(_quat(change.turn), q).tolist()}


def _moved_view(pose: Mapping[str, Any], change: _Change) -> dict[str, Any]:
    start = np.asarray(pose["look_from_m"], dtype=np.float64)
    sight = np.asarray(pose["look_at_m"], dtype=np.float64) - start
    forward = sight / np.linalg.norm(sight)
    roll = float(change.turn @ forward)
    q = _quat(change.turn - roll * forward)
    turned = quat_multiply(quat_multiply(q, np.array([0.0, *sight])), q * np.array([1.0, -1.0, -1.0, -1.0]))[1:]
    moved = start + change.shift
    return {
        "look_from_m": moved.tolist(),
        "look_at_m": (moved + turned).tolist(),
        "roll_deg": float(pose.get("roll_deg") or 0.0) + math.degrees(roll),
    }


def _quat(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axis times angle [rad] to a unit quaternion (w, x, y, z)."""
    angle = float(np.linalg.norm(turn))
    if angle == 0.0:
        return np.array([1.0, 0.0, 0.0, 0.0])
    return np.array([math.cos(angle / 2), *(turn / angle * math.sin(angle / 2))])
