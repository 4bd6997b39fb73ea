"""Domain randomisation: sample k of a scene, the same whatever was drawn before it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SceneError
from simvid.field_paths import parts, text
from simvid.parsing.loading import checked, tree_of
from simvid.parsing.subtrees import inner_draws, with_value
from simvid.parsing.targets import NoSuchFieldError, Target, find, replaced
from simvid.parsing.variation import is_pose, takes_whole_numbers, whole_below, whole_ends
from simvid.parsing.wording import shown
from simvid.rotations import quat_from_euler_deg, quat_multiply
from simvid.scene import Jitter, Normal, Random, Scene
from simvid.scene.distributions import CUT
from simvid.yaml_reading import Document

_BELL = NormalDist()


def sample(scene: Scene, index: int) -> tuple[Scene, dict[str, Any]]:
    """Draw every value that ``randomize`` names.

    Each value depends on the scene's seed, its own path and the index alone: samples may be made in any order, and a
    new entry of ``randomize`` leaves the others' values as they were. Samples after the first also get a seed of their
    own, so that scatters, sensor noise and refiners differ between them. A field inside of another that is drawn too is
    drawn after it, wherever it is written.

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
    lines, drawn, later = dict(scene._lines), dict[str, Any](), list[str]()
    if index:
        tree = {**tree, "seed": Stream(scene.seed, "seed", index).whole()}
    for path in sorted(scene.randomize, key=_depth):
        random = scene.randomize[path]
        try:
            target = find(tree, path)
            if random.place is not None:
                later.append(path)
            else:
                drawn[path] = _value(scene, tree, target, path, index)
                tree, _ = replaced(tree, path, drawn[path], create=False)
        except NoSuchFieldError as error:
            where = scene.where(text(("randomize", path)))
            raise SceneError(f"{where}: {error.message}" + (f"\n  hint: {error.hint}" if error.hint else "")) from error
        lines[text(target.loc)] = lines.get(text(("randomize", path)), lines.get("randomize", 0))
    drawn = {path: drawn[path] for path in scene.randomize if path in drawn}
    try:
        sampled = checked(Document(scene._file, dict(tree), lines), Path(scene._base))
        if later:
            tree, put = _placed(scene, sampled, tree, later, index)
            sampled, drawn = checked(Document(scene._file, dict(tree), lines), Path(scene._base)), {**drawn, **put}
    except SceneError as error:
        values = ", ".join(f"{path} = {shown(value)}" for path, value in drawn.items())
        hint = f"sample {index} drew {values}"
        if not error.faults:
            raise SceneError(f"{error}\n  hint: {hint}" if values else str(error)) from error
        raise SceneError.of(replace(f, hint=hint) for f in error.faults) from error
    return sampled, drawn


def as_written(scene: Scene) -> Scene:
    """The scene with the values that are written in it, and nothing left to draw."""
    return scene.model_copy(update={"randomize": {}}) if scene.randomize else scene


def _depth(path: str) -> int:
    """How many keys a path has, to draw fields before what is in them; 0 for what is no path, which ``find`` tells."""
    try:
        return len(parts(path))
    except ValueError:
        return 0


def _value(scene: Scene, tree: Mapping[str, Any], target: Target, path: str, index: int) -> Any:
    """What sample ``index`` has under a path."""
    random = scene.randomize[path]
    if random.sequence is not None:
        return random.sequence[index % len(random.sequence)]
    if random.grid is not None:
        return random.grid[cell(scene.randomize, path, index)]
    stream = Stream(scene.seed, path, index)
    if random.one_of is None:
        return draw(random, target, stream)
    made = option = random.one_of[int(stream.unit() * len(random.one_of))]
    for loc, inner in inner_draws(option):
        made = with_value(made, loc, draw(inner, target, stream, whole=whole_below(tree, path, option, loc)))
    return made


def cell(randomize: Mapping[str, Random], path: str, index: int) -> int:
    """Which value of a grid sample ``index`` has: the grids count up like the digits of a number, the last fastest."""
    sizes = {name: len(random.grid) for name, random in randomize.items() if random.grid is not None}
    names = list(sizes)
    after = math.prod(sizes[name] for name in names[names.index(path) + 1 :])
    return index // after % sizes[path]


