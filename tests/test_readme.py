"""The README's code runs as it stands, and its commands and pictures exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.S)


@pytest.mark.slow
def test_python_blocks_run(root: Path, tmp_path: Path) -> None:
    code = blocks((root / "README.md").read_text(), "python")
    assert code, "the README shows no Python"
    for block in code:
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_yaml_blocks_are_valid_scenes(root: Path, tmp_path: Path) -> None:
    scenes = blocks((root / "README.md").read_text(), "yaml")
    assert scenes, "the README shows no scene"
    for k, text in enumerate(scenes):
        path = tmp_path / f"readme_{k}.yaml"
        path.write_text(text)
        command = [
            sys.executable,
            "-m",
            "simvid.cli",
            "run",
            str(path),
            "--out",
            str(tmp_path / "out"),
            "--frames",
            "2",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_pictures_exist(root: Path, name: str) -> None:
    text = (root / name).read_text()
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", text) if not t.startswith("http")]
    assert [t for t in targets if not (root / t).exists()] == []


def test_make_targets_exist(root: Path) -> None:
    wanted = set(re.findall(r"`make (\w+)", (root / "README.md").read_text()))
    known = set(re.findall(r"^(\w+):", (root / "Makefile").read_text(), flags=re.M))
    assert {"demo", "test"} <= wanted <= known
