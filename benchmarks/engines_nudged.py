"""Chaos told from faults, for ``bench_engines.py``: one engine run again with a thing moved by a tenth of a millimetre.

Where such runs end as far from each other as the two engines do, the engines' distance says nothing about them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simvid.assets.parts import SceneAssets
from simvid.assets.prepare import prepare
from simvid.parsing import load_scene
from simvid.physics.newton.engine import NewtonPhysics
from simvid.success import outcomes
from simvid.trajectory import Trajectory

NUDGE_M = 1e-4
NUDGED: dict[str, dict[str, float]] = {
    "task_wipe_table": {
        "bodies.sponge.pose.position_m.0": 0.5,
        "bodies.sponge.pose.position_m.1": -0.25,
        "robots.arm.script.2.wipe.center.0": 0.5,
        "robots.arm.script.2.wipe.center.1": 0.08,
    },
    "task_pour_balls": {
        "bodies.bead.arrange.grid.origin_m.0": 0.5405,
        "bodies.bead.arrange.grid.origin_m.1": -0.1595,
    },
    "stack_topple": {"bodies.large.pose.position_m.0": 0.01, "bodies.large.pose.position_m.1": 0.0},
    "kitchen_stack": {"bodies.ball.pose.position_m.0": -0.75, "bodies.ball.pose.position_m.1": 0.02},
    "falling_stack": {"bodies.ball.pose.position_m.0": -1.2, "bodies.ball.pose.position_m.1": -0.1},
    "billiard_break": {"bodies.cue_ball.pose.position_m.0": -0.55, "bodies.cue_ball.pose.position_m.1": 0.0},
    "ball_pit": {"bodies.large.arrange.scatter.low_m.0": -0.08, "bodies.small.arrange.scatter.low_m.1": -0.08},
}
"""What is moved, to and fro, of scenes whose engines part by centimetres; its value in the scene."""


def nudged(name: str) -> dict[str, Any]:
    """How far from the scene as it is Newton's nudged runs end.

    Returns:
        ``end_mm``: of each run the largest distance of any rigid part at the end along x, y or z, in order of size;
        ``part``: which that is in the last of them; ``parted_s``: when it was a centimetre off there; ``success``: of
        how many runs all predicates hold, none where the scene has none.
    """
    assets, made = _run(name, [])
    rigid = [k for k, part in enumerate(assets.parts) if part.deformable is None]
    rows = []
    asks, good = bool(outcomes(assets, made)), 0
    for key, value in NUDGED[name].items():
        for change in (NUDGE_M, -NUDGE_M):
            other, run = _run(name, [f"{key}={value + change}"])
            good += all(o.true for o in outcomes(other, run))
            apart = np.abs(run.poses[:, rigid, :3] - made.poses[:, rigid, :3]).max(axis=2)
            worst = int(apart[-1].argmax())
            far = np.flatnonzero(apart[:, worst] > 0.01)
            when = round(float(far[0]) / assets.scene.fps, 2) if len(far) else None
            rows.append((round(1e3 * float(apart[-1, worst]), 1), assets.parts[rigid[worst]].part.name, when))
    rows.sort(key=lambda row: row[0])
    _, part, parted = rows[-1]
    return {
        "end_mm": [row[0] for row in rows], "part": part, "parted_s": parted, "success": good if asks else None,
    }  # fmt: skip


def _run(name: str, changes: list[str]) -> tuple[SceneAssets, Trajectory]:
    assets = prepare(load_scene(name, changes))
    return assets, NewtonPhysics().simulate(assets)


def nudged_table(table: dict[str, Any]) -> Iterator[str]:
    """The section of the page."""
    rows = {name: row for name, row in table.items() if "nudged" in row}
    if not rows:
        return
    yield f"\n## Chaos: newton beside itself, {1e3 * NUDGE_M:g} mm off at the start"
    yield (
        "\nOne thing of the scene is moved by that, to and fro along two axes (`benchmarks/engines_nudged.py`). "
        "Largest distance of any rigid part at the end along x, y or z, from the scene as it is; the engines' own "
        "beside it.\n"
    )
    yield "| scene | runs | nudged, mm at the end | engines apart, mm | farthest part, 10 mm off from | succeeded |"
    yield "|---|---|---|---|---|---|"
    for name, row in rows.items():
        found = row["nudged"]
        ends, parted = found["end_mm"], found["parted_s"]
        middle = float(np.median(ends))
        part = f"{found['part']}, {parted} s" if parted is not None else f"{found['part']}, never"
        good = "-" if found["success"] is None else f"{found['success']} of {len(ends)}"
        yield (
            f"| {name} | {len(ends)} | {ends[0]:g} to {ends[-1]:g}, median {middle:g} | {row['apart_mm']['end']} "
            f"| {part} | {good} |"
        )
