"""Data sets that grow with a job: clips are encoded while others are made, once each, whoever is killed."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

import simvid
from simvid.captions.narration import CAPTION_FILE
from simvid.cli import main
from simvid.clip import Clip
from simvid.errors import JobError, SimvidError
from simvid.export.base import ExportError
from simvid.export.job import export, formats
from simvid.export.lerobot import LeRobot
from simvid.generating import encode_task
from simvid.generating.data_set import DataSet, kept, put_together
from simvid.generating.generate import Options, generate
from simvid.generating.job_folder import JobFolder, Shard, manifest_of, number
from simvid.generating.pool import Ended, Task
from simvid.generating.running import Encoding, Run
from simvid.parsing import load_scene
from simvid.scene import Scene
from simvid.testing.exporting import judge

COUNT = 3
LEROBOT = DataSet("lerobot", {"bodies": True})
GROWING = Options(workers=1, min_free_gb=0.0, data_set=LEROBOT)


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def tiny(plug_in: None, tiny_file: Path) -> Scene:
    return load_scene(tiny_file)


@pytest.fixture(scope="module")
def grown(tiny: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("grown") / "job"
    end = generate(tiny, out, COUNT, GROWING)
    assert (end.made, end.encoded, end.failed) == (COUNT, COUNT, 0)
    return out


def forbidden(*_: object) -> None:
    raise AssertionError("encoded twice")


def test_it_is_what_an_export_afterwards_writes(grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [grown / record.clip for record in JobFolder(grown).made().values()]
    export(clips, "lerobot", tmp_path / "after", options=LEROBOT.options)
    assert content(grown / "lerobot") == content(tmp_path / "after")
    assert not list((grown / "lerobot").glob(".*")), "no scratch is left"
    monkeypatch.setattr(LeRobot, "encode", forbidden)
    out = tmp_path / "found"
    said = ["export", str(grown), "--format", "lerobot", "--option", "bodies=true", "--out", str(out), "--quiet"]
    assert main(said) == 0, "a later export of the job finds its clips encoded"
    assert len(list(out.rglob("*.mp4"))) == len(list((grown / "lerobot").rglob("*.mp4")))


@pytest.mark.parametrize(
    ("name", "options"), [("cosmos_transfer", {"min_frames": 1}), ("cosmos3", {"min_frames": 1}), ("webdataset", {})]
)
def test_other_formats_with_videos_grow_too(
    grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any]
) -> None:
    job = JobFolder(shutil.copytree(grown, tmp_path / "job"))
    clips = [job.out / record.clip for record in job.made().values()]
    export(clips, name, tmp_path / "after", options=options)
    shared = {"out": str(job.out), "data_set": DataSet(name, options).checked().plain()}
    encode = encode_task.maker("clip", shared)
    assert [encode({"encode": clip.name}) for clip in clips] == [{"state": "encoded"}] * COUNT
    monkeypatch.setattr(simvid.registry.load("export", name), "encode", forbidden)
    export(clips, name, tmp_path / "beside", options=options, kept=kept(job))
    assert content(tmp_path / "beside") == content(tmp_path / "after")


def test_the_help_names_the_formats_that_grow(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    missing = [name for name, kind in formats().items() if hasattr(kind, "encode") and name not in said]
    assert not missing, f"--format: {missing}"


def test_no_clip_is_encoded_twice(tiny: Scene, grown: Path) -> None:
    store = kept(JobFolder(grown)).folder / ".stages"
    whole = content(grown / "lerobot")
    ages = {path.name: path.stat().st_ino for path in store.iterdir()}
    gone = sorted(store.iterdir())[0]
    for path in sorted(gone.iterdir()):
        path.unlink()
    gone.rmdir()  # as a run leaves it that was killed before the clip was encoded
    end = generate(tiny, grown, COUNT + 1, GROWING)
    assert (end.made, end.encoded) == (1, COUNT + 1)
    now = {path.name: path.stat().st_ino for path in store.iterdir()}
    assert len(now) == COUNT + 1
    assert {name: age for name, age in now.items() if name != gone.name}.items() >= {
        name: age for name, age in ages.items() if name != gone.name
    }.items()
    grew = content(grown / "lerobot")
    assert {n: b for n, b in whole.items() if n.endswith(".mp4")}.items() <= grew.items()
    assert json.loads(grew["meta/info.json"])["total_episodes"] == COUNT + 1


def test_shards_put_it_together_when_the_last_one_is_done(tiny: Scene, grown: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    generate(tiny, out, COUNT, dataclasses.replace(GROWING, shard=Shard(1, 2)))
    assert not (out / "lerobot").exists()
    generate(tiny, out, COUNT, dataclasses.replace(GROWING, shard=Shard(0, 2)))
    videos = {n: b for n, b in content(out / "lerobot").items() if n.endswith(".mp4")}
    assert videos
    assert videos.items() <= content(grown / "lerobot").items()


def test_what_cannot_be_encoded_ends_the_run_at_once_and_keeps_the_clips(tiny: Scene, tmp_path: Path) -> None:
    odd = dataclasses.replace(GROWING, data_set=DataSet("lerobot", {"codec": "av1"}))
    with pytest.raises(JobError, match=r"AV1 needs even sizes of 64 px or more[\s\S]*What is whole is kept"):
        generate(tiny, tmp_path / "job", 6, odd)
    assert 1 <= len(JobFolder(tmp_path / "job").made()) < 6


def test_captions_that_are_made_later_reach_it(grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They change no content hash, and nothing is encoded for them."""
    job = JobFolder(shutil.copytree(grown, tmp_path / "job"))
    monkeypatch.setattr(LeRobot, "encode", forbidden)
    clip = job.out / job.made()[number(0)].clip
    assert main(["caption", str(clip), "--quiet"]) == 0
    said = (clip / CAPTION_FILE).read_text()
    put_together(job, LEROBOT)
    rows = parquet.read_table(job.out / "lerobot/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert rows[0]["tasks"] == [json.loads(said)["short"]]


def test_pictures_that_the_gate_rejected_are_refused(grown: Path, tmp_path: Path) -> None:
    """Also where the data set is there already: a verdict changes no content hash."""
    job = JobFolder(shutil.copytree(grown, tmp_path / "job"))
    clip = Clip.open(job.out / job.made()[number(1)].clip)
    data = dataclasses.replace(LEROBOT, refined=clip.record.refined[0].name)
    assert put_together(job, data) == job.out / "lerobot"
    whole = (job.out / "lerobot").stat().st_ino
    assert put_together(job, data) == job.out / "lerobot"
    assert (job.out / "lerobot").stat().st_ino == whole, "nothing changed"
    judge(clip, accepted=False)
    with pytest.raises(ExportError, match=rf"rejected it in 1 of {len(job.made())} clips, {clip.path}: labels do not"):
        put_together(job, data)
    ended = encode_task.maker("clip", {"out": str(job.out), "data_set": data.plain()})({"encode": clip.path.name})
    assert ended["state"] == "failed"
    assert "the gate rejected it in 1 of 1 clips" in ended["reason"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (DataSet("coco"), "coco is written in one go, .*leave out --format and run  simvid export"),
        (DataSet("lerobto"), "did you mean 'lerobot'"),
        (DataSet("lerobot", {"crf": "fine"}), "--option crf: "),
    ],
)
def test_wrong_ones_are_refused_before_anything_is_made(tiny: Scene, tmp_path: Path, data: DataSet, said: str) -> None:
    with pytest.raises(SimvidError, match=said):
        generate(tiny, tmp_path / "job", 2, dataclasses.replace(GROWING, data_set=data))
    assert not (tmp_path / "job").exists()


