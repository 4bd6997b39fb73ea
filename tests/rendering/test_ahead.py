"""Compiling ahead: every kernel is reached, it runs once, it is stopped when the work fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from simvid.assets.cache import write_atomically
from simvid.rendering import ahead

UNREACHED = """
import sys, numba
from simvid.rendering.ahead import LATER, draw_everything
draw_everything("cpu")
kernels = {
    f"{kernel.__module__}.{name}": kernel
    for module in list(sys.modules.values()) if module.__name__.startswith("simvid.rendering.")
    for name, kernel in vars(module).items()
    if isinstance(kernel, numba.core.dispatcher.Dispatcher) and kernel.targetoptions.get("nogil")
    and kernel._cache.__class__.__name__ != "NullCache"
}
assert len(kernels) > 20, kernels
print(sorted(name for name, kernel in kernels.items() if not kernel.signatures and not name.startswith(LATER)))
"""


def test_the_scene_reaches_every_kernel() -> None:
    done = subprocess.run([sys.executable, "-c", UNREACHED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def sleeper(seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])


def test_it_runs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def start(backend: str) -> subprocess.Popen[bytes]:
        started.append(backend)
        return sleeper(0)

    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(ahead, "_start", start)
    monkeypatch.setattr(ahead, "usable_cores", lambda: 1)
    with ahead.compiling("cpu") as work:
        assert not work.running()
    assert started == []
    monkeypatch.setattr(ahead, "usable_cores", lambda: 2)
    with ahead.compiling("cpu") as work:
        work.wait()
    assert started == ["cpu"]
    for name in ("cpu", "reference"):
        assert ahead.marker(name).parent.parent == tmp_path
    write_atomically(ahead.marker("cpu"), b"")
    with ahead.compiling("cpu"), ahead.compiling("reference"):
        pass
    assert started == ["cpu", "reference"]


def test_it_ends_with_the_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    process = sleeper(600)
    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(ahead, "_start", lambda _: process)
    monkeypatch.setattr(ahead, "usable_cores", lambda: 2)
    with ahead.compiling("cpu") as work:
        assert work.running()
    assert process.poll() is not None


def test_waiting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "TIME_LIMIT_S", 0.05)
    work = ahead.Compiling(sleeper(600))
    work.wait()
    assert not work.running()
