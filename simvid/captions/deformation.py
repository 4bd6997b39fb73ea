"""Events of bodies that deform: when they are out of shape, and when what is loose flows.

| event | interval | definition |
|---|---|---|
| deform | frames in which a body is out of shape | the mean square distance of its particles from where its pose puts them is more than 10 % of the mean square radius of the body |
| flow | frames in which loose particles flow | one in twenty is faster than 0.1 m/s |

Both last two frames or more. Out of shape as it was at the start counts too; a flow that only falls freely does not end
before it lands.
"""  # noqa: E501

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.captions.events import LEAST_FRAMES, Event, EventKind, event, intervals
from simvid.trajectory import ParticleMotion, Trajectory, pose_matrices

DEFORM = 0.10
"""Root mean square displacement over root mean square radius."""
FLOW_M_S, FLOW_SHARE = 0.1, 0.05


def deformation(trajectory: Trajectory) -> list[Event]:
    """All of them."""
    found = []
    for body in trajectory.particles:
        kind: EventKind = "flow" if body.form == "loose" else "deform"
        if kind == "flow":
            amounts, least, name = flowing(body, trajectory.fps), FLOW_SHARE, "share"
        else:
            amounts, least, name = out_of_shape(body, trajectory), DEFORM, "of_its_radius"
        for first, last in intervals(np.flatnonzero(amounts > least).tolist()):
            if last - first + 1 >= LEAST_FRAMES:
                most = float(amounts[first : last + 1].max())
                found.append(event(trajectory, kind, (body.name,), first, last, {name: most}))
    return found


def out_of_shape(body: ParticleMotion, trajectory: Trajectory) -> NDArray[np.float64]:
    """Root mean square distance of the particles from their rigid places, over the root mean square radius, [T]."""
    rest = body.rest.astype(np.float64)
    radius = np.sqrt((rest**2).sum(axis=-1).mean())
    poses = pose_matrices(trajectory.poses[:, body.part])
    amounts = np.empty(len(body.positions))
    for t, (pose, places) in enumerate(zip(poses, body.positions, strict=True)):
        rigid = rest @ pose[:3, :3].T + pose[:3, 3]
        amounts[t] = np.sqrt(((places - rigid) ** 2).sum(axis=-1).mean()) / radius
    return amounts


def flowing(body: ParticleMotion, fps: float) -> NDArray[np.float64]:
    """Share of the particles that are faster than 0.1 m/s since the frame before (frame 0: as frame 1), [T]."""
    shares = np.zeros(len(body.positions))
    for t in range(1, len(shares)):
        steps = np.linalg.norm(body.positions[t].astype(np.float64) - body.positions[t - 1], axis=-1)
        shares[t] = np.mean(steps * fps > FLOW_M_S)
    if len(shares) > 1:
        shares[0] = shares[1]
    return shares
