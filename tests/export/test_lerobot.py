"""LeRobot v3.0: read back by lerobot itself where it is, by lerobot-doctor, and by a strict look at every file."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lerobot_doctor.cli import main as doctor
from numpy.typing import NDArray
from pyarrow import parquet

from simvid.clip import Clip
from simvid.export import statistics
from simvid.export.base import ExportError
from simvid.export.job import Choice, export, requested
from simvid.export.lerobot import LeRobot, LeRobotSettings
from simvid.export.log_depth import LogDepth
from simvid.testing.exporting import JOINTS, ExporterContract

PSNR_DB = 33.0
"""Of colour after H.264 at the default quality, on small noisy pictures."""


@pytest.fixture(scope="module")
def dataset(exported_clip: Clip, second_clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two episodes of three and five frames."""
    out = tmp_path_factory.mktemp("lerobot") / "data"
    export([exported_clip.path, second_clip.path], "lerobot", out, options={"bodies": True})
    return out


class TestLeRobot(ExporterContract):
    kind = LeRobot


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(-10 * np.log10(np.mean((a.astype(float) - b) ** 2) / 255**2 + 1e-12))


def expected(clips: list[Clip]) -> dict[str, NDArray[Any]]:
    """What the columns must hold."""
    t = [c.trajectory for c in clips]
    counts = [c.frame_count for c in clips]
    return {
        "observation.state": np.concatenate([x.robots[0].positions for x in t]).astype(np.float32),
        "action": np.concatenate([x.robots[0].targets for x in t]).astype(np.float32),
        "observation.environment_state": np.concatenate(
            [np.concatenate([x.poses[:, 1], x.poses[:, 2]], axis=1) for x in t]
        ).astype(np.float32),
        "timestamp": np.concatenate([np.arange(n) / 24 for n in counts]).astype(np.float32),
        "frame_index": np.concatenate([np.arange(n) for n in counts]),
        "episode_index": np.repeat(np.arange(len(clips)), counts),
        "index": np.arange(sum(counts)),
        "task_index": np.zeros(sum(counts), int),
    }


