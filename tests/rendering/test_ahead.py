"""Compiling ahead: two shares are every kernel, each runs once, they are stopped when the work fails."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from simvid.assets.cache import write_atomically
from simvid.rendering import ahead
from simvid.rendering.ahead_shares import LATER

CALLED = """
import json, sys, numba
from simvid.rendering.ahead import main
{work}
kernels = {{
    f"{{kernel.__module__}}.{{name}}": [str(types) for types in kernel.signatures]
    for module in list(sys.modules.values()) if module.__name__.startswith("simvid.")
    for name, kernel in vars(module).items()
    if isinstance(kernel, numba.core.dispatcher.Dispatcher) and kernel.targetoptions.get("nogil")
    and kernel._cache.__class__.__name__ != "NullCache"
}}
print(json.dumps(kernels))
"""
PICTURES = """
from dataclasses import replace
from simvid.frames import BUFFER_LABELS, LABELS
from simvid.rendering.ahead_shares import SETTINGS, small
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.renderer import render_frames

scene, plain = small(), frozenset(LABELS) - BUFFER_LABELS
box, clear, ball = (p for p in scene.assets.parts if p.part.kind == "body")
rest = tuple(p for p in scene.assets.parts if p.part.kind != "body")
mesh_alone = replace(ball, visuals=ball.visuals[:1])
solid = replace(clear, visuals=box.visuals)
for last, labels in ((ball, LABELS), (mesh_alone, LABELS), (mesh_alone, plain)):
    assets = replace(scene.assets, parts=(*rest, box, solid, last))
    for _ in render_frames(assets, scene.trajectory, scene.path, CpuRasterizer(), labels, SETTINGS):
        pass
"""


def called(work: str) -> dict[str, list[str]]:
    """Kernels of the modules that some work loads, and the types that it calls each with."""
    command = [sys.executable, "-c", CALLED.format(work=work)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kernels: dict[str, list[str]] = json.loads(done.stdout)
    return kernels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("ahead")
        patch.setenv("SIMVID_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def light(folder: Path) -> dict[str, list[str]]:
    return called("main('cpu', 'light')")


@pytest.fixture(scope="module")
def splats(folder: Path, light: dict[str, list[str]]) -> dict[str, list[str]]:
    return called("main('cpu', 'splats')")


def test_the_shares_reach_every_kernel(light: dict[str, list[str]], splats: dict[str, list[str]]) -> None:
    assert len(light) > 20, light
    reached = {name for share in (light, splats) for name, types in share.items() if types}
    missing = {name for name in {*light, *splats} - reached if not name.startswith(LATER)}
    assert {name for name in missing if name.startswith(("simvid.rendering.", "simvid.surfaces."))} == set()


def test_no_kernel_is_compiled_twice(light: dict[str, list[str]], splats: dict[str, list[str]]) -> None:
    both = {name for name in {*light} & {*splats} if light[name] and splats[name]}
    assert both <= {"simvid.rendering.light.shadows._draw"}, "both hide what is behind splats, with one quick kernel"


def test_pictures_need_no_other(light: dict[str, list[str]], splats: dict[str, list[str]]) -> None:
    pictures = called(PICTURES)
    new = {name for name, types in pictures.items() if not {*types} <= {*light.get(name, ()), *splats.get(name, ())}}
    assert new == set()
    assert sum(bool(types) for types in pictures.values()) > 40


def test_shares_that_are_done_are_known(
    folder: Path, light: dict[str, list[str]], splats: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "usable_cores", lambda: 2)
    with ahead.compiling("cpu") as work:
        assert not work.running()


def sleeper(seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])


def test_they_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, str]] = []

    def start(backend: str, share: str) -> subprocess.Popen[bytes]:
        started.append((backend, share))
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
    assert started == [("cpu", "light"), ("cpu", "splats")]
    assert ahead.marker("cpu", "light").parent.parent == tmp_path
    write_atomically(ahead.marker("cpu", "light"), b"")
    with ahead.compiling("cpu"), ahead.compiling("reference"):
        pass
    assert started[2:] == [("cpu", "splats"), ("reference", "light"), ("reference", "splats")]


def test_they_end_with_the_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    processes = [sleeper(600), sleeper(600)]
    waiting = iter(processes)
    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(ahead, "_start", lambda *_: next(waiting))
    monkeypatch.setattr(ahead, "usable_cores", lambda: 2)
    with ahead.compiling("cpu") as work:
        assert work.running()
    assert all(process.poll() is not None for process in processes)


def test_the_first_ends_where_the_second_cannot_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    process, calls = sleeper(600), count()

    def start(backend: str, share: str) -> subprocess.Popen[bytes]:
        if next(calls):
            raise OSError("out of processes")
        return process

    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(ahead, "_start", start)
    monkeypatch.setattr(ahead, "usable_cores", lambda: 2)
    with pytest.raises(OSError, match="out of processes"), ahead.compiling("cpu"):
        pass
    assert process.poll() is not None


def test_waiting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "TIME_LIMIT_S", 0.05)
    work = ahead.Compiling([sleeper(0), sleeper(600)])
    work.wait()
    assert not work.running()
