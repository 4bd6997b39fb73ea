"""Trajectories on disk: one ``.npz`` without pickle, whose bytes depend on the trajectory alone."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.clips.arrays import named_digest, read_named, write_named
from simvid.errors import ClipError
from simvid.trajectory import (
    Contacts,
    OutsideRecord,
    Part,
    ParticleMotion,
    RobotMotion,
    TieEvent,
    ToolMotion,
    Trajectory,
)

Array: TypeAlias = NDArray[Any]
SCHEMA = 1
"""Version of the layout; a file of another one is refused."""
_ROBOT_ARRAYS = ("positions", "velocities", "efforts", "targets")
_TOOL_ARRAYS = ("poses", "targets", "gripper_m", "gripper_targets_m")
_PARTICLE_ARRAYS = ("positions", "deformation", "rest")


def save(trajectory: Trajectory, path: Path) -> str:
    """Write a trajectory; it appears under its name when it is whole. Returns its digest."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_named(temporary, {**_arrays(trajectory), "wall_s": np.array([trajectory.wall_s])})
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return digest(trajectory)


def digest(trajectory: Trajectory) -> str:
    """SHA-256 over everything in a trajectory but ``wall_s``, 64 hexadecimal digits."""
    return named_digest(_arrays(trajectory))


def load(path: Path) -> Trajectory:
    """Read what ``save`` wrote.

    Raises:
        ClipError: the file is missing, damaged, of another version, or not a trajectory.
    """
    arrays = read_named(path)
    try:
        about = json.loads(arrays["about"].tobytes())
        if about["schema"] != SCHEMA:
            raise ClipError(f"{path}: expected a trajectory of schema {SCHEMA}, got {about['schema']}")
        return _trajectory(about, arrays)
    except (KeyError, ValueError, TypeError) as error:
        if isinstance(error, ClipError):
            raise
        raise ClipError(f"{path}: not a trajectory ({error}); remove the clip and run the scene again") from error


def _arrays(trajectory: Trajectory) -> dict[str, Array]:
    """All arrays by name; names, numbers and versions as one JSON text in ``about``."""
    about = {
        "schema": SCHEMA,
        "fps": trajectory.fps,
        "engine": trajectory.engine,
        "engine_version": trajectory.engine_version,
        "step_s": trajectory.step_s,
        "parts": [asdict(part) for part in trajectory.parts],
        "robots": [
            {"name": r.name, "joint_names": list(r.joint_names), "control": r.control, **_told(r)}
            for r in trajectory.robots
        ],
        "particles": [
            {
                "name": p.name, "part": p.part, "instance_id": p.instance_id, "form": p.form,
                "triangles": p.triangles is not None,
            }
            for p in trajectory.particles
        ],
    }  # fmt: skip
    if trajectory.ties:
        about["ties"] = [asdict(event) for event in trajectory.ties]
    text = json.dumps(about, sort_keys=True, allow_nan=False).encode()
    arrays: dict[str, Array] = {"about": np.frombuffer(text, np.uint8)}
    arrays |= {name: getattr(trajectory, name) for name in ("poses", "twists", "masses_kg")}
    arrays |= {f"contacts.{f.name}": getattr(trajectory.contacts, f.name) for f in fields(Contacts)}
    if trajectory.outside is not None:
        arrays |= {f"outside.{f.name}": getattr(trajectory.outside, f.name) for f in fields(OutsideRecord)}
    for k, robot in enumerate(trajectory.robots):
        arrays |= {f"robots.{k}.{name}": getattr(robot, name) for name in _ROBOT_ARRAYS}
        if robot.actions is not None:
            arrays[f"robots.{k}.actions"] = robot.actions
        if robot.tool is not None:
            arrays |= {f"robots.{k}.tool.{name}": getattr(robot.tool, name) for name in _TOOL_ARRAYS}
    for k, body in enumerate(trajectory.particles):
        arrays |= {f"particles.{k}.{name}": getattr(body, name) for name in _PARTICLE_ARRAYS}
        if body.triangles is not None:
            arrays[f"particles.{k}.triangles"] = body.triangles
    return arrays


def _told(robot: RobotMotion) -> dict[str, Any]:
    """What is said of a robot where its tool is recorded."""
    if robot.tool is None:
        return {}
    return {"has_gripper": robot.tool.has_gripper, "log": [list(entry) for entry in robot.log]}


def _tool(about: dict[str, Any], arrays: dict[str, Array], prefix: str) -> ToolMotion | None:
    if "has_gripper" not in about:
        return None
    return ToolMotion(
        **{name: arrays[f"{prefix}.tool.{name}"] for name in _TOOL_ARRAYS}, has_gripper=about["has_gripper"]
    )


def _outside(arrays: dict[str, Array]) -> OutsideRecord | None:
    names = [f.name for f in fields(OutsideRecord)]
    if f"outside.{names[0]}" not in arrays:
        return None
    return OutsideRecord(**{name: arrays[f"outside.{name}"] for name in names})


def _trajectory(about: dict[str, Any], arrays: dict[str, Array]) -> Trajectory:
    robots = tuple(
        RobotMotion(
            name=r["name"],
            joint_names=tuple(r["joint_names"]),
            control=r["control"],
            tool=_tool(r, arrays, f"robots.{k}"),
            actions=arrays.get(f"robots.{k}.actions"),
            log=tuple((float(t), str(text)) for t, text in r.get("log", ())),
            **{name: arrays[f"robots.{k}.{name}"] for name in _ROBOT_ARRAYS},
        )
        for k, r in enumerate(about["robots"])
    )
    particles = tuple(
        ParticleMotion(
            name=p["name"],
            part=p["part"],
            instance_id=p["instance_id"],
            form=p["form"],
            triangles=arrays[f"particles.{k}.triangles"] if p["triangles"] else None,
            **{name: arrays[f"particles.{k}.{name}"] for name in _PARTICLE_ARRAYS},
        )
        for k, p in enumerate(about["particles"])
    )
    return Trajectory(
        fps=about["fps"],
        parts=tuple(Part(**part) for part in about["parts"]),
        poses=arrays["poses"],
        twists=arrays["twists"],
        contacts=Contacts(**{f.name: arrays[f"contacts.{f.name}"] for f in fields(Contacts)}),
        robots=robots,
        particles=particles,
        engine=about["engine"],
        engine_version=about["engine_version"],
        step_s=about["step_s"],
        masses_kg=arrays["masses_kg"],
        wall_s=float(arrays["wall_s"][0]),
        outside=_outside(arrays),
        ties=tuple(TieEvent(**{**event, "things": tuple(event["things"])}) for event in about.get("ties", ())),
    )
