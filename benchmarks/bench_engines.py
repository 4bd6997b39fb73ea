"""Shelf scenes on Newton and on Genesis: what both cost, how far apart they end, whether tasks succeed on both.

Chaotic scenes (a break at billiards, a ball pit) must part; others should agree to millimetres. Which are chaotic is
measured: Newton beside itself with a thing moved by a tenth of a millimetre. Then what simvid's loop adds to Genesis'
own step on the same built scene, and what deforms. ``--json`` goes on with a file that is there.

python benchmarks/bench_engines.py [--only NAME ...] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks_table import machine
from engines_nudged import NUDGED, nudged, nudged_table
from engines_soft import COARSE, broken, soft_rows, soft_table

from simvid.assets.prepare import prepare
from simvid.errors import SimvidError
from simvid.parsing import load_scene
from simvid.physics.capabilities import check_capabilities
from simvid.physics.genesis.engine import GenesisPhysics
from simvid.physics.genesis.model import build
from simvid.physics.genesis.stepping import GenesisStepper
from simvid.physics.newton.engine import NewtonPhysics
from simvid.physics.newton.world import build_world
from simvid.pipeline import first_frames
from simvid.success import outcomes

SHELF = Path(__file__).resolve().parent.parent / "scenes"
STEPS = 300


def compared(name: str) -> dict[str, Any]:
    """One scene on both, after its first frames, so that nothing is compiled in what counts."""
    scene = load_scene(name, COARSE.get(name, ()))
    assets, start = prepare(scene), prepare(first_frames(scene, 2))
    made, cost = {}, {}
    engines = (NewtonPhysics(), GenesisPhysics())
    for engine in engines:
        check_capabilities(engine.name, scene)
        engine.check(assets)
    for engine in engines:
        engine.simulate(start)
        began = time.process_time()
        made[engine.name] = engine.simulate(assets)
        cost[engine.name] = time.process_time() - began
    newton, genesis = made["newton"], made["genesis"]
    rigid = [k for k, part in enumerate(assets.parts) if part.deformable is None]
    apart = np.abs(newton.poses[:, rigid, :3] - genesis.poses[:, rigid, :3]).max(axis=(1, 2))
    return {
        "seconds": assets.scene.duration_s,
        "cpu_s": {k: round(v, 2) for k, v in cost.items()},
        "apart_mm": {"half": round(1e3 * float(apart[len(apart) // 2]), 2), "end": round(1e3 * float(apart[-1]), 2)},
        "contacts": {k: len(t.contacts) for k, t in made.items()},
        "asks": bool(outcomes(assets, newton)),
        "success": {k: all(o.true for o in outcomes(assets, t)) for k, t in made.items()},
        "broken": broken(assets, made),
        "soft": soft_rows(assets, made),
    }


def overhead(name: str) -> dict[str, float]:
    """CPU milliseconds of a step as simvid takes it, and as Genesis takes it alone, both from the scene's start."""
    world = build_world(prepare(load_scene(name)))
    model = build(world)
    stepper = GenesisStepper(model)
    qpos, qvel = world.d.qpos.copy(), world.d.qvel.copy()

    def start() -> None:
        world.d.qpos[:], world.d.qvel[:] = qpos, qvel
        stepper.step()  # brings Genesis there

    best = {"simvid": np.inf, "genesis": np.inf}
    for _ in range(3):
        for what, step in (("simvid", stepper.step), ("genesis", model.scene.step)):
            start()
            began = time.process_time()
            for _ in range(STEPS):
                step()
            best[what] = min(best[what], 1e3 * (time.process_time() - began) / STEPS)
    return {what: round(value, 3) for what, value in best.items()}


def markdown(table: dict[str, Any]) -> str:
    """The table as a page."""
    known = machine()
    lines = [
        "# Shelf scenes on both engines", "",
        f"Made by `benchmarks/bench_engines.py` on {known['cpu']}, {known['cores']} cores. CPU seconds of the second "
        "run, kernels compiled, on a machine shared with other work: read them as ratios. Apart: the largest distance "
        "of any rigid part along x, y or z between the two runs, half-way and at the end. Success: of scenes which ask "
        "for it.", "",
        "| scene | seconds | newton CPU s | genesis CPU s | apart half-way, mm | at the end, mm | success on both |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, row in table.items():
        if "cpu_s" in row:
            cost, apart = row["cpu_s"], row["apart_mm"]
            good = "-" if not row["asks"] else "yes" if all(row["success"].values()) else "no"
            cells = (row["seconds"], cost["newton"], cost["genesis"], apart["half"], apart["end"], good)
            lines.append(f"| {name} | {' | '.join(str(c) for c in cells)} |")
        else:
            lines.append(f"| {name} | refused: {row['refused']} | | | | | |")
    steps = [(name, row["step_cpu_ms"]) for name, row in table.items() if "step_cpu_ms" in row]
    lines += [
        f"\nA step of {name}: {row['simvid']} CPU ms by simvid, {row['genesis']} by Genesis alone."
        for name, row in steps
    ]  # fmt: skip
    lines += nudged_table(table)
    lines += soft_table(table)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=None, help="names of scenes")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    names = arguments.only or sorted(p.stem for p in SHELF.glob("*.yaml"))
    file = arguments.json
    found = json.loads(file.read_text()) if file is not None and file.exists() else {"machine": {}, "result": {}}
    table: dict[str, Any] = found["result"]
    marks = {key: value for key, value in found["machine"].items() if key == "shared"}  # with other work: said by hand

    def keep() -> None:
        if file is not None:
            file.write_text(json.dumps({"machine": machine() | marks, "result": table}, indent=1) + "\n")
            file.with_suffix(".md").write_text(markdown(table))

    for name in names:
        try:
            row = table[name] = compared(name)
        except SimvidError as error:
            told = str(error).splitlines()[0]
            table[name] = {"refused": re.sub(r"^\S+\.yaml:\d+: ", "", told)}
            print(f"{name:<20} {error}", flush=True)
            keep()
            continue
        keep()
        print(
            f"{name:<20} CPU-s {row['cpu_s']}, apart {row['apart_mm']} mm, success {row['success']}, "
            f"contacts {row['contacts']}, laws broken {row['broken']}, soft {row['soft']}", flush=True,
        )  # fmt: skip
    for name in NUDGED:
        if name in names and "apart_mm" in table.get(name, {}):
            table[name]["nudged"] = nudged(name)
            print(f"{name:<20} nudged: {table[name]['nudged']}", flush=True)
            keep()
    for name in ("falling_stack", "franka_push"):
        if name in names:
            row = overhead(name)
            table.setdefault(name, {})["step_cpu_ms"] = row
            print(f"{name:<20} a step: {row['simvid']} ms, Genesis alone {row['genesis']} ms")
            keep()


if __name__ == "__main__":
    main()
