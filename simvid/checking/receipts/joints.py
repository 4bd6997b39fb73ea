"""Joints: robots stay within their limits, and what a joint ties stays tied."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simvid.checking.receipts import limits
from simvid.checking.receipts.evidence import Array, Curve, Evidence, Finding, nothing
from simvid.checking.receipts.penetration import longest


def joint_limits(e: Evidence) -> Finding:
    """No joint of a robot is beyond its limits by more than their give, or for long."""
    worst: tuple[float, str, str, Array, float] | None = None
    for motion in e.trajectory.robots:
        model = next((r for r in e.assets.robots if r.name == motion.name), None)
        if model is None:
            continue
        known = {name: k for k, name in enumerate(model.joint_names)}
        for column, name in enumerate(motion.joint_names):
            if name not in known:
                continue
            joint = model.joints[known[name]]
            q = motion.positions[:, column]
            over = np.maximum(np.maximum(q - joint.upper, joint.lower - q), 0.0)
            limit = limits.LIMIT_RAD if joint.kind == "hinge" else limits.LIMIT_M
            share = float(over.max()) / limit
            if worst is None or share > worst[0]:
                worst = (share, f"{motion.name}/{name}", "rad" if joint.kind == "hinge" else "m", over, limit)
    if worst is None:
        return nothing("joint_limits", "no robot of the scene")
    _, name, unit, over, limit = worst
    frame = int(np.argmax(over))
    lasted = longest(over > limit) * e.frame_s
    record = e.law(
        "joint_limits", {f"beyond_{unit}": float(over.max()), "beyond_s": lasted}, {f"beyond_{unit}": limit}, part=name,
        time_s=e.time(frame), note=f"the joint was {over.max():.3g} {unit} beyond its limit, and for {lasted:.3g} s "
        f"more than {limit:g} {unit}",
    )  # fmt: skip
    return Finding(record, (Curve(f"{name} beyond its limit", unit, {name: over}),))


def ties(e: Evidence) -> Finding:
    """Hinges, sliders, balls and welds of bodies: anchors stay together, axes stay aligned, until they break."""
    found = list(_ties(e))
    if not found:
        return nothing("ties", "no body hangs on a joint")
    found = [(k, apart * whole, turned * whole) for k, apart, turned in found for whole in [_whole(e, k)]]
    worst = max(found, key=lambda tie: max(tie[1].max() / limits.LOOSE_M, tie[2].max() / limits.LOOSE_RAD))
    k, apart, turned = worst
    frame = int(np.argmax(np.maximum(apart / limits.LOOSE_M, turned / limits.LOOSE_RAD)))
    record = e.law(
        "ties", {"apart_m": float(apart.max()), "turned_rad": float(turned.max())},
        {"apart_m": limits.LOOSE_M, "turned_rad": limits.LOOSE_RAD}, part=e.name(k), time_s=e.time(frame),
        note=f"its joint came apart by {apart.max() * 1000:.3g} mm and turned {np.degrees(turned.max()):.3g} degrees",
    )  # fmt: skip
    curves = Curve(f"Joint of {e.name(k)}: apart", "mm", {"apart": apart * 1000})
    return Finding(record, (curves,))


def _whole(e: Evidence, k: int) -> NDArray[np.bool_]:
    """Frames before the joint of part k broke."""
    torn = [tie.time_s for tie in e.trajectory.ties if tie.kind == "break" and tie.name == f"{e.name(k)}.joint"]
    return np.asarray(np.arange(e.count) * e.frame_s < min(torn, default=np.inf) - 1e-9)


def _ties(e: Evidence) -> Iterator[tuple[int, Array, Array]]:
    """Child part, how far its joint is apart [m] and off its axis [rad] at each frame."""
    for k, parent in e.groups.tied:
        body = e.parts[k].body
        assert body is not None, "it has a joint"
        assert body.joint is not None, "it has a joint"
        joint, kind = body.joint.value, body.joint.kind
        turn, place = e.rotations[:, k], e.trajectory.poses[:, k, :3]
        if parent < 0:
            above, base = np.tile(np.eye(3), (e.count, 1, 1)), np.zeros((e.count, 3))
        else:
            above, base = e.rotations[:, parent], e.trajectory.poses[:, parent, :3]
        # the child as its parent sees it
        seen = above.transpose(0, 2, 1) @ turn
        spot = np.einsum("tji,tj->ti", above, place - base)
        off = seen @ seen[0].T  # turn since the start, in the parent's axes
        zero = np.zeros(e.count)
        if kind == "weld":
            yield k, np.linalg.norm(spot - spot[0], axis=1), _angle(off)
        elif kind == "slider":
            axis = above[0].T @ _unit(joint.axis)
            moved = spot - spot[0]
            yield k, np.linalg.norm(moved - np.outer(moved @ axis, axis), axis=1), _angle(off)
        else:
            anchor = above[0].T @ (np.array(joint.anchor_m) - base[0])
            local = seen[0].T @ (anchor - spot[0])
            apart = np.linalg.norm(spot + seen @ local - anchor, axis=1)
            if kind == "hinge":
                axis = above[0].T @ _unit(joint.axis)
                yield k, apart, np.arccos(np.clip(np.einsum("i,tij,j->t", axis, off, axis), -1, 1))
            else:
                yield k, apart, zero


def _unit(axis: tuple[float, float, float]) -> Array:
    return np.asarray(np.array(axis) / np.linalg.norm(axis))


def _angle(turn: Array) -> Array:
    return np.asarray(np.arccos(np.clip((np.trace(turn, axis1=1, axis2=2) - 1) / 2, -1, 1)))
