"""The one place where markers are skipped and caches are kept out of the user's home."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("nvidia-smi") is not None:
        return
    skip = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def capture_file() -> Path:
    """A real SuperSplat capture, which is not part of the repository."""
    name = os.environ.get("SIMVID_TEST_CAPTURE")
    if not name:
        pytest.skip("set SIMVID_TEST_CAPTURE to a real .compressed.ply to run this")
    return Path(name)
