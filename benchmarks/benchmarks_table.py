"""What all benchmarks share: the table, the JSON file and the machine's name."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any


class NotHereError(Exception):
    """A rival or a device that this machine does not have; the text says which, and how to get it."""


def package(module: str, requirement: str) -> Any:
    """A rival's module.

    Raises:
        NotHereError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise NotHereError(
            f"{requirement.partition('=')[0]}: skipped, not installed (pip install {requirement})"
        ) from error


def machine() -> dict[str, Any]:
    """Which computer this is: figures mean nothing without it."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}


def show(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print one table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for k, name in enumerate(header):
        table.add_column(name, justify="left" if k == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=140).print(table)


def main(
    run: Callable[..., dict[str, Any]],
    header: Sequence[str],
    rows: Callable[[dict[str, Any]], Iterable[Sequence[str]]],
) -> None:
    """Command line of one benchmark: ``--quick`` for a look, ``--json FILE`` for the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a small case, to see that it works")
    parser.add_argument("--json", type=Path, help="write machine and figures here")
    arguments = parser.parse_args()
    try:
        result = run(quick=arguments.quick)
    except NotHereError as missing:
        raise SystemExit(str(missing)) from missing
    show(f"{machine()['cpu']}, {machine()['cores']} cores", header, rows(result))
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "result": result}, indent=1) + "\n")
