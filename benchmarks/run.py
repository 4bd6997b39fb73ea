"""All benchmarks in one run: tables on the screen, figures and the machine's name in benchmarks/results/.

python benchmarks/run.py [--quick] [--out DIR] [--only NAME]
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

from benchmarks_table import NotHereError, machine, show

BENCHMARKS = ("main_job", "physics", "renderer", "kernel", "rivals", "scene", "cuda", "pathtrace")


def main() -> None:
    """Run what was asked for, one after another: they would disturb each other side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small cases, to see that everything works")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--only", choices=BENCHMARKS, action="append")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(f"{machine()['cpu']}, {machine()['cores']} cores")
    for name in arguments.only or BENCHMARKS:
        bench = importlib.import_module(f"bench_{name}")
        try:
            result = bench.run(quick=arguments.quick)
        except NotHereError as missing:
            print(missing)
            continue
        show(name.replace("_", " "), bench.HEADER, bench.rows(result))
        figures = {"machine": machine(), "quick": arguments.quick, "result": result}
        (arguments.out / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