def combinations(scene: Scene) -> int:
    """How many samples it takes until the grids of a scene have shown every combination; 1 without a grid."""
    return math.prod(len(random.grid) for random in scene.randomize.values() if random.grid is not None)


def _placed(
    scene: Scene, sampled: Scene, tree: Mapping[str, Any], paths: Sequence[str], index: int
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """The tree with things in their places, and path -> pose, or the poses of all copies."""
    from simvid.assets.arrange import pose_quat
    from simvid.assets.placing import places

    targets = {path: find(tree, path) for path in paths}
    wanted = []
    for path in paths:
        place = scene.randomize[path].place
        assert place is not None, "only those are left"
        where = scene.where(text(("randomize", path)))
        wanted.append((int(targets[path].loc[1]), place, Stream(scene.seed, path, index), where))
    drawn: dict[str, Any] = {}
    for path, poses in zip(paths, places(sampled, wanted), strict=True):
        number = int(targets[path].loc[1])
        body = sampled.bodies[number]
        if body.arrange is not None:
            drawn[path] = poses
            tree, _ = replaced(tree, f"bodies[{number}].arrange", {"places": {"poses": poses}}, create=True)
            continue
        turn = quat_multiply(np.array(poses[0]["quaternion_wxyz"]), pose_quat(body.pose))
        drawn[path] = {"position_m": poses[0]["position_m"], "quaternion_wxyz": turn.tolist()}
        tree, _ = replaced(tree, path, drawn[path], create=False)
    return tree, drawn


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

    def whole(self) -> int:
        """A whole number of 53 bits."""
        return int(self._bits.random_raw()) // 2**11

    def bell(self, low: float = -CUT, high: float = CUT) -> float:
        """Standard normal from low to high, within three standard deviations, by inversion."""
        below = _BELL.cdf(low)
        share = 1 - 2 * below if high == -low else _BELL.cdf(high) - below
        return _BELL.inv_cdf(min(below + share * self.unit(), 1 - 2.0**-53))


def draw(random: Random, target: Target, stream: Stream, *, whole: bool | None = None) -> Any:
    """One value for a field, as plain values of a scene file; whole numbers where the field wants them.

    Args:
        random: anything but ``one_of``, ``grid``, ``sequence`` and ``place``, which need more than a stream.
        target: the field, as it stands.
        stream: of numbers.
        whole: whether whole numbers are wanted; None asks the field.

    Raises:
        NoSuchFieldError: a jitter of something that is no pose.
    """
    whole = takes_whole_numbers(target) if whole is None else whole
    if random.choice is not None:
        return random.choice[int(stream.unit() * len(random.choice))]
    if random.jitter is not None:
        if not is_pose(target):
            raise NoSuchFieldError(f"expected a pose to jitter, got {shown(target.value)}")
        return jittered(target.value, random.jitter, stream)
    if random.normal is not None:
        return whole_bell(random.normal, stream) if whole else bell(random.normal, stream)
    if random.uniform is not None:
        low, high = random.uniform.low, random.uniform.high
        if whole:
            first, last = whole_ends(low, high)
            return first + min(int(stream.unit() * (last - first + 1)), last - first)
        u = stream.unit()
        return min(max(low * (1 - u) + high * u, low), high)
    assert random.log_uniform is not None
    low, high = random.log_uniform.low, random.log_uniform.high
    u = stream.unit()
    if whole:
        first, last = whole_ends(low, high)
        return min(max(math.floor(math.exp(math.log(first) * (1 - u) + math.log(last + 1) * u)), first), last)
    return min(max(math.exp(math.log(low) * (1 - u) + math.log(high) * u), low), high)


def bell(normal: Normal, stream: Stream) -> float:
    """From a bell curve, between its ends."""
    if normal.low is None and normal.high is None:
        return normal.mean + normal.std * stream.bell()
    low, high = normal.ends
    return _cut(normal, stream, low, high)


def whole_bell(normal: Normal, stream: Stream) -> int:
    """The same for whole numbers: each has all that rounds to it, the first and the last one too."""
    first, last = whole_ends(*normal.ends)
    return min(max(round(_cut(normal, stream, first - 0.5, last + 0.5)), first), last)


def _cut(normal: Normal, stream: Stream, low: float, high: float) -> float:
    z = stream.bell((low - normal.mean) / normal.std, (high - normal.mean) / normal.std)
    return min(max(normal.mean + normal.std * z, low), high)


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
