"""The table of tasks in docs/robots.md from benchmarks/results/tasks.json.

python benchmarks/tasks_page.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCE, PAGE = ROOT / "benchmarks" / "results" / "tasks.json", ROOT / "docs" / "robots.md"
BEGIN, END = "<!-- tasks, by benchmarks/tasks_page.py -->\n", "<!-- end of tasks -->\n"


def with_table(page: str, tasks: dict[str, Any]) -> str:
    """The page with the table of these results in the place of the one it has."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n".join(_lines(tasks)) + "\n" + END + after


def _lines(tasks: dict[str, Any]) -> Iterator[str]:
    yield "| scene | succeeded | CPU-s each |"
    yield "|---|---|---|"
    for name, row in tasks.items():
        tried = len(row["seeds"])
        yield f"| `{name}` | {row['succeeded']} of {tried} | {row['cpu_s'] / max(tried, 1):.1f} |"
    failures = [f"seed {seed} of `{name}` ({why})" for name, row in tasks.items() for seed, why in
                row["failures"].items()]  # fmt: skip
    yield ""
    yield f"What failed: {'; '.join(failures) if failures else 'nothing'}."


def main() -> None:
    """Write the page."""
    PAGE.write_text(with_table(PAGE.read_text(), json.loads(SOURCE.read_text())))


if __name__ == "__main__":
    main()
