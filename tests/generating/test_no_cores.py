"""A Ray cluster whose cores are gone, come late, or are fewer than asked for; Ray itself is played."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from simvid.errors import JobError
from simvid.generating import ray_cluster, replay
from simvid.generating.pool import Ended, PoolSettings, Task
from simvid.generating.ray_cluster import Cluster
from simvid.generating.replay import refine_all

TASKS = [Task(f"{k:06d}", {}) for k in range(3)]


def cluster(monkeypatch: pytest.MonkeyPatch, cores: list[int], workers: int = 0) -> tuple[Cluster, list[int]]:
    """One that has so many cores, look after look, and how many tasks were under way at each wait."""
    busy: list[int] = []

    def wait(references: list[Any], **_: object) -> tuple[list[Any], list[Any]]:
        busy.append(len(references))
        return references[:1], references[1:]

    made = Cluster("auto", "clip", {}, PoolSettings(workers))
    made._ray = SimpleNamespace(
        cluster_resources=lambda: {"CPU": cores.pop(0) if len(cores) > 1 else cores[0]},
        remote=lambda **_: lambda _: SimpleNamespace(remote=lambda *_: object()),
        put=lambda _: None, wait=wait, get=lambda _: {"outcome": {"state": "made"}},
        exceptions=SimpleNamespace(RayTaskError=KeyError, RayError=KeyError),
    )  # fmt: skip
    monkeypatch.setattr(ray_cluster, "NO_CORES_S", 0.05)
    monkeypatch.setattr(ray_cluster, "BEAT_S", 0.01)
    return made, busy


@pytest.mark.parametrize("workers", [0, 4])
def test_a_cluster_without_cores_is_an_error(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    empty, _ = cluster(monkeypatch, [0], workers)
    with pytest.raises(JobError, match=r"--ray auto: the cluster has had no core for 0.05 s; add a node"):
        list(empty.run(iter(TASKS)))


def test_without_tasks_no_cores_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    empty, _ = cluster(monkeypatch, [0])
    assert not list(empty.run(iter([])))


def test_cores_that_come_late_do_every_task(monkeypatch: pytest.MonkeyPatch) -> None:
    late, _ = cluster(monkeypatch, [0, 0, 0, 1])
    assert [ended.task for ended in late.run(iter(TASKS))] == TASKS


def test_no_more_tasks_than_cores_are_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    small, busy = cluster(monkeypatch, [2], workers=64)
    assert len(list(small.run(iter(TASKS)))) == len(TASKS)
    assert max(busy) == 2


def test_a_clip_that_was_never_begun_is_not_refined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "clip.json").write_text("{}")

    @contextmanager
    def ends_early(*_: object) -> Iterator[Any]:
        yield SimpleNamespace(run=lambda tasks: iter([Ended(next(tasks), {"state": "made"})]))

    monkeypatch.setattr(replay, "executor", ends_early)
    assert refine_all(tmp_path, "identity", None) == {"b": "it was not begun"}
