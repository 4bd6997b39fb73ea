"""Events: by construction, and against a slow twin on random trajectories; precision and recall are 1."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from simvid.captions.all_events import events
from simvid.captions.events import Event, intervals
from simvid.captions.narration import said
from simvid.rotations import pose_vector
from simvid.testing.stories import LEFT, RIGHT, UP, Row, made
from simvid.trajectory import EVENTS, TieEvent, Trajectory

MORE = {"topple", "release", "push", "slide", "tip", "open"}
"""Kinds that other tests are about."""


def brief(found: tuple[Event, ...]) -> set[tuple[str, tuple[str, ...], int, int]]:
    return {(e.kind, e.things, e.first, e.last) for e in found}


def test_a_story_by_construction() -> None:
    """A ball falls and lands; a hand takes a box, lifts it and lets it drop; a post goes over."""
    n = 20
    ball = [1.0, 0.9, 0.7, 0.4, 0.1, *[0.1] * 15]
    box = [*[0.0] * 9, 0.05, 0.1, 0.2, 0.2, 0.1, 0.0, *[0.0] * 5]
    tilt = [*[0.0] * 16, 0.6, 1.2, 1.5, 1.5]
    rows: list[Row] = [(t, 1, 2, (0.0, 0.0, -1.0)) for t in range(4, n)]
    rows += [(t, 1, 3, (0.0, 0.0, -1.0)) for t in (*range(9), *range(14, n))]
    rows += [(t, 3, 5, RIGHT) for t in range(6, 13)] + [(t, 3, 6, LEFT) for t in range(7, 13)]
    rows += [(t, 1, 4, (0.0, 0.0, -1.0)) for t in range(n)]
    found = events(made(n, rows, {2: ball, 3: box}, {4: tilt}))
    assert brief(found) == {
        ("release", ("arm", "box"), 13, 13),
        ("move", ("ball",), 1, 4),
        ("fall", ("ball",), 1, 3),
        ("contact", ("ground", "ball"), 4, 19),
        ("contact", ("ground", "box"), 0, 8),
        ("contact", ("box", "arm"), 6, 12),
        ("grasp", ("arm", "box"), 7, 12),
        ("lift", ("arm", "box"), 9, 12),
        ("move", ("box",), 9, 11),
        ("move", ("box",), 13, 14),
        ("contact", ("ground", "box"), 14, 19),
        ("contact", ("ground", "post"), 0, 19),
        ("topple", ("post",), 17, 17),
    }
    by = {(e.kind, e.things, e.first): e for e in found}
    assert by["contact", ("ground", "ball"), 4].start_s == pytest.approx(0.38)
    assert by["contact", ("ground", "ball"), 4].begins
    assert not by["contact", ("ground", "post"), 0].begins
    assert by["fall", ("ball",), 1].measured["drop_m"] == pytest.approx(0.5)
    assert by["lift", ("arm", "box"), 9].measured["rise_m"] == pytest.approx(0.15)
    assert by["topple", ("post",), 17].measured["tilt_rad"] == pytest.approx(1.5)
    assert [e.start_s for e in found] == sorted(e.start_s for e in found)


def test_one_frame_more_or_less_is_another_event() -> None:
    """The bounds of the definitions."""
    rows: list[Row] = [(t, 3, 5, RIGHT) for t in range(4)] + [(t, 3, 6, LEFT) for t in range(2, 4)]
    still = made(6, rows, {})
    assert ("grasp", ("arm", "box"), 2, 3) in brief(events(still))
    assert not {e for e in brief(events(made(6, rows[:-1], {}))) if e[0] == "grasp"}  # one frame
    same = [(t, 3, k, RIGHT) for t in range(4) for k in (5, 6)]
    assert not {e for e in brief(events(made(6, same, {}))) if e[0] == "grasp"}  # from one side alone
    falling = {2: [1.0, 0.99, 0.981, 0.981]}
    assert not {e for e in brief(events(made(4, [], falling))) if e[0] == "fall"}  # 0.9 cm is none
    assert {e for e in brief(events(made(4, [], {2: [1.0, 0.95, 0.9, 0.9]}))) if e[0] == "fall"}
    hanging = events(made(4, [], {2: [1.0, 0.9, 0.8, 0.7]}), jointed={"ball"})
    assert {e.kind for e in hanging} == {"move"}
    rolling = {2: [0.0, 1.0, 2.0, 3.0]}
    assert "topple" in {e.kind for e in events(made(4, [], {}, rolling))}
    assert "topple" not in {e.kind for e in events(made(4, [], {}, rolling), {"ball"})}


def test_a_touch_within_the_first_frame_begins_in_the_clip() -> None:
    """Unless the two only settle, or touch in the first steps; all rows of frame 1 are of 0.08 s."""
    rows: list[Row] = [(t, 1, k, (0.0, 0.0, -1.0)) for t in range(1, 5) for k in (2, 3, 4)]
    lands = made(5, rows, {2: [0.004, 0, 0, 0, 0], 3: [0.001, 0, 0, 0, 0]})
    bounces = made(5, rows, {})
    bounces.twists[0, 1, :3] = 0, 0, -1

    def begun(trajectory: Trajectory, step_s: float) -> dict[str, float]:
        found = events(replace(trajectory, step_s=step_s))
        return {e.things[1]: e.start_s for e in found if e.kind == "contact" and e.begins}

    assert begun(lands, 0.01) == begun(bounces, 0.01) == {"ball": pytest.approx(0.08)}
    assert begun(lands, 0.04) == {}  # two steps
    assert begun(lands, 0.0) == {}  # nobody knows


def slow(t: Trajectory) -> set[tuple[str, tuple[str, ...], int, int]]:
    """The definitions once more, frame by frame, without looking at the fast code."""
    count, c = t.frame_count, t.contacts
    names = [p.instance for p in t.parts]
    order = {p.instance: p.instance_id for p in t.parts}

    def rows(frame: int) -> list[int]:
        return [k for k in range(len(c)) if c.frame[k] == frame and EVENTS[c.event[k]] != "end"]

    def touch(frame: int, a: str, b: str) -> bool:
        return any({names[c.id_a[k] - 1], names[c.id_b[k] - 1]} == {a, b} for k in rows(frame))

    def touched(frame: int, a: str) -> set[str]:
        return {b for b in order if b != a and touch(frame, a, b)}

    def held(frame: int, body: str) -> bool:
        sides = []
        for k in rows(frame):
            a, b = t.parts[c.id_a[k] - 1], t.parts[c.id_b[k] - 1]
            if {a.instance, b.instance} == {"arm", body}:
                sides.append((b.name, -c.normal[k]) if a.instance == body else (a.name, c.normal[k]))
        return any(m != n and float(u @ v) < -0.5 for (m, u), (n, v) in combinations(sides, 2))

    def runs(good: list[bool]) -> list[tuple[int, int]]:
        found, start = [], None
        for f, yes in enumerate([*good, False]):
            if yes and start is None:
                start = f
            if not yes and start is not None:
                found.append((start, f - 1))
                start = None
        return found

    found: set[tuple[str, tuple[str, ...], int, int]] = set()
    for a, b in combinations(sorted(order, key=lambda n: order[n]), 2):
        found |= {("contact", (a, b), *run) for run in runs([touch(f, a, b) for f in range(count)])}
    for k, part in enumerate(t.parts):
        if part.kind != "body" or part.fixed:
            continue
        body, z = part.instance, t.poses[:, k, 2]
        for i, j in runs([bool(np.linalg.norm(t.twists[f, k, :3]) > 0.02) for f in range(count)]):
            if j > i and max(np.linalg.norm(t.poses[f, k, :3] - t.poses[i, k, :3]) for f in range(i, j + 1)) >= 0.01:
                found.add(("move", (body,), i, j))
        for i, j in runs([t.twists[f, k, 2] < -0.05 and not touched(f, body) for f in range(count)]):
            if j > i and z[i] - z[j] >= 0.02:
                found.add(("fall", (body,), i, j))
        for i, j in runs([held(f, body) for f in range(count)]):
            if j > i:
                found.add(("grasp", ("arm", body), i, j))
                for m, n in runs([i <= f <= j and touched(f, body) <= {"arm"} for f in range(count)]):
                    if max(z[m : n + 1]) - z[m] >= 0.01:
                        found.add(("lift", ("arm", body), m, n))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_precision_and_recall_are_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 24
    rows: list[Row] = []
    for a, b in ((1, 2), (1, 3), (2, 3), (3, 5), (3, 6), (2, 5), (2, 6), (4, 5)):
        on = np.repeat(rng.random(8) < 0.5, 3)
        rows += [(t, a, b, (LEFT, RIGHT, UP)[int(rng.integers(3))]) for t in range(n) if on[t]]
    heights = {k: np.cumsum(rng.choice([-0.03, 0.0, 0.0, 0.02], n)).tolist() for k in (2, 3)}
    trajectory = made(n, rows, heights)
    found, true = {e for e in brief(events(trajectory)) if e[0] not in MORE}, slow(trajectory)
    precision, recall = len(found & true) / len(found), len(found & true) / len(true)
    assert (precision, recall) == (1.0, 1.0), (found - true, true - found)
    assert len(true) > 10


def test_the_random_trajectories_have_every_kind() -> None:
    kinds = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        n = 24
        rows: list[Row] = [(t, 3, 5, RIGHT) for t in range(n)] + [(t, 3, 6, LEFT) for t in range(n)]
        heights = {k: np.cumsum(rng.choice([-0.03, 0.0, 0.0, 0.02], n)).tolist() for k in (2, 3)}
        kinds |= {e.kind for e in events(made(n, rows, heights))}
    assert kinds - MORE == {"contact", "move", "fall", "grasp", "lift"}


def test_intervals() -> None:
    assert intervals([5, 1, 2, 2, 7, 6]) == [(1, 2), (5, 7)]
    assert intervals([]) == []


def test_a_pose_is_what_it_says() -> None:
    """The helper of these tests turns about x."""
    t = made(1, [], {}, {4: [0.5]})
    turned = np.array([[1, 0, 0], [0, np.cos(0.5), -np.sin(0.5)], [0, np.sin(0.5), np.cos(0.5)]])
    matrix = np.eye(4)
    matrix[:3, :3] = turned
    assert np.allclose(t.poses[0, 3], pose_vector(matrix))


def test_a_break_is_told_and_what_fell_before_it_hung() -> None:
    sinking = {2: [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]}
    torn = TieEvent("break", "ball.joint", ("ball", "post"), 0.21, 12.5, 0.3)
    trajectory = replace(made(6, [], sinking), ties=(torn, TieEvent("release", "x", ("box",), 0.3)))
    found = [e for e in events(trajectory) if e.kind != "move"]
    assert brief(tuple(found)) == {("break", ("ball", "post"), 3, 3), ("fall", ("ball",), 3, 5)}
    assert found[0].start_s == 0.21
    assert dict(found[0].measured) == {"force_n": 12.5, "torque_n_m": 0.3}
    rng = np.random.default_rng(1)
    assert re.search("the post", said(found[0], (), rng))
    assert said(replace(found[0], things=("ball",)), (), rng).count("the ball") == 1
