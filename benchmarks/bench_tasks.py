"""How often the shelf's robot tasks succeed: every ``scenes/task_*.yaml`` over seeds, physics only.

A seed draws what the scene randomizes, grasps and paths. A run counts where all of the scene's ``success`` predicates
hold at the last frame; a run that ends with an error counts as a failure.

python benchmarks/bench_tasks.py [--seeds N] [--only NAME ...] [--json FILE]

A file that exists is gone on with: what is in it is not tried again, unless the task's scene or the code that it runs
on is another one since; then the task is begun anew. ``tasks_page.py`` writes the table of docs/robots.md from it.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from simvid.assets.prepare import prepare
from simvid.errors import SimvidError
from simvid.parsing import load_scene
from simvid.physics.newton.engine import NewtonPhysics
from simvid.randomize import sample
from simvid.success import outcomes

ROOT = Path(__file__).resolve().parent.parent
SHELF = ROOT / "scenes"
CODE = (
    "assets/*.py", "physics/*.py", "physics/newton/*.py", "physics/tasks/*.py", "randomize.py", "rotations.py",
    "success.py",
)  # fmt: skip
"""What decides how a task goes, under simvid/."""
WORDS = ("capability_page.py",)
"""What among it only writes pages."""
PACKAGES = ("mujoco", "numpy", "scipy")


def tasks() -> list[Path]:
    """The task scenes."""
    return sorted(SHELF.glob("task_*.yaml"))


def code_of(path: Path) -> str:
    """Digest of a scene and of the code and packages that it is run by; comments and docstrings do not count."""
    digest = hashlib.blake2b(path.read_bytes(), digest_size=8)
    found = (s for pattern in CODE for s in (ROOT / "simvid").glob(pattern) if s.name not in WORDS)
    for source in sorted(found):
        digest.update(f"\n{source.relative_to(ROOT)}\n{meaning(source.read_text())}".encode())
    digest.update("\n".join(f"{name} {version(name)}" for name in PACKAGES).encode())
    return digest.hexdigest()


def meaning(source: str) -> str:
    """Python's text without what changes nothing: comments, docstrings, line breaks."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            texts = (s for s in node.body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
            for text in list(texts):
                node.body.remove(text)
    return ast.dump(tree)


def fresh(code: str) -> dict[str, Any]:
    """The row of a task that has not been tried."""
    return {"code": code, "seeds": [], "succeeded": 0, "cpu_s": 0.0, "failures": {}}


def begun(chosen: list[Path], found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The rows to go on with, by task: those found that were measured by this code, fresh ones for others."""
    table = dict(found)
    for path in chosen:
        code = code_of(path)
        row = table.get(path.stem)
        if row is not None and row.get("code") != code:
            print(f"{path.stem}: {len(row['seeds'])} seeds were tried by other code; begun anew", flush=True)
        if row is None or row.get("code") != code:
            table[path.stem] = fresh(code)
    return {name: table[name] for name in sorted(table)}


def attempt(path: Path, seed: int) -> tuple[bool, str, float]:
    """Whether a task succeeds, what was missing if not, and CPU seconds."""
    scene, _ = sample(load_scene(path, [f"seed={seed}"]), 0)
    began = time.process_time()
    try:
        assets = prepare(scene)
        found = outcomes(assets, NewtonPhysics().simulate(assets))
    except SimvidError as error:
        return False, str(error), time.process_time() - began
    missing = "; ".join(f"{o.text()}: {o.found}" for o in found if not o.true)
    return not missing, missing, time.process_time() - began


def main() -> None:
    """Run all tasks seed by seed, so that an interrupted run has tried each equally often."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=None, help="names such as task_pick_place")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    chosen = [p for p in tasks() if arguments.only is None or p.stem in arguments.only]
    file: Path | None = arguments.json
    table = begun(chosen, json.loads(file.read_text()) if file is not None and file.exists() else {})
    for seed in range(arguments.seeds):
        for path in [p for p in chosen if seed not in table[p.stem]["seeds"]]:
            good, missing, cpu_s = attempt(path, seed)
            row = table[path.stem]
            row["seeds"].append(seed)
            row["succeeded"] += good
            row["cpu_s"] = round(row["cpu_s"] + cpu_s, 2)
            if not good:
                row["failures"][str(seed)] = missing
                print(f"{path.stem} seed {seed}: {missing}", flush=True)
            if file is not None:
                file.write_text(json.dumps(table, indent=1) + "\n")
    for name, row in table.items():
        tried = len(row["seeds"])
        print(f"{name:<24} {row['succeeded']:>3} of {tried:<3} {row['cpu_s'] / max(tried, 1):6.1f} CPU-s each")


if __name__ == "__main__":
    main()
