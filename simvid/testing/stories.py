"""Trajectories by construction, for tests of events: a ball, a box and a post on a ground, and an arm of two links."""

from __future__ import annotations

import numpy as np

from simvid.captions.events import intervals
from simvid.trajectory import Contacts, Part, Trajectory

FPS = 10.0
PARTS = (
    Part("ground", "ground", 1, "ground", "ground", True),
    Part("ball", "ball", 2, "body", "ball"),
    Part("box", "box", 3, "body", "box"),
    Part("post", "post", 4, "body", "post"),
    Part("arm/left", "arm", 5, "link", "arm"),
    Part("arm/right", "arm", 5, "link", "arm"),
)
Row = tuple[int, int, int, tuple[float, float, float]]
"""Frame, part a, part b, normal from b to a."""
UP, LEFT, RIGHT = (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0)


def made(
    frames: int, rows: list[Row], z: dict[int, list[float]], tilt: dict[int, list[float]] | None = None
) -> Trajectory:
    """Parts at heights z [m], tilted about x [rad]; speeds are the differences of heights; others are at 0."""
    poses = np.zeros((frames, len(PARTS), 7))
    poses[..., 3] = 1
    for k, heights in z.items():
        poses[:, k - 1, 2] = heights
    for k, angles in (tilt or {}).items():
        half = np.array(angles) / 2
        poses[:, k - 1, 3], poses[:, k - 1, 4] = np.cos(half), np.sin(half)
    twists = np.zeros((frames, len(PARTS), 6))
    twists[1:, :, :3] = np.diff(poses[..., :3], axis=0) * FPS
    return Trajectory(FPS, PARTS, poses, twists, table(rows))


def table(rows: list[Row]) -> Contacts:
    """Contacts of these frames, with begin, persist and end rows as engines write them."""
    found: list[tuple[int, int, int, int, tuple[float, float, float]]] = []
    normals = {(t, a, b): n for t, a, b, n in rows}
    for a, b in {(a, b) for _, a, b, _ in rows}:
        for first, last in intervals(t for t, x, y, _ in rows if (x, y) == (a, b)):
            found += [(t, a, b, int(t > first), normals[t, a, b]) for t in range(first, last + 1)]
            found.append((last + 1, a, b, 2, normals[last, a, b]))
    found.sort(key=lambda r: r[:3])
    count = len(found)
    impulse = np.array([[0, 0, 0.5 if r[3] < 2 else 0.0] for r in found]).reshape(count, 3)
    return Contacts(
        np.array([r[0] for r in found], np.int32), np.array([r[0] / FPS - 0.02 for r in found]),
        np.array([r[1] for r in found], np.int32), np.array([r[2] for r in found], np.int32), np.zeros((count, 3)),
        np.array([r[4] for r in found], float).reshape(count, 3), impulse, np.zeros(count),
        np.array([r[3] for r in found], np.uint8),
    )  # fmt: skip
