"""Jobs of many clips: the same clips whoever makes them, in whatever order, however often they are killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import simvid
from simvid.cli import main
from simvid.clip import Clip
from simvid.clips.digests import hash_of
from simvid.clips.folders import temporary_beside
from simvid.clips.records import write_record
from simvid.errors import JobError, SceneError, SimvidError
from simvid.generating import clip_task
from simvid.generating.clip_task import shared_by_all
from simvid.generating.generate import Options, generate
from simvid.generating.job_folder import JobFolder, Manifest, Shard, manifest_of, number
from simvid.generating.pool import Pool, PoolSettings, Task
from simvid.parsing import load_scene
from simvid.randomize import sample
from simvid.scene import Scene
from simvid.testing.killing import Chances, content_of, kill_at_random

COUNT = 4
ROOM = 0.0
"""Tests do not care how full the disk is."""


@pytest.fixture(scope="module")
def tiny(plug_in: None, tiny_file: Path) -> Scene:
    return load_scene(tiny_file)


@pytest.fixture(scope="module")
def undisturbed(tiny: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("job") / "whole"
    end = generate(tiny, out, COUNT, Options(workers=2, min_free_gb=ROOM))
    assert (end.made, end.there, end.failed, end.left) == (COUNT, 0, 0, 0)
    return out


def test_each_clip_is_that_of_its_sample(tiny: Scene, undisturbed: Path, tmp_path: Path) -> None:
    made = JobFolder(undisturbed).made()
    assert list(made) == [number(k) for k in range(COUNT)]
    for k, record in enumerate(made.values()):
        clip = Clip.open(undisturbed / record.clip)
        drawn, values = sample(tiny, k)
        assert clip.record.sample_index == k
        assert clip.record.sampled == values
        assert clip.record.seed == drawn.seed
        assert clip.verify() == []
    alone = simvid.run(tiny, tmp_path, sample_index=3)
    assert alone.content_hash == Clip.open(undisturbed / made[number(3)].clip).content_hash
    assert not (undisturbed / ".stages").exists(), "results of stages would pile up"
    assert list((undisturbed / "job" / "work").iterdir()) == []


def test_what_is_there_is_not_made_again_and_more_can_be_asked_for(
    tiny: Scene, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "more"
    shutil.copytree(undisturbed, out)
    (clip,) = [record.clip for name, record in JobFolder(out).made().items() if name == number(1)]
    (out / clip).rename(tmp_path / "gone")
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = temporary_beside(out / "job" / "made" / "x.json")
    left.with_name(left.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-")).write_text("{")
    end = generate(tiny, out, COUNT + 1, Options(min_free_gb=ROOM))
    assert (end.there, end.made) == (COUNT - 1, 2), "the one that was taken away, and the new one"
    assert [p.name for p in (out / "job" / "made").glob(".*")] == [], "leftovers are swept"
    assert JobFolder(out).manifest.count == COUNT + 1
    assert content_of(undisturbed).items() <= content_of(out).items()
    assert generate(tiny, out, 2, Options(min_free_gb=ROOM)).made == 0
    assert JobFolder(out).manifest.count == COUNT + 1, "asking for fewer takes none away"


def test_shards_make_the_whole_between_them(tiny: Scene, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    ends = [generate(tiny, out, COUNT, Options(shard=Shard(k, 2), min_free_gb=ROOM)) for k in (1, 0)]
    assert [end.made for end in ends] == [2, 2]
    assert content_of(out) == content_of(undisturbed)


def test_workers_that_are_killed_are_replaced(tiny: Scene, undisturbed: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(progress: object, ended: object) -> None:
        if ended is not None and len(killed) < 2:
            for child in psutil.Process().children():
                child.kill()
                killed.append(child.pid)

    end = generate(tiny, tmp_path / "job", COUNT, Options(workers=2, min_free_gb=ROOM), told=kill)
    assert len(killed) >= 2
    assert (end.made, end.failed) == (COUNT, 0)
    assert content_of(tmp_path / "job") == content_of(undisturbed)


@pytest.mark.slow
def test_kill_9_at_random(tiny: Scene, tiny_file: Path, undisturbed: Path, tmp_path: Path) -> None:
    """A few of what ``benchmarks/kills.py`` does 200 times."""
    command = ["generate", str(tiny_file), "--count", str(COUNT), "--workers", "2", "--min-free", "0"]
    done = kill_at_random(command, tmp_path, Chances(4, longest_s=5.0, seed=1))
    assert done.total == 4 == sum(done.hit.values())
    assert done.half_written == []
    whole = content_of(undisturbed)
    assert all(content_of(tmp_path / str(k)) == whole for k in range(done.rounds))


def test_two_jobs_on_one_folder(tiny: Scene, undisturbed: Path) -> None:
    with (
        JobFolder(undisturbed).locked(Shard()),
        pytest.raises(JobError, match=rf"process {os.getpid()} on .* is at work on these clips"),
    ):
        generate(tiny, undisturbed, COUNT)
    with JobFolder(undisturbed).locked(Shard(1, 4)), pytest.raises(JobError, match=r"lock-1-of-4"):
        generate(tiny, undisturbed, COUNT, Options(shard=Shard(1, 2)))
    with JobFolder(undisturbed).locked(Shard(1, 4)):
        assert generate(tiny, undisturbed, COUNT, Options(shard=Shard(0, 2), min_free_gb=ROOM)).made == 0


def test_another_job_on_the_folder(tiny: Scene, undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tiny.model_copy(update={"fps": 40.0})
    with pytest.raises(JobError, match=r"holds another job: it differs in scene.fps; choose another folder"):
        generate(other, undisturbed, COUNT)
    monkeypatch.setattr("simvid.generating.generate.versions", lambda: "another")
    with pytest.raises(JobError, match=r"was begun with simvid .*, this is another: .*--mix-versions"):
        generate(tiny, undisturbed, COUNT)
    assert generate(tiny, undisturbed, COUNT, Options(mix_versions=True)).made == 0


def test_a_job_goes_on_however_its_scene_is_named(plug_in: None, tiny_file: Path, tmp_path: Path) -> None:
    def begun(name: str | Path) -> Manifest:
        scene = load_scene(name)
        return JobFolder(tmp_path).begin(manifest_of("generate", shared_by_all(scene, "refining", None), 2, "simvid"))

    first = begun(tiny_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tiny_file.parent)
        assert begun(tiny_file.name) == first
    before = first.model_copy(update={"key": hash_of({"kind": "generate", "shared": first.shared})})
    write_record(tmp_path / "job.json", before)  # as jobs were begun when their key held the file's name
    assert begun(tiny_file) == before
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(tiny_file.read_text().replace("fps: 20", "fps: 40"))
    with pytest.raises(JobError, match=r"holds another job: it differs in base, scene.fps; choose another folder"):
        begun(elsewhere)


def test_a_scene_that_does_not_vary_is_refused(tiny: Scene, tmp_path: Path) -> None:
    plain = tiny.model_copy(update={"randomize": {}})
    with pytest.raises(SceneError, match="randomizes nothing, so all 2 clips would be alike"):
        generate(plain, tmp_path / "job", 2)
    assert not (tmp_path / "job").exists()


def test_an_impossible_sample_is_put_aside_with_its_reason_and_seed(
    plug_in: None, tiny_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "tiny.yaml", tmp_path / "job"
    inside = "  cameras.front.pose.look_from_m: {sequence: [[0, -1.6, 0.7], [-0.4, 0.3, 0.25]]}\n"
    file.write_text(tiny_file.read_text() + inside)
    arguments = ["generate", str(file), "--count", "2", "--out", str(out), "--min-free", "0", "--json", "--quiet"]
    assert main(arguments) == JobError.exit_code
    told = json.loads(capsys.readouterr().out)
    assert (told["clips"], list(told["given_up"])) == (1, [number(1)])
    record = JobFolder(out).failed()[number(1)]
    assert (record.why, record.attempts, record.sample) == ("error", 1, 1)
    assert "post" in record.reason
    drawn, values = sample(load_scene(file), 1)
    assert record.seed == drawn.seed
    assert record.sampled == json.loads(json.dumps(values))
    assert not JobFolder(out).work(number(1)).exists()
    end = generate(load_scene(file), out, 2, Options(min_free_gb=ROOM))
    assert (end.there, end.made, end.failed) == (2, 0, 0), "an error of the scene would come again"


class TestPool:
    def test_time_is_up(self, tiny: Scene, tmp_path: Path) -> None:
        shared = {"job": clip_task.shared_by_all(tiny, "refining", None), "out": str(tmp_path)}
        with Pool("clip", shared, PoolSettings(timeout_s=0.05)) as pool:
            (ended,) = pool.run(iter([Task("a", {"name": "a", "sample": 0})]))
            assert ended.timed_out
            assert ended.outcome is None
            assert "took longer than 0.05 s" in ended.reason
            assert pool.pids == []

    def test_processes_are_replaced_before_they_leak(self, tmp_path: Path) -> None:
        seen = []

        def tasks(pool: Pool) -> Iterator[Task]:
            for k in range(2):
                seen.append(list(pool.pids))
                yield Task(str(k), {"clip": "none"})

        shared = {"job": {"source": str(tmp_path)}}
        for settings, left in ((PoolSettings(tasks_each=2), 1), (PoolSettings(memory_mb=1), 0)):
            seen.clear()
            with Pool("check", shared, settings) as pool:
                ended = list(pool.run(tasks(pool)))
                assert all(e.outcome is not None and "missing" in e.outcome["faults"][0] for e in ended)
                assert len(seen[1]) == left
                assert pool.pids == []

    def test_how_it_died_and_its_last_words(self) -> None:
        with Pool("clip", {"job": {}, "out": "/nowhere"}, PoolSettings()) as pool:
            (ended,) = pool.run(iter([Task("a", {"name": "a", "sample": 0})]))
        assert "ended with code 1" in ended.reason
        assert "KeyError: 'scene'" in ended.reason

    def test_workers_die_with_the_one_that_started_them(self, tmp_path: Path) -> None:
        script = f"""
