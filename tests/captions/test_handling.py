"""What robots do with things, and bodies that deform: by construction, and against a slow twin on random ones."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.captions.all_events import events
from simvid.captions.events import Event
from simvid.rotations import pose_vector
from simvid.testing.stories import FPS, LEFT, RIGHT, UP, Row, made
from simvid.trajectory import EVENTS, ParticleForm, ParticleMotion, Trajectory

KINDS = {"release", "push", "slide", "tip", "open"}
Brief = tuple[str, tuple[str, ...], int, int]


def brief(found: tuple[Event, ...]) -> set[Brief]:
    return {(e.kind, e.things, e.first, e.last) for e in found if e.kind in KINDS}


def sideways(trajectory: Trajectory, part: int, x: list[float]) -> Trajectory:
    """With a part at x [m] too."""
    poses, twists = trajectory.poses.copy(), trajectory.twists.copy()
    poses[:, part - 1, 0] = x
    twists[1:, part - 1, 0] = np.diff(x) * trajectory.fps
    return replace(trajectory, poses=poses, twists=twists)


def test_a_cloth_is_taken_drawn_over_the_ground_tipped_and_let_go() -> None:
    n = 20
    rows: list[Row] = [(t, 1, 3, UP) for t in range(n)]
    rows += [(t, 3, 5, RIGHT) for t in range(2, 15)] + [(t, 3, 6, LEFT) for t in range(3, 15)]
    x = [*[0.0] * 5, *np.linspace(0.02, 0.1, 5), *[0.1] * 10]
    tilt = [*[0.0] * 11, 1.2, 1.3, 1.3, 0.0, *[0.0] * 5]
    found = events(sideways(made(n, rows, {}, {3: tilt}), 3, x))
    assert brief(found) == {
        ("slide", ("arm", "box", "ground"), 5, 9),
        ("tip", ("arm", "box"), 11, 13),
        ("release", ("arm", "box"), 15, 15),
    }
    by = {e.kind: e for e in found}
    assert by["slide"].measured["way_m"] == pytest.approx(0.08)
    assert by["tip"].measured["tilt_rad"] == pytest.approx(1.3)
    assert by["release"].measured["speed_m_s"] == 0


def test_a_push_is_no_grasp_and_a_grasp_no_push() -> None:
    n = 8
    x = [0.0, 0.0, 0.02, 0.04, 0.06, 0.06, 0.06, 0.06]
    rows: list[Row] = [(t, 3, 5, RIGHT) for t in range(1, 5)]
    assert brief(events(sideways(made(n, rows, {}), 3, x))) == {("push", ("arm", "box"), 2, 4)}
    both = [*rows, *[(t, 3, 6, LEFT) for t in range(1, 5)]]
    assert brief(events(sideways(made(n, both, {}), 3, x))) == {("release", ("arm", "box"), 5, 5)}
    slowly = [0.0015 * t for t in range(n)]
    assert brief(events(sideways(made(n, rows, {}), 3, slowly))) == set(), "1.5 cm/s is no push"


def test_a_door_opens_once_and_only_by_a_robot() -> None:
    angles = [0.0, 0.1, 0.2, 0.3, 0.4, 0.3, 0.1, 0.0]
    rows: list[Row] = [(t, 4, 5, RIGHT) for t in range(1, 3)]
    door = made(8, rows, {}, {4: angles})
    assert brief(events(door, jointed={"post"})) == {("open", ("arm", "post"), 3, 3)}
    opened = next(e for e in events(door, jointed={"post"}) if e.kind == "open")
    assert opened.measured["turned_rad"] == pytest.approx(0.4)
    assert brief(events(door)) == set(), "what hangs on no joint does not open"
    assert brief(events(made(8, [], {}, {4: angles}), jointed={"post"})) == set(), "a pendulum is opened by nobody"
    drawer = made(8, rows, {4: [0.02 * t for t in range(8)]})
    assert ("open", ("arm", "post"), 3, 3) in brief(events(drawer, jointed={"post"}))


def test_what_was_open_before_a_robot_came_is_opened_later_or_not_at_all() -> None:
    """Wide open by itself at frame 2, touched at 4: the first frame from then on at which it is wide open."""
    angles = [0.0, 0.2, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]
    rows: list[Row] = [(t, 4, 5, RIGHT) for t in range(4, 6)]
    assert brief(events(made(8, rows, {}, {4: angles}), jointed={"post"})) == {("open", ("arm", "post"), 4, 4)}


@pytest.mark.parametrize(("way", "slid"), [(0.049, False), (0.051, True)])
def test_a_slide_takes_five_centimetres(way: float, slid: bool) -> None:
    n = 6
    rows: list[Row] = [(t, *pair) for t in range(n) for pair in ((1, 3, UP), (3, 5, RIGHT), (3, 6, LEFT))]
    x = [0.0, *np.linspace(0, way, 4), way]  # frames 2 to 4 are fast, so the way from 2 on is two thirds of it
    found = brief(events(sideways(made(n, rows, {}), 3, [1.5 * value for value in x])))
    assert (("slide", ("arm", "box", "ground"), 2, 4) in found) == slid


def slow(t: Trajectory) -> set[Brief]:
    """The definitions once more, frame by frame, without looking at the fast code; the arm and the box alone."""
    c, n, names = t.contacts, t.frame_count, [p.instance for p in t.parts]

    def rows(f: int) -> list[int]:
        return [k for k in range(len(c)) if c.frame[k] == f and EVENTS[c.event[k]] != "end"]

    def touches(f: int, body: str, other: str) -> bool:
        return any({names[c.id_a[k] - 1], names[c.id_b[k] - 1]} == {body, other} for k in rows(f))

    def held(f: int, body: str) -> bool:
        sides: dict[str, list[NDArray[np.float64]]] = {"arm/left": [], "arm/right": []}
        for k in rows(f):
            a, b = t.parts[c.id_a[k] - 1], t.parts[c.id_b[k] - 1]
            if {a.instance, b.instance} == {"arm", body}:
                sides[b.name if a.instance == body else a.name].append(c.normal[k] * (-1 if a.instance == body else 1))
        return any(float(u @ v) < -0.5 for u in sides["arm/left"] for v in sides["arm/right"])

    def runs(good: list[bool]) -> list[tuple[int, int]]:
        edges = [f for f, (x, y) in enumerate(pairwise([False, *good, False])) if x != y]
        return [(first, last - 1) for first, last in zip(edges[::2], edges[1::2], strict=True) if last - first >= 2]

    def turned(f: int, k: int) -> float:
        """cos of the angle between up and what was up at the start; the parts turn about x alone."""
        return float(np.cos(2 * (np.arctan2(t.poses[f, k, 4], t.poses[f, k, 3])
                                 - np.arctan2(t.poses[0, k, 4], t.poses[0, k, 3]))))  # fmt: skip

    found: set[Brief] = set()
    for k, body in ((1, "ball"), (2, "box")):
        fast = [bool(np.linalg.norm(t.twists[f, k, :3]) > 0.02) for f in range(n)]
        grasped = [False] * n
        for first, last in runs([held(f, body) for f in range(n)]):
            grasped[first : last + 1] = [True] * (last - first + 1)
            if last + 1 < n:
                found.add(("release", ("arm", body), last + 1, last + 1))
            for i, j in runs([first <= f <= last and turned(f, k) < 0.5 for f in range(n)]):
                found.add(("tip", ("arm", body), i, j))
            for i, j in runs([first <= f <= last and fast[f] and touches(f, body, "ground") for f in range(n)]):
                if sum(np.linalg.norm(t.poses[f + 1, k, :3] - t.poses[f, k, :3]) for f in range(i, j)) >= 0.05:
                    found.add(("slide", ("arm", body, "ground"), i, j))
        for i, j in runs([touches(f, body, "arm") and not grasped[f] and fast[f] for f in range(n)]):
            if max(np.linalg.norm(t.poses[f, k, :3] - t.poses[i, k, :3]) for f in range(i, j + 1)) >= 0.01:
                found.add(("push", ("arm", body), i, j))
    return found


def random_story(seed: int) -> Trajectory:
    rng, n = np.random.default_rng(seed), 32
    rows: list[Row] = []
    for a, b, likely in ((1, 2, 0.5), (1, 3, 0.7), (2, 3, 0.4), (3, 5, 0.8), (3, 6, 0.8), (2, 5, 0.5), (2, 6, 0.5)):
        on = np.repeat(rng.random(8) < likely, 4)
        rows += [(t, a, b, RIGHT if b == 5 else LEFT if rng.random() < 0.9 else UP) for t in range(n) if on[t]]
    x = {k: np.cumsum(rng.choice([-0.02, 0.0, 0.02], n)).tolist() for k in (2, 3)}
    tilts = {3: np.repeat(rng.choice([0.0, 0.9, 1.2], 8), 4).tolist()}
    return sideways(sideways(made(n, rows, {}, tilts), 2, x[2]), 3, x[3])


def test_precision_and_recall_are_one() -> None:
    kinds: set[str] = set()
    for seed in range(12):
        story = random_story(seed)
        found, true = brief(events(story)), slow(story)
        assert true
        precision, recall = len(found & true) / len(found), len(found & true) / len(true)
        assert (precision, recall) == (1.0, 1.0), (seed, found - true, true - found)
        kinds |= {e[0] for e in true}
    assert kinds == KINDS - {"open"}, "the random stories have every kind that the twin knows"


def soft(form: ParticleForm, positions: NDArray[np.float64]) -> Trajectory:
    """The ball as particles."""
    trajectory = made(len(positions), [], {})
    rest = positions[0].astype(np.float32)
    motion = ParticleMotion(
        "ball", 1, 2, form, positions.astype(np.float32),
        np.broadcast_to(np.eye(3, dtype=np.float32), (*positions.shape, 3)).copy(), rest,
    )  # fmt: skip
    return replace(trajectory, particles=(motion,))


def cube(width: float = 0.2) -> NDArray[np.float64]:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    return corners * width / 2


def test_out_of_shape_is_what_no_pose_explains() -> None:
    """A cube stretched by s along x: each corner is off by (s - 1) a, the radius is sqrt(3) a."""
    stretch = [1.0, 1.1, 1.2, 1.3, 1.3, 1.1, 1.0]
    story = soft("solid", np.stack([cube() * [s, 1, 1] for s in stretch]))
    (found,) = [e for e in events(story) if e.kind == "deform"]
    assert (found.first, found.last) == (2, 4)
    assert found.measured["of_its_radius"] == pytest.approx(0.3 / np.sqrt(3), rel=1e-5)


def test_what_moves_as_one_is_in_shape() -> None:
    """Turned and carried far, with the pose that says so."""
    angle, n = np.linspace(0, 2, 6), 6
    story = soft("solid", np.stack([cube()] * n))
    poses, positions = story.poses.copy(), []
    for t in range(n):
        matrix = np.eye(4)
        matrix[:2, :2] = [[np.cos(angle[t]), -np.sin(angle[t])], [np.sin(angle[t]), np.cos(angle[t])]]
        matrix[:3, 3] = [t, 0, 1]
        poses[t, 1] = pose_vector(matrix)
        positions.append(cube() @ matrix[:3, :3].T + matrix[:3, 3])
    moved = replace(story.particles[0], positions=np.stack(positions).astype(np.float32))
    assert not [e for e in events(replace(story, poses=poses, particles=(moved,))) if e.kind == "deform"]


def test_a_few_drops_are_no_flow() -> None:
    rest = np.random.default_rng(0).random((100, 3))
    for count, flows in ((5, False), (6, True)):
        positions = np.stack([rest] * 6)
        for t in range(1, 4):
            positions[t:, :count] += 0.2 / FPS
        found = [(e.first, e.last) for e in events(soft("loose", positions)) if e.kind == "flow"]
        assert found == ([(0, 3)] if flows else [])
    slow_ones = np.stack([rest + 0.05 / FPS * t for t in range(6)])
    assert not [e for e in events(soft("loose", slow_ones)) if e.kind == "flow"]
