"""All benchmarks in one run: tables on the screen, figures and the machine's name in benchmarks/results/.

python benchmarks/run.py [--quick] [--out DIR] [--only NAME]
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

from benchmarks_table import NotHereError, machine, show

BENCHMARKS = (
    "main_job", "start", "physics", "laws", "worlds", "mpm", "thin", "renderer", "kernel", "rivals", "scene", "cuda",
    "pathtrace", "dataset", "lerobot", "refiner", "stream",
)  # fmt: skip


def main() -> None:
    """Run what was asked for, one after another, each in a process of its own: they would disturb each other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small cases, to see that everything works")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--only", choices=BENCHMARKS, action="append")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = arguments.only or list(BENCHMARKS)
    if len(names) == 1:
        one(names[0], arguments.out, quick=arguments.quick)
        return
    quick = ["--quick"] if arguments.quick else []
    codes = {
        name: subprocess.run([sys.executable, __file__, "--only", name, "--out", arguments.out, *quick], check=False)
        for name in names
    }
    failed = [name for name, done in codes.items() if done.returncode]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def one(name: str, out: Path, *, quick: bool) -> None:
    """Run one benchmark in this process, show its table and keep its figures."""
    print(f"{machine()['cpu']}, {machine()['cores']} cores", flush=True)
    bench = importlib.import_module(f"bench_{name}")
    try:
        result = bench.run(quick=quick)
    except NotHereError as missing:
        print(missing)
        return
    show(name.replace("_", " "), bench.HEADER, bench.rows(result))
    figures = {"machine": machine(), "quick": quick, "result": result}
    (out / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")
    if hasattr(bench, "markdown"):
        (out / f"{name}.md").write_text(bench.markdown(result))


if __name__ == "__main__":
    main()