from simvid.generating.pool import *
pool = Pool("check", {{"job": {{"source": {str(tmp_path)!r}}}}}, PoolSettings())
next(pool.run(iter([Task("a", {{"clip": "x"}})])))
print(pool.pids[0], flush=True)
import time; time.sleep(60)
"""
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            worker = int(process.stdout.readline())
            assert psutil.pid_exists(worker)
            process.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_clocks_that_jump_change_nothing(
    tiny: Scene, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = clip_task.maker("clip", {"job": clip_task.shared_by_all(tiny, "refining", None), "out": str(tmp_path)})
    real, year = time.time, 365 * 24 * 3600.0
    for k, jump in enumerate((0.0, year, -2 * year)):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        assert make({"name": number(k), "sample": k})["state"] == "made"
    assert content_of(tmp_path).items() <= content_of(undisturbed).items()


def test_a_folder_that_cannot_be_written(tiny: Scene) -> None:
    with pytest.raises(SimvidError, match=r"/proc/simvid.*cannot be written"):
        generate(tiny, "/proc/simvid", 2)


@pytest.mark.parametrize(("text", "shard"), [("0/1", Shard()), ("3/4", Shard(3, 4)), (None, Shard())])
def test_shards_by_name(text: str | None, shard: Shard) -> None:
    assert Shard.of(text) == shard


@pytest.mark.parametrize("text", ["4/4", "-1/2", "1", "a/b", "1/0"])
def test_wrong_shards(text: str) -> None:
    with pytest.raises(ValueError, match="--shard: expected i/n with i from 0 to n - 1"):
        Shard.of(text)


def test_shards_meet_where_they_have_a_task_in_common() -> None:
    for n in range(1, 7):
        for m in range(1, 7):
            for i in range(n):
                for j in range(m):
                    common = any(Shard(i, n).holds(k) and Shard(j, m).holds(k) for k in range(60))
                    assert Shard(i, n).meets(Shard(j, m)) == common


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for a job, as small as we like."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "simvid", place], check=False).returncode:
        pytest.skip("only root may mount a disk")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_that_is_full_and_then_read_only_and_then_large(
    tiny: Scene, undisturbed: Path, small_disk: Path
) -> None:
    """Not played: a file system of 300 kB, where a clip takes 150."""
    out, options = small_disk / "job", Options(min_free_gb=0.0)
    with pytest.raises(SimvidError, match=r"the disk is full; nothing was left half-written"):
        generate(tiny, out, COUNT, options)
    made = JobFolder(out).made()
    assert len(made) < COUNT
    assert JobFolder(out).failed() == {}, "no clip is to blame"
    assert all(Clip.open(out / record.clip).verify() == [] for record in made.values())
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(SimvidError, match=r"cannot be written \(Read-only file system\)"):
        generate(tiny, out, COUNT, options)
    subprocess.run(["mount", "-o", "remount,rw,size=64m", small_disk], check=True)
    assert generate(tiny, out, COUNT, options).failed == 0
    assert content_of(out) == content_of(undisturbed)
