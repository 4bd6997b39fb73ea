"""The benchmarks' rivals draw what they claim, and what is missing is named."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.rendering.reference import ReferenceRasterizer
from simvid.testing.clouds import psnr_db

Load = Callable[[str], Any]


@pytest.fixture
def bench(root: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Modules of benchmarks/."""
    monkeypatch.syspath_prepend(root / "benchmarks")
    return importlib.import_module


@pytest.mark.parametrize("name", ["rivals_numba", "rivals_warp"])
def test_pixel_order_ports_draw_the_references_picture(bench: Load, name: str) -> None:
    """Otherwise to be faster than they are would mean nothing."""
    renderer = bench("bench_renderer")
    scene, view = renderer.room(400), renderer.camera(64, 48)
    scene.pop("normals")
    oracle = ReferenceRasterizer().rasterize(**scene, **view)
    draw = bench(name).prepare(scene, view)
    for _ in range(2):  # kept work space leaves no trace
        assert psnr_db(np.asarray(draw(), np.float32), oracle.features) > 80


def test_what_is_missing_is_named(bench: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    table, blender = bench("benchmarks_table"), bench("rivals_blender")
    with pytest.raises(table.NotHereError, match=r"nothing: skipped, not installed \(pip install nothing==1\)"):
        table.package("no_such_module", "nothing==1")
    monkeypatch.delenv(blender.VARIABLE, raising=False)
    with pytest.raises(table.NotHereError, match="Blender: skipped; set SIMVID_BENCH_BLENDER"):
        blender.measured(Path("scene.npz"), [1], "CYCLES", 1)


def test_without_a_gpu_one_line_says_so(root: Path) -> None:
    command = [sys.executable, str(root / "benchmarks" / "bench_cuda.py")]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("bench_cuda: needs a CUDA device")


def test_the_page_of_asked_and_got_is_that_of_the_figures(bench: Load, root: Path) -> None:
    page = bench("laws_page")
    figures = json.loads(page.SOURCE.read_text())["result"]
    assert page.PAGE.read_text() == page.page(figures)
    newton = [case["engines"]["newton"] for case in figures["cases"].values() if case["asked"]]
    assert all("figures" in found for found in newton), "newton refuses nothing that is asked there"


def test_the_table_of_tasks_is_that_of_the_figures(bench: Load) -> None:
    page = bench("tasks_page")
    tasks = json.loads(page.SOURCE.read_text())
    assert page.with_table(page.PAGE.read_text(), tasks) == page.PAGE.read_text()
    assert set(tasks) == {path.stem for path in bench("bench_tasks").tasks()}
    for row in tasks.values():
        assert row["succeeded"] == len(row["seeds"]) - len(row["failures"])
        assert row["succeeded"] >= 0.9 * len(row["seeds"])


def test_tasks_that_other_code_has_tried_are_begun_anew(bench: Load) -> None:
    tasks = bench("bench_tasks")
    one, two, *_ = tasks.tasks()
    old = tasks.fresh("of an earlier day") | {"seeds": [0, 1], "succeeded": 2}
    same = tasks.fresh(tasks.code_of(two)) | {"seeds": [0], "succeeded": 1}
    table = tasks.begun([one, two], {one.stem: old, two.stem: same})
    assert table == {one.stem: tasks.fresh(tasks.code_of(one)), two.stem: same}
    text = 'def f(x: int) -> int:\n    """One more."""\n    return x + 1  # one\n'
    assert tasks.meaning(text) == tasks.meaning("def f(x: int) -> int:\n    return x + 1\n")
    assert tasks.meaning(text) != tasks.meaning(text.replace("x + 1", "x + 2"))


def test_laws_are_measured_on_scenes_of_the_language(bench: Load) -> None:
    """Every scene can be read; two cases by raw MuJoCo, whose answer is known."""
    laws = bench("bench_laws")
    cases = {case.name: case for case in laws.all_cases()}
    for case in cases.values():
        laws.parse_scene(case.text, "case.yaml")  # every scene is one
    fall = laws.measured(cases["free fall"], "mujoco", laws.RawMujoco())
    assert fall["figures"]["height after 1 s"] == pytest.approx(9 - 9.81 / 2 - 9.81 * 0.001, abs=1e-9)
    refused = laws.measured(cases["dam break"], "mujoco", laws.RawMujoco())
    assert "rigid bodies only" in refused["refused"]
