"""All events of a trajectory, by time."""

from __future__ import annotations

from collections.abc import Collection

from simvid.captions.deformation import deformation
from simvid.captions.events import Event, breaks, contacts, falls, grasps, lifts, moves, topples
from simvid.captions.handling import handling
from simvid.trajectory import Trajectory


def events(
    trajectory: Trajectory, round_things: Collection[str] = (), jointed: Collection[str] = ()
) -> tuple[Event, ...]:
    """All events, by time.

    Args:
        trajectory: what moved where.
        round_things: instances that cannot topple, such as balls; bodies that deform cannot either.
        jointed: instances that hang on a joint that holds: they neither fall nor topple.
    """
    held = grasps(trajectory)
    steady = {*round_things, *jointed, *(body.name for body in trajectory.particles)}
    found = [
        *contacts(trajectory),
        *moves(trajectory),
        *falls(trajectory, jointed),
        *held,
        *lifts(trajectory, held),
        *topples(trajectory, steady),
        *handling(trajectory, held, jointed),
        *deformation(trajectory),
        *breaks(trajectory),
    ]
    return tuple(sorted(found, key=lambda e: (e.start_s, e.first, e.kind, e.things)))
