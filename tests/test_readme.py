"""The README's code runs as it stands, and its commands and pictures exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from simvid.clip import Clip

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/plugins.md")


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
    assert [t for t in targets if not (root / name).parent.joinpath(t).exists()] == []


def test_make_targets_exist(root: Path) -> None:
    wanted = set(re.findall(r"`make (\w+)", (root / "README.md").read_text()))
    known = set(re.findall(r"^(\w+):", (root / "Makefile").read_text(), flags=re.M))
    assert {"demo", "test"} <= wanted <= known


def test_the_plug_in_of_the_docs_works(root: Path, tmp_path: Path, flying_clip: Clip) -> None:
    page = (root / "docs" / "plugins.md").read_text()
    for name, text in re.findall(r"^`([\w.]+)`[^\n]*:\n\n```\w+\n(.*?)```", page, flags=re.M | re.S):
        (tmp_path / name).write_text(text)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    info = tmp_path / "simvid_warm-0.1.dist-info"  # as installed
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(f"{k} = {v}\n" for k, v in project["entry-points"]["simvid.refining"].items())
    (info / "entry_points.txt").write_text("[simvid.refining]\n" + points)
    (tmp_path / "test_use.py").write_text(
        "import numpy, simvid\n\ndef test_use() -> None:\n"
        f"    clip = simvid.Clip.open({str(flying_clip.path)!r})\n"
        "    made = numpy.stack(list(simvid.load_refiner('warm.yaml', clip).stream()))\n"
        "    assert made[..., 2].mean() < 0.95 * clip.frames('front', labels=[]).rgb[..., 2].mean()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_warm.py", "test_use.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout
