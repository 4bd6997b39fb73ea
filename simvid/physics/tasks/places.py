"""Targets of actions: a point, or a point of a body where it is now."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.physics.tasks.arm import Arm
from simvid.scene import Target
from simvid.success import Moment

Array = NDArray[np.float64]


def place_of(target: Target, moment: Moment, at: str | None = None) -> Array:
    """World point of a target [m], [3].

    Args:
        target: from the script.
        moment: now.
        at: which point of a body, where the target does not say.
    """
    if target.point_m is not None:
        return np.asarray(target.point_m) + target.offset_m
    part = moment.index(str(target.body))
    which = at if at is not None and "at" not in target.model_fields_set else target.at
    if which == "origin":
        return np.asarray(moment.poses[part, :3] + target.offset_m)
    corners = moment.corners(part)
    point = corners.mean(axis=0)
    if which == "top":
        point[2] = corners[:, 2].max()
    elif which == "bottom":
        point[2] = corners[:, 2].min()
    return np.asarray(point + target.offset_m)


def index_of(arm: Arm, name: str, below: str) -> int:
    """Part with this name; a clear error for others (checked before the run, too)."""
    try:
        return arm.situation.moment().index(name)
    except KeyError:
        arm.refuse(f"there is no body {name!r}", below)
