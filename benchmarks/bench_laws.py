"""Every engine against closed forms and well-known experiments, with what a second of simulation costs.

The scenes are written in the scene language and run through the registry, so an installed plug-in engine is measured
too; what an engine refuses is named. Raw MuJoCo with its defaults runs what it can do. Wall time includes building.

python benchmarks/bench_laws.py [--quick] [--json FILE]
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, Protocol

import laws_rigid
import laws_soft
from laws_cases import Case, Quantity
from laws_mujoco import RawMujoco

from simvid import registry
from simvid.assets.parts import SceneAssets
from simvid.assets.prepare import prepare
from simvid.errors import SceneError, SimvidError
from simvid.parsing import parse_scene
from simvid.trajectory import Trajectory

RAW = "mujoco"


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


def engines() -> dict[str, Simulates]:
    """Every registered engine that can be loaded, and raw MuJoCo."""
    found: dict[str, Simulates] = {}
    for name in registry.names("physics"):
        try:
            found[name] = registry.load("physics", name)()
        except SimvidError as error:
            print(f"{name}: skipped, {str(error).splitlines()[0]}")
    return {**found, RAW: RawMujoco()}


def measured(case: Case, name: str, engine: Simulates) -> dict[str, Any]:
    """The figures of a case, or why there are none."""
    try:
        asked = parse_scene(case.text, f"{case.name}.yaml", ".", () if name == RAW else [f"physics.engine={name}"])
        assets = prepare(asked)
        started = time.perf_counter()
        made = engine.simulate(assets)
        wall = time.perf_counter() - started
    except SceneError as error:
        return {"refused": str(error).splitlines()[0].partition(": ")[2][:160] or str(error)[:160]}
    except SimvidError as error:
        return {"failed": str(error).splitlines()[0][:160]}
    figures = {q.name: q.measure(made, assets) for q in case.quantities}
    return {"figures": figures, "wall_s": wall, "sim_s_per_wall_s": asked.duration_s / wall}


def run(quick: bool = False) -> dict[str, Any]:
    """Case -> what was wanted, and each engine's figures, errors and cost."""
    known = engines()
    result: dict[str, Any] = {"engines": {name: engine.version() for name, engine in known.items()}, "cases": {}}
    warm = next(case for case in all_cases() if case.name.startswith("incline"))
    for name, engine in known.items():
        measured(warm, name, engine)  # imports and compiles
    for case in all_cases():
        if quick and not case.quick:
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


HEADER = ("case", "figure", "wanted", "engine", "got", "error", "sim s per wall s")


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
                yield (*head, f"{got:.5g}", told.strip(), f"{found['sim_s_per_wall_s']:.2g}")


def markdown(result: dict[str, Any]) -> str:
    """Both tables as a page."""
    versions = "; ".join(f"{name}: {version}" for name, version in result["engines"].items())
    lines = ["# Laws", "", f"Made by `benchmarks/bench_laws.py`. {versions}.", ""]
    for title, asked in (("Closed forms and experiments", False), ("What is asked is what happens", True)):
        lines += [f"## {title}", "", *_table(_rows(result, asked=asked)), ""]
    return "\n".join(lines)


def _table(rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(HEADER)} |"
    yield f"|{'---|' * len(HEADER)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