def test_options_of_no_format(
    tiny_file: Path, plug_in: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ["generate", str(tiny_file), "--count", "2", "--out", str(tmp_path / "job"), "--option", "crf=3"]
    assert main(said) == 2
    assert "say of which format with --format" in capsys.readouterr().err


class Lanes:
    """Does tasks side by side as ``Pool`` does, without processes; a clip takes two beats, encoding one or three."""

    def __init__(self, lanes: int, encoding_takes: int) -> None:
        self.lanes, self.encoding_takes = lanes, encoding_takes
        self.under_way: deque[tuple[Task, int]] = deque()
        self.seen: list[tuple[int, int]] = []

    def run(self, tasks: Iterator[Task]) -> Iterator[Ended]:
        while True:
            while len(self.under_way) < self.lanes and (task := next(tasks, None)) is not None:
                self.under_way.append((task, self.encoding_takes if "encode" in task.values else 2))
            if not self.under_way:
                return
            encodes = sum("encode" in task.values for task, _ in self.under_way)
            self.seen.append((len(self.under_way) - encodes, encodes))
            self.under_way = deque((task, left - 1) for task, left in self.under_way)
            for task, left in list(self.under_way):
                if left == 0:
                    self.under_way.remove((task, left))
                    done: dict[str, Any] = {"state": "encoded"} if "encode" in task.values else {
                        "state": "made", "clip": task.name, "input_hash": "h", "failed_checks": [], "bytes": 1,
                    }  # fmt: skip
                    yield Ended(task, done, wall_s=1.0)


@pytest.mark.parametrize(("workers", "takes"), [(1, 1), (2, 1), (1, 3), (3, 3)])
def test_encoding_runs_beside_and_does_not_pile_up(tmp_path: Path, workers: int, takes: int) -> None:
    folder = JobFolder(tmp_path / "job")
    folder.begin(manifest_of("generate", {}, 12, "code"))
    lanes, encoding = Lanes(workers + 1, takes), Encoding(workers)
    waiting: list[int] = []
    end = Run(
        folder, [Task(number(k), {"sample": k}) for k in range(12)], told=lambda *_: waiting.append(len(encoding)),
        encoding=encoding,
    )(lanes)  # fmt: skip
    assert (end.made, end.encoded) == (12, 12)
    assert max(clips for clips, _ in lanes.seen) == workers, "never more clips at a time than asked for"
    beside = sum(encodes for clips, encodes in lanes.seen if clips)
    assert beside >= (12 - workers - 1) * takes * 0.7, "nearly all encoding has clips being made beside it"
    assert max(waiting) <= workers, "clips wait to be encoded no longer than others are begun"


def test_an_encoder_that_dies_is_forgiven_twice(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    folder.begin(manifest_of("generate", {}, 1, "code"))

    class Dying:
        def run(self, tasks: Iterator[Task]) -> Iterator[Ended]:
            for task in tasks:
                made = {"state": "made", "clip": "c", "input_hash": "h", "failed_checks": [], "bytes": 1}
                yield Ended(task, None, "SIGKILL") if "encode" in task.values else Ended(task, made)

    with pytest.raises(JobError, match="c could not be encoded: SIGKILL"):
        Run(folder, [Task(number(0), {})], encoding=Encoding(1))(Dying())