def test_lerobot_reads_every_value(
    dataset: Path, lerobot_python: Path, exported_clip: Clip, second_clip: Clip, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("read_lerobot.py")
    done = subprocess.run(
        [lerobot_python, script, dataset, tmp_path / "got.npz"], capture_output=True, text=True, check=False,
        env={"HF_HUB_OFFLINE": "1", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    got = np.load(tmp_path / "got.npz")
    about = json.loads(str(got["about"]))
    clips = [exported_clip, second_clip]
    assert (about["fps"], about["episodes"], about["robot"]) == (24, 2, "arm")
    assert set(about["tasks"]) == {"A ball and a box fly past a post."}
    for name, values in expected(clips).items():
        assert (got[name].reshape(values.shape) == values).all(), name
    states = expected(clips)["observation.state"]
    assert (got["two_states"][:, 1] == states).all()
    assert (got["two_states"][1:3, 0] == states[0:2]).all()
    assert (got["two_states"][3, 0] == states[3]).all()  # the first frame of an episode has none before it
    for camera in ("front", "side"):
        rgb = np.concatenate([c.frames(camera, ()).rgb for c in clips])
        colours = np.moveaxis(got[f"observation.images.{camera}"], 1, -1) * 255
        for t in range(len(rgb)):
            assert psnr(colours[t], rgb[t]) > PSNR_DB
        depths = np.concatenate([np.asarray(c.frames(camera, ["depth"]).depth) for c in clips])
        read = got[f"observation.images.{camera}_depth"].reshape(depths.shape)
        metres = read / 1000 if about["unit"] == "mm" else read
        assert np.abs(metres - np.clip(depths, 0.01, 10)).max() < 0.0023


def test_every_file_is_as_the_layout_says(dataset: Path, exported_clip: Clip, second_clip: Clip) -> None:
    info = json.loads((dataset / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_episodes"], info["total_frames"]) == ("v3.0", 24, 2, 8)
    data = parquet.read_table(dataset / "data/chunk-000/file-000.parquet")
    parts = parquet.ParquetFile(dataset / "data/chunk-000/file-000.parquet")
    assert [parts.metadata.row_group(k).num_rows for k in range(2)] == [3, 5]
    for name, values in expected([exported_clip, second_clip]).items():
        column = np.array(data[name].to_pylist())
        assert (column == values).all(), name
        assert np.dtype(info["features"][name]["dtype"]) == values.dtype
    assert set(data.column_names) == {n for n, f in info["features"].items() if f["dtype"] != "video"}
    for name in ("action", "observation.state"):
        assert info["features"][name]["names"] == [f"arm.{j}.pos" for j in JOINTS]
    rows = parquet.read_table(dataset / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(r["dataset_from_index"], r["dataset_to_index"], r["length"]) for r in rows] == [(0, 3, 3), (3, 8, 5)]
    stats = json.loads((dataset / "meta/stats.json").read_text())
    for name, feature in info["features"].items():
        assert set(stats[name]) == {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"}
        assert stats[name]["count"] == [8]
        if feature["dtype"] == "video":
            assert np.shape(stats[name]["mean"]) == (feature["shape"][2], 1, 1)
    state = expected([exported_clip, second_clip])["observation.state"].astype(float)
    assert np.allclose(stats["observation.state"]["mean"], state.mean(0))
    assert np.allclose(stats["observation.state"]["std"], state.std(0))
    (task,) = parquet.read_table(dataset / "meta/tasks.parquet").to_pylist()
    assert task == {"task_index": 0, "task": "A ball and a box fly past a post."}
    about = json.loads(parquet.read_schema(dataset / "meta/tasks.parquet").metadata[b"pandas"])
    assert about["index_columns"] == ["task"]


def test_videos_are_what_training_reads(dataset: Path, exported_clip: Clip) -> None:
    """No reordering, start at 0, a key frame every second frame, the right codecs, every depth to half a code."""
    for key, codec, form in (("front", "h264", "yuv420p"), ("front_depth", "hevc", "gray12le")):
        path = dataset / f"videos/observation.images.{key}/chunk-000/file-000.mp4"
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == (codec, form)
            packets = [p for p in container.demux(stream) if p.size]
            assert [p.pts for p in packets] == sorted(p.pts or 0 for p in packets)
            assert packets[0].pts == 0
            assert [p.is_keyframe for p in packets] == [True, False, True]
    depth = exported_clip.frames("front", ["depth"]).depth
    assert depth is not None
    with av.open(str(dataset / "videos/observation.images.front_depth/chunk-000/file-000.mp4")) as container:
        codes = np.stack([f.to_ndarray(format="gray12le") for f in container.decode(video=0)])
    assert (codes == LogDepth().encode(depth)).all()


def test_the_doctor_finds_no_fault(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = doctor(["check", str(dataset)])
    out = capsys.readouterr().out
    assert code in (None, 0, 1), out
    assert "FAIL" not in out, out


@given(st.floats(0.01, 10))
def test_depth_codes_are_within_half_a_step(depth: float) -> None:
    code = LogDepth()
    q = code.encode(np.array([depth], np.float32))
    step = code.decode(np.minimum(q + 1, 4095)) - code.decode(np.maximum(q.astype(int) - 1, 0).astype(np.uint16))
    assert abs(code.decode(q)[0] - depth) <= step[0] / 2 + 1e-6


def test_no_depth_is_far() -> None:
    assert LogDepth().encode(np.array([np.inf, np.nan, 99, 0, 10], np.float32)).tolist() == [4095, 4095, 4095, 0, 4095]


def test_merged_statistics_are_those_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(2, 3, (40, 2)), rng.normal(-1, 1, (10, 2))
    whole, parts = (
        statistics.of_rows(np.concatenate([a, b])),
        statistics.merged([statistics.of_rows(a), statistics.of_rows(b)]),
    )
    for key in ("min", "max", "mean", "std", "count"):
        assert np.allclose(whole[key], parts[key]), key


def test_statistics_by_histogram_are_those_by_sorting() -> None:
    rng = np.random.default_rng(1)
    samples = [np.minimum(rng.integers(0, 256, (5, 7, 3)), 200).astype(np.uint8) for _ in range(4)]
    fast, slow = statistics.of_bytes(samples, 9), statistics.of_pictures([s / 255 for s in samples], 9)
    assert fast.keys() == slow.keys()
    for key, values in slow.items():
        assert fast[key].shape == values.shape
        assert np.allclose(fast[key], values), key


def test_clips_that_differ_are_refused(exported_clip: Clip, tmp_path: Path) -> None:
    """Another size of pictures, a robot that is not there, 23.976 frames per second."""
    exporter = LeRobot(LeRobotSettings())

    def write(**changes: Any) -> None:
        other = Clip(exported_clip.path, exported_clip.record.model_copy(update=changes.pop("record", {})))
        other.__dict__["trajectory"] = replace(exported_clip.trajectory, **changes)
        exporter.write(requested(exporter, [exported_clip, other], Choice()), tmp_path)

    smaller = tuple(c.model_copy(update={"width": 32}) for c in exported_clip.record.cameras)
    with pytest.raises(ExportError, match="cameras and their sizes: expected the same in all clips"):
        write(record={"cameras": smaller})
    with pytest.raises(ExportError, match=r"joints of the robots: .* export them apart"):
        write(robots=())
    arm = exported_clip.trajectory.robots[0]
    with pytest.raises(ExportError, match=r"what targets of joints are: .* export them apart"):
        write(robots=(replace(arm, control="velocity"),))
    with pytest.raises(ExportError, match="frames per second"):
        write(record={"fps": 23.976})
    odd = Clip(exported_clip.path, exported_clip.record.model_copy(update={"fps": 23.976}))
    with pytest.raises(ExportError, match=r"whole frames per second alone, got 23.976; webdataset and mcap"):
        exporter.write(requested(exporter, [odd], Choice()), tmp_path)


def test_av1_is_refused_where_it_is_too_small(exported_clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="AV1 needs even sizes of 64 px or more, got 64 x 48"):
        export([exported_clip.path], "lerobot", tmp_path / "a", options={"codec": "av1"})
    assert not (tmp_path / "a").exists()


def test_a_robot_with_one_joint_gives_scalars(exported_clip: Clip, tmp_path: Path) -> None:
    """Its shape is [1], which lerobot reads as a number, not as a list of one."""
    arm = exported_clip.trajectory.robots[0]
    first = {n: getattr(arm, n)[:, :1] for n in ("positions", "velocities", "efforts", "targets")}
    slider = replace(arm, joint_names=arm.joint_names[:1], **first)
    exporter = LeRobot(LeRobotSettings())
    clip = Clip(exported_clip.path, exported_clip.record)
    clip.__dict__["trajectory"] = replace(exported_clip.trajectory, robots=(slider,))
    request = requested(exporter, [clip], Choice(("front",), ()))
    encoded = tmp_path / "encoded"
    encoded.mkdir()
    exporter.encode(request.episodes[0], request.labels, encoded)
    exporter.write(replace(request, encoded=lambda _: encoded), tmp_path / "out")
    features = json.loads((tmp_path / "out/meta/info.json").read_text())["features"]
    rows = parquet.read_table(tmp_path / "out/data/chunk-000/file-000.parquet")
    for name, values in (("action", slider.targets), ("observation.state", slider.positions)):
        assert (features[name]["shape"], features[name]["names"]) == ([1], ["arm.shoulder.pos"])
        assert rows.schema.field(name).type == "float"
        assert np.allclose(rows[name].to_numpy(), values[:, 0])


def test_held_out_scenes_come_last_as_a_split_of_their_own(exported_clip: Clip, tmp_path: Path) -> None:
    """The name ``d`` hashes to 0.096, the fixture's to 0.63. Where all are held out, nothing is written."""
    exporter = LeRobot(LeRobotSettings(held_out=0.1))
    held = Clip(exported_clip.path, exported_clip.record.model_copy(update={"name": "d", "description": "held out"}))
    arm = replace(exported_clip.trajectory.robots[0], control="velocity")
    kept = Clip(exported_clip.path, exported_clip.record)
    for clip in (held, kept):
        clip.__dict__["trajectory"] = replace(exported_clip.trajectory, robots=(arm,))
    request = requested(exporter, [held, kept], Choice(("front",), ()))
    encoded = tmp_path / "encoded"
    encoded.mkdir()
    exporter.encode(request.episodes[0], request.labels, encoded)
    exporter.write(replace(request, encoded=lambda _: encoded), tmp_path / "out")
    info = json.loads((tmp_path / "out/meta/info.json").read_text())
    assert info["splits"] == {"train": "0:1", "valid": "1:2"}
    assert info["features"]["action"]["names"] == [f"arm.{j}.vel" for j in JOINTS]
    rows = parquet.read_table(tmp_path / "out/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert rows[1]["tasks"] == ["held out"] != rows[0]["tasks"]
    with pytest.raises(ExportError, match=r"--option held_out: a share of 0.7 of all scenes holds out every one"):
        export([exported_clip.path], "lerobot", tmp_path / "none", options={"held_out": 0.7})
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("near", [10, 20])
def test_depths_without_a_range_are_refused(exported_clip: Clip, tmp_path: Path, near: float) -> None:
    told = rf"--option depth_min_m: expected a number below depth_max_m \(10\), got {near}"
    with pytest.raises(ExportError, match=told):
        export([exported_clip.path], "lerobot", tmp_path / "a", options={"depth_min_m": near})
    assert not (tmp_path / "a").exists()
