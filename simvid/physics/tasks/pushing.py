"""Push a body to a place; wipe a surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.physics.tasks.arm import SETTLE_S, Arm, Motions
from simvid.physics.tasks.places import index_of, place_of
from simvid.scene import Push, Wipe
from simvid.trajectory import pose_matrices

Array = NDArray[np.float64]
DOWN = np.array([0.0, 0.0, -1.0])
MAX_PUSHES = 4
"""Times that a body is pushed on after it was looked at again."""
NEAR_M = 0.018
"""A body this near to its place is there."""
BEHIND_M = 0.03
"""Gap between body and tool where a push begins."""
HAND_M = 0.012
"""Half the thickness of a hand without a gripper, or of fingers, along the push."""
LEAST_HEIGHT_M = 0.02
HOVER_M = 0.08


def push(arm: Arm, action: Push) -> Motions:
    """Get behind the body, push it towards its place, look where it is, push again.

    Open fingers push with two points, so that a box does not turn.
    """
    assert action.body is not None
    part = index_of(arm, action.body, ".body")
    moment = arm.situation.moment()
    goal = place_of(action.to, moment) if action.to is not None else moment.middle(part) + np.asarray(action.by_m)
    for _ in range(MAX_PUSHES):
        way = (goal - arm.situation.moment().middle(part))[:2]
        distance = float(np.linalg.norm(way))
        if distance < NEAR_M:
            break
        yield from _one_push(arm, action, part, np.array([*way / distance, 0.0]), distance)
    else:
        left = float(np.linalg.norm((goal - arm.situation.moment().middle(part))[:2]))
        arm.note(f"push: {action.body} is {left:.3f} m from its place after {MAX_PUSHES} pushes")


def _one_push(arm: Arm, action: Push, part: int, way: Array, distance: float) -> Motions:
    moment = arm.situation.moment()
    corners = moment.corners(part)
    middle, across = corners.mean(axis=0), np.array([-way[1], way[0], 0.0])
    low, high = float(corners[:, 2].min()), float(corners[:, 2].max())
    height = action.height_m if action.height_m is not None else max(LEAST_HEIGHT_M, (high - low) / 3)
    half, wide = _half_extents(moment.box(part), pose_matrices(moment.poses[part]), way, across)
    hand = HAND_M
    if arm.gripper is not None:
        width = min(arm.gripper.width_m, max(0.0, 1.2 * wide))
        if arm.held is None:
            yield arm.grip(width, 0.25)
    else:
        hand = _reach_of_tool(arm, way)
    gap = half + hand
    start = middle - way * (gap + BEHIND_M)
    start[2] = low + height
    touch = arm.tool_at(start, DOWN, across)
    hover = touch.copy()
    hover[2, 3] = max(high, start[2]) + HOVER_M
    pushed = touch.copy()
    pushed[:3, 3] += way * (distance + BEHIND_M)
    yield arm.travel([hover], below=".body", onward=lambda _, q: arm.blocked(q, [touch, pushed]))
    yield arm.hold(SETTLE_S)
    yield arm.line(arm.aimed(touch), below=".body")
    yield arm.hold(SETTLE_S)
    end = arm.aimed(arm.noisy(touch))
    end[:3, 3] += way * (distance + BEHIND_M)
    yield arm.line(end, action.over_s or max(0.5, (distance + BEHIND_M) / 0.22), below=".to")
    yield arm.hold(SETTLE_S)
    back = arm.told()
    back[:3, 3] -= way * BEHIND_M
    yield arm.line(back, 0.25)
    up = arm.told()
    up[2, 3] = hover[2, 3]
    yield arm.line(up)


def _half_extents(box: Array, pose: Array, way: Array, across: Array) -> tuple[float, float]:
    """Half the length of a turned box along a direction at its middle line, and its full width across."""
    half = (box[1] - box[0]) / 2
    axes = np.abs(np.stack([way, across]) @ pose[:3, :3])
    # along the way through the middle the box ends where the first face is met
    with np.errstate(divide="ignore"):
        through = float(np.min(np.where(axes[0] > 1e-6, half / np.maximum(axes[0], 1e-6), np.inf)))
    return min(through, float(axes[0] @ half)), 2 * float(axes[1] @ half)


def _reach_of_tool(arm: Arm, way: Array) -> float:
    """Half the thickness of the tool's link and its parent along a direction, at most 6 cm."""
    moment = arm.situation.moment()
    link = arm.chain.link
    while link >= 0:
        part = moment.index(f"{arm.model.name}/{arm.model.links[link].name}")
        if not np.isnan(moment.boxes[part]).any():
            corners = moment.corners(part)
            return float(min(np.ptp(corners @ way) / 2, 0.06))
        link = arm.model.links[link].parent
    return HAND_M


def wipe(arm: Arm, action: Wipe) -> Motions:
    """Strokes to and fro over a rectangle, a little into the surface, so that the servo presses."""
    moment = arm.situation.moment()
    center = place_of(action.center, moment, "top")
    low = _lowest(arm)
    long = 0 if action.size_m[0] >= action.size_m[1] else 1
    steps = np.linspace(-0.5, 0.5, action.strokes) if action.strokes > 1 else np.zeros(1)
    corners = []
    for k, step in enumerate(steps):
        for end in (-0.5, 0.5) if k % 2 == 0 else (0.5, -0.5):
            corner = center.copy()
            corner[long] += end * action.size_m[long]
            corner[1 - long] += step * action.size_m[1 - long]
            corners.append(corner)
    closing = np.eye(3)[1 - long]
    pose = arm.told() if arm.held is not None else arm.tool_at(corners[0], DOWN, closing)
    if arm.gripper is not None and arm.held is None:
        yield arm.grip(0.0, 0.3)
    hover = pose.copy()
    hover[:3, 3] = corners[0] + [0.0, 0.0, low + HOVER_M]
    strokes = [_moved(hover, corner - corners[0] - [0.0, 0.0, HOVER_M]) for corner in corners]
    yield arm.travel([hover], below=".center", onward=lambda _, q: arm.blocked(q, strokes))
    yield arm.hold(SETTLE_S)
    down = hover.copy()
    down[:3, 3] = corners[0] + [0.0, 0.0, low - action.press_m]
    yield arm.line(arm.aimed(down), below=".center")
    offset = arm.told()[:3, 3] - corners[0]
    for corner in corners[1:]:
        goal = arm.told()
        distance = float(np.linalg.norm(corner + offset - goal[:3, 3]))
        goal[:3, 3] = corner + offset
        yield arm.line(arm.noisy(goal), max(0.2, distance / action.speed_m_s), below=".size_m")
    up = arm.told()
    up[2, 3] += HOVER_M
    yield arm.line(up)


def _moved(pose: Array, by: Array) -> Array:
    out = pose.copy()
    out[:3, 3] += by
    return out


def _lowest(arm: Arm) -> float:
    """How far the tool's centre is over the lowest point of what it holds, or of itself (for a hand pointing down)."""
    moment = arm.situation.moment()
    if arm.held is not None:
        return float(arm.real()[2, 3] - moment.corners(arm.held.part)[:, 2].min())
    reach = 0.0
    tool = arm.real()
    links = {arm.chain.link} | {arm.model.joints[j].link for j in (arm.gripper.joints if arm.gripper else ())}
    for link in links:
        part = moment.index(f"{arm.model.name}/{arm.model.links[link].name}")
        if not np.isnan(moment.boxes[part]).any():
            along = (moment.corners(part) - tool[:3, 3]) @ (tool[:3, :3] @ arm.approach)
            reach = max(reach, float(along.max()))
    return reach
