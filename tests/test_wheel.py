"""The built wheel holds every shelf entry with all that lies beside it, and no test; what it holds works from there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SHELVES = ("scenes", "renderers", "refiners")
WEIGHTS = ("model_index.json", "README.md", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
           "scheduler/scheduler_config.json")  # fmt: skip


@pytest.fixture(scope="module")
def tree(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel is built from, with one more refiner: an entry, and its weights in a folder beside it."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("simvid", *SHELVES):
        shutil.copytree(root / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(root / name, tree / name)
    folder = tree / "refiners" / "of_the_test"
    for name in WEIGHTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"looks": ["taught"]}')
    index = ('{"_class_name": "VideoRefinerPipeline", "unet": ["simvid.refining.model", "RefinerUNet"], '
             '"scheduler": ["simvid.refining.scheduler", "BridgeScheduler"]}')  # fmt: skip
    (folder / "model_index.json").write_text(index)
    entry = "# For the test.\nbackend: bridge\nsettings: {weights: of_the_test}\n"
    (tree / "refiners" / "of_the_test.yaml").write_text(entry)
    return tree


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.slow
def test_wheel_holds_every_shelf_entry(tree: Path, wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    entries = [p for shelf in SHELVES for p in (tree / shelf).rglob("*") if p.is_file()]
    assert len([p for p in entries if p.suffix == ".yaml"]) >= 12
    assert tree / "refiners/of_the_test/unet/diffusion_pytorch_model.safetensors" in entries
    missing = [str(p) for p in entries if f"simvid/catalogue_data/{p.relative_to(tree)}" not in names]
    assert missing == []
    assert "simvid/py.typed" in names
    probe = {f"simvid/checking/probe/{name}" for name in ("weights.safetensors", "limits.json", "CARD.md")}
    assert probe <= names
    assert not [n for n in names if n.startswith(("tests/", "benchmarks/", "examples/", "scenes/"))]


@pytest.mark.slow
def test_weights_are_found_beside_their_entry(tree: Path, wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """In a checkout and in an installed wheel, from any working directory."""
    wheel.extractall(tmp_path / "installed")
    code = ("from pathlib import Path; from simvid import catalogue; from simvid.jobs.backends import refiner_of; "
            "print(catalogue.folder('refiners'), *refiner_of('of_the_test', Path()).use.looks)")  # fmt: skip
    for home, shelf in ((tree, "refiners"), (tmp_path / "installed", "simvid/catalogue_data/refiners")):
        env = os.environ | {"PYTHONPATH": str(home)}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [str(home / shelf), "as_rendered", "taught"]
