"""The built wheel holds every shelf entry and no test."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SHELVES = ("scenes", "renderers", "refiners")


@pytest.mark.slow
def test_wheel_holds_every_shelf_entry(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    entries = [p for shelf in SHELVES for p in (root / shelf).rglob("*.yaml")]
    assert len(entries) >= 12
    missing = [str(p) for p in entries if f"simvid/catalogue_data/{p.relative_to(root)}" not in names]
    assert missing == []
    assert "simvid/py.typed" in names
    assert not [n for n in names if n.startswith(("tests/", "benchmarks/", "examples/", "scenes/"))]
