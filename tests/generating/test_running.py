"""What a run does about workers that die, clips that take too long, and disks that are full; no process is started."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simvid.commands.generate import duration, line
from simvid.errors import ClipError, JobError
from simvid.generating.clip_task import outcome_of
from simvid.generating.job_folder import FailedRecord, JobFolder, MadeRecord, manifest_of, number
from simvid.generating.pool import Ended, Task
from simvid.generating.running import Progress, Run

MADE = {"state": "made", "clip": "c", "input_hash": "h", "failed_checks": [], "bytes": 1}
Script = Callable[[Task, int], Ended]


class Scripted:
    """Ends the n-th attempt at a task as a function says."""

    def __init__(self, script: Script) -> None:
        self.script, self.seen = script, list[str]()

    def run(self, tasks: Iterator[Task]) -> Iterator[Ended]:
        for task in tasks:
            self.seen.append(task.name)
            yield self.script(task, self.seen.count(task.name))


def made(task: Task, attempt: int = 1) -> Ended:
    return Ended(task, dict(MADE), wall_s=2.0)


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    job = JobFolder(tmp_path / "job")
    job.begin(manifest_of("generate", {}, 4, "code"))
    (job.out / "c").mkdir()
    (job.out / "c" / "clip.json").write_text("{}")
    return job


TASKS = [Task(number(k), {"sample": k}) for k in range(4)]


def test_a_worker_that_dies_is_forgiven_twice(folder: JobFolder) -> None:
    def script(task: Task, attempt: int) -> Ended:
        if task.name == number(1) and attempt < 3:
            return Ended(task, None, "SIGKILL")
        return Ended(task, None, "SIGSEGV") if task.name == number(2) else made(task)

    workers = Scripted(script)
    end = Run(folder, TASKS)(workers)
    assert (end.made, end.failed) == (3, 1)
    assert workers.seen.count(number(1)) == workers.seen.count(number(2)) == 3
    assert folder.made()[number(1)].attempts == 3
    assert folder.failed()[number(2)].why == "died"
    assert folder.failed()[number(2)].reason == "SIGSEGV"
    again = Scripted(made)
    assert Run(folder, TASKS)(again).made == 1
    assert again.seen == [number(2)], "what died is tried again by the next run"
    assert folder.failed() == {}


def test_what_takes_too_long_is_tried_twice(folder: JobFolder) -> None:
    workers = Scripted(lambda task, _: Ended(task, None, "took longer", timed_out=True, wall_s=9.0))
    assert Run(folder, TASKS[:1])(workers).failed == 1
    assert len(workers.seen) == 2
    assert folder.failed()[number(0)].why == "timeout"


def test_an_error_of_the_scene_is_final_until_asked(folder: JobFolder) -> None:
    broken: dict[str, Any] = {"state": "failed", "reason": "too big", "seed": 8, "sampled": {"a": 1}}
    workers = Scripted(lambda task, _: Ended(task, broken))
    assert Run(folder, TASKS[:2])(workers).failed == 2
    assert len(workers.seen) == 2
    record = folder.failed()[number(1)]
    assert (record.why, record.seed, record.sample, record.sampled) == ("error", 8, 1, {"a": 1})
    again = Scripted(made)
    assert Run(folder, TASKS[:2])(again).there == 2
    assert again.seen == []
    assert Run(folder, TASKS[:2], retry_failed=True)(again).made == 2


def test_workers_that_cannot_even_start_give_up_no_clip(folder: JobFolder) -> None:
    with pytest.raises(JobError, match="6 workers died and no clip was made: no such module"):
        Run(folder, TASKS)(Scripted(lambda task, _: Ended(task, None, "no such module")))
    assert folder.failed() == {}


def test_a_full_disk_stops_the_run_and_blames_no_clip(folder: JobFolder) -> None:
    full = {"state": "storage", "reason": "the disk is full"}
    workers = Scripted(lambda task, _: Ended(task, full) if task.name == number(2) else made(task))
    with pytest.raises(JobError, match="the disk is full\nWhat is whole is kept; run it again to go on"):
        Run(folder, TASKS)(workers)
    assert list(folder.made()) == [number(0), number(1)]
    assert folder.failed() == {}
    assert Run(folder, TASKS)(Scripted(made)).made == 2


@pytest.mark.parametrize("number_of_error", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_which_errors_are_the_disks(number_of_error: int) -> None:
    def plain() -> Any:
        raise OSError(number_of_error, "no")

    def told() -> Any:
        raise ClipError("the disk is full") from OSError(number_of_error, "no")

    for make in (plain, told):
        assert outcome_of(make, dict)["state"] == "storage"


def test_other_errors_are_the_clips() -> None:
    def broken() -> Any:
        raise ZeroDivisionError("oh")

    assert outcome_of(broken, lambda: {"seed": 3}) == {
        "state": "failed", "reason": "simvid has a fault: ZeroDivisionError: oh", "seed": 3}  # fmt: skip


class Filling(JobFolder):
    """A disk with less room after each clip, and more again once somebody has waited."""

    free = 3_500

    def free_bytes(self) -> int:
        return self.free


def test_no_clip_is_begun_with_too_little_room(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, waited = Filling(folder.out), []

    def script(task: Task, _: int) -> Ended:
        disk.free -= 1_000
        return made(task)

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        disk.free = 9_000

    monkeypatch.setattr(time, "sleep", sleep)
    told: list[bool] = []
    workers = Scripted(script)
    run = Run(disk, TASKS, min_free_bytes=2_000, told=lambda progress, _: told.append(progress.waiting))
    assert run(workers).made == 4
    assert len(waited) == 1
    assert told.count(True) == 1
    assert told.index(True) == 3, "after the beginning and two clips"


def test_a_disk_that_stays_full_ends_the_run(folder: JobFolder) -> None:
    disk = Filling(folder.out)
    with pytest.raises(JobError, match=r"0.00 GB free, less than --min-free 5e-06, for 0 s; free some space"):
        Run(disk, TASKS, min_free_bytes=5_000, patience_s=0.0)(Scripted(made))


def test_records_that_were_cut_count_as_not_made(folder: JobFolder) -> None:
    Run(folder, TASKS)(Scripted(made))
    (folder.made_folder / f"{number(3)}.json").write_text('{"schema')
    assert list(folder.made()) == [number(0), number(1), number(2)]


def test_progress_in_words() -> None:
    progress = Progress(wanted=20, there=2, made=9, failed=1, elapsed_s=100.0, free_bytes=0)
    assert progress.left == 8
    assert progress.per_hour == pytest.approx(324)
    assert progress.left_s == pytest.approx(80)
    record = MadeRecord(name="000011", clip="c", input_hash="h", wall_s=14.21, cpu_s=1.0)
    assert line(progress, record) == "12/20  000011 made in 14.2 s  324 clips/h  80 s left"
    gone = FailedRecord(name="000012", why="died", reason="SIGKILL\nmore", attempts=3)
    assert line(progress, gone) == "12/20  000012 given up (died): SIGKILL  324 clips/h  80 s left"
    assert [duration(s) for s in (12, 400, 9000)] == ["12 s", "7 min", "2.5 h"]
    assert Progress(3, 0, 0, 0, 0.0, 0).left_s is None
