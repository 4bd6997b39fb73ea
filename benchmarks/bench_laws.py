"""Every engine against closed forms and well-known experiments, with what a second of simulation costs.

The scenes are written in the scene language and run through the registry, so an installed plug-in engine is measured
too; what an engine refuses is named. Raw MuJoCo with its defaults runs what it can do. Cost is time of processors, all
threads together, building included and compiling not: each engine runs a case once before where it compiles.

python benchmarks/bench_laws.py [--quick] [--engine NAME ...] [--case TEXT ...] [--into FILE]

``--into`` puts what was measured into a file that has other cases or engines already, and writes the page beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Protocol

import laws_rigid
import laws_soft
from benchmarks_table import machine, show
from laws_cases import Case, Quantity
from laws_mujoco import RawMujoco

from simvid import registry
from simvid.assets.parts import SceneAssets
from simvid.assets.prepare import prepare
from simvid.errors import SceneError, SimvidError
from simvid.parsing import parse_scene
from simvid.trajectory import Trajectory

RAW = "mujoco"
COMPILES = frozenset({"genesis"})
"""Engines that compile for each kind of scene: what counts is their second run."""


class Simulates(Protocol):
    """An engine, or raw MuJoCo."""

    def version(self) -> str: ...

    def simulate(self, assets: SceneAssets) -> Trajectory: ...


def all_cases() -> Iterator[Case]:
    """Laws first, then what is asked for."""
    for module in (laws_rigid, laws_soft):
        yield from module.cases()
    for module in (laws_rigid, laws_soft):
        yield from module.asked()


def engines(only: Collection[str] = ()) -> dict[str, Simulates]:
    """Every registered engine that can be loaded, and raw MuJoCo; or those of them that are named."""
    found: dict[str, Simulates] = {}
    for name in registry.names("physics"):
        if only and name not in only:
            continue
        try:
            found[name] = registry.load("physics", name)()
            found[name].version()
        except SimvidError as error:
            found.pop(name, None)
            print(f"{name}: skipped, {str(error).splitlines()[0]}")
    return {**found, **({RAW: RawMujoco()} if not only or RAW in only else {})}


def measured(case: Case, name: str, engine: Simulates) -> dict[str, Any]:
    """The figures of a case, or why there are none."""
    try:
        asked = parse_scene(case.text, f"{case.name}.yaml", ".", () if name == RAW else [f"physics.engine={name}"])
        assets = prepare(asked)
        if name in COMPILES:
            engine.simulate(assets)
        started = time.process_time()
        made = engine.simulate(assets)
        cpu = time.process_time() - started
    except SceneError as error:
        return {"refused": str(error).splitlines()[0].partition(": ")[2][:160] or str(error)[:160]}
    except SimvidError as error:
        return {"failed": str(error).splitlines()[0][:160]}
    figures = {q.name: q.measure(made, assets) for q in case.quantities}
    return {"figures": figures, "cpu_s": cpu, "sim_s_per_cpu_s": asked.duration_s / cpu}


def run(quick: bool = False, only: Collection[str] = (), cases: Collection[str] = ()) -> dict[str, Any]:
    """Case -> what was wanted, and each engine's figures, errors and cost.

    Args:
        quick: the quick cases alone.
        only: engines; all where empty.
        cases: beginnings of the names of cases; all where empty.
    """
    known = engines(only)
    result: dict[str, Any] = {"engines": {name: engine.version() for name, engine in known.items()}, "cases": {}}
    warm = next(case for case in all_cases() if case.name.startswith("incline"))
    for name, engine in known.items():
        measured(warm, name, engine)  # imports and compiles
    for case in all_cases():
        if (quick and not case.quick) or (cases and not case.name.startswith(tuple(cases))):
            continue
        found = {name: measured(case, name, engine) for name, engine in known.items()}
        for each in found.values():
            if "figures" in each:
                each["errors"] = {q.name: _error(q, each["figures"][q.name]) for q in case.quantities}
        wanted = {q.name: {"unit": q.unit, "wanted": q.wanted, "error": q.error, "source": q.source}
                  for q in case.quantities}  # fmt: skip
        result["cases"][case.name] = {"asked": case.asked, "quantities": wanted, "engines": found}
        print(case.name, flush=True)
    return result


def _error(quantity: Quantity, got: float) -> float | None:
    if not math.isfinite(got):
        return None
    off = got - quantity.wanted
    return off / abs(quantity.wanted) if quantity.error == "relative" else off


HEADER = ("case", "figure", "wanted", "engine", "got", "error", "sim s per CPU s")


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Table rows."""
    return list(_rows(result))


def _rows(result: dict[str, Any], *, asked: bool | None = None) -> Iterator[tuple[str, ...]]:
    for name, case in result["cases"].items():
        if asked is not None and case["asked"] != asked:
            continue
        for figure, q in case["quantities"].items():
            for engine, found in case["engines"].items():
                head = (name, figure, f"{q['wanted']:.5g} {q['unit']}".strip(), engine)
                if "figures" not in found:
                    if engine != RAW:
                        word = "refused" if "refused" in found else "failed"
                        yield (*head, word, found[word], "-")
                    continue
                got, off = found["figures"][figure], found["errors"][figure]
                told = "-" if off is None else f"{off:+.2%}" if q["error"] == "relative" else f"{off:+.2g} {q['unit']}"
                yield (*head, f"{got:.5g}", told.strip(), f"{found['sim_s_per_cpu_s']:.2g}")


def markdown(result: dict[str, Any]) -> str:
    """Both tables as a page."""
    versions = "; ".join(f"{name}: {version}" for name, version in result["engines"].items())
    made = f"Made by `benchmarks/bench_laws.py` on {machine()['cpu']}, {machine()['cores']} cores. {versions}."
    cost = "Cost is time of processors, on a machine shared with other work: read it as ratios between engines."
    lines = ["# Laws", "", f"{made} {cost}", ""]
    for title, asked in (("Closed forms and experiments", False), ("What is asked is what happens", True)):
        lines += [f"## {title}", "", *_table(_rows(result, asked=asked)), ""]
    return "\n".join(lines)


def _table(rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(HEADER)} |"
    yield f"|{'---|' * len(HEADER)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """What is new in place of what is old, case by case and engine by engine, in the order of the cases."""
    cases = {}
    for name in (case.name for case in all_cases()):
        before, now = old["cases"].get(name), new["cases"].get(name)
        if before is not None and now is not None:
            cases[name] = {**now, "engines": {**before["engines"], **now["engines"]}}
        elif before is not None or now is not None:
            cases[name] = now if before is None else before
    return {"engines": {**old["engines"], **new["engines"]}, "cases": cases}


def main() -> None:
    """Measure, show, and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the quick cases alone")
    parser.add_argument("--engine", nargs="*", default=[], help="engines; all of them by default")
    parser.add_argument("--case", nargs="*", default=[], help="beginnings of the names of cases")
    parser.add_argument("--into", type=Path, default=None, help="a laws.json to put the figures into")
    arguments = parser.parse_args()
    result = run(arguments.quick, arguments.engine, arguments.case)
    show(f"{machine()['cpu']}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", HEADER, rows(result))
    if arguments.into is not None:
        file = arguments.into
        kept = json.loads(file.read_text())["result"] if file.exists() else {"engines": {}, "cases": {}}
        whole = merged(kept, result)
        file.write_text(json.dumps({"machine": machine(), "quick": False, "result": whole}, indent=1) + "\n")
        file.with_suffix(".md").write_text(markdown(whole))


if __name__ == "__main__":
    main()
