"""WebDataset, read back by webdataset."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from webdataset.compat import WebDataset as Reader

from simvid.clip import Clip
from simvid.clips.arrays import read_named
from simvid.clips.tables import CONTACT_COLUMNS
from simvid.export.base import Episode, ExportError, Request, View
from simvid.export.job import Choice, export
from simvid.export.webdataset import WebDataset, WebDatasetSettings
from simvid.frames import LABEL_ARRAYS, LABELS
from simvid.testing.exporting import ExporterContract
from simvid.trajectory import pose_matrices

pytestmark = [  # webdataset leaves closing its shards to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class TestWebDataset(ExporterContract):
    kind = WebDataset


def samples(pattern: str) -> list[dict[str, object]]:
    reader: Any = Reader(pattern, shardshuffle=False, empty_check=False).decode()
    return list(reader)


def test_webdataset_reads_every_value(exported_clip: Clip, second_clip: Clip, tmp_path: Path) -> None:
    clips = [exported_clip, second_clip]
    export([c.path for c in clips], "webdataset", tmp_path / "out", options={"pictures": "npz", "shard_mb": 0.2})
    index = json.loads((tmp_path / "out" / "index.json").read_text())["shards"]
    assert len(index) > 1
    for shard in index:
        data = (tmp_path / "out" / shard["file"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (shard["sha256"], shard["bytes"])
    last = f"{len(index) - 1:06d}"
    found = samples(str(tmp_path / "out" / f"clips-{{000000..{last}}}.tar"))
    wanted = [(c, camera.name) for c in clips for camera in c.record.cameras]
    assert [s["__key__"] for s in found] == [f"{c.path.name}_{name}" for c, name in wanted]
    assert [e["key"] for shard in index for e in shard["samples"]] == [s["__key__"] for s in found]
    for sample, (clip, camera) in zip(found, wanted, strict=True):
        frames = clip.frames(camera)
        for name in clip.arrays(camera):
            part = sample[f"{name}.npz"]
            assert isinstance(part, dict | np.lib.npyio.NpzFile), name
            assert np.array_equal(part[name], getattr(frames, name), equal_nan=name not in ("rgb", "ids", "amodal"))
        trajectory = clip.trajectory
        joints, poses = sample["joints.npz"], sample["poses.npz"]
        assert (joints["positions"] == trajectory.robots[0].positions).all()  # type: ignore[index]
        assert (joints["targets"] == trajectory.robots[0].targets).all()  # type: ignore[index]
        assert (poses["world_from_part"] == pose_matrices(trajectory.poses)).all()  # type: ignore[index]
        rows = sample["contacts.json"]
        assert isinstance(rows, list)
        assert [r["event"] for r in rows] == ["begin", "persist", "end"]
        assert set(rows[0]) == set(CONTACT_COLUMNS)
        assert [r["impulse_z_n_s"] for r in rows] == [0.5, 0.25, 0.0]
        folder = clip.path / "cameras" / camera
        for name, stored in read_named(folder / "tracks.npz").items():
            assert np.array_equal(sample["tracks.npz"][name], stored, equal_nan=stored.dtype.kind == "f")  # type: ignore[index]
        boxes = sample["boxes.csv"]
        text = boxes.decode() if isinstance(boxes, bytes) else boxes
        assert text == (folder / "boxes.csv").read_text()
        assert (sample["camera.npz"]["world_from_camera"] == clip.cameras[camera].world_from_camera).all()  # type: ignore[index]
        assert sample["txt"] == "A ball and a box fly past a post."
        about = sample["json"]
        assert isinstance(about, dict)
        assert (about["content_hash"], about["camera"]) == (clip.content_hash, camera)


def test_a_sample_has_every_label_that_there_is(exported_clip: Clip, tmp_path: Path) -> None:
    written = export([exported_clip.path], "webdataset", tmp_path / "out", choice=Choice(("front",)))
    buffers = {"buffers", "depth_sensor", "albedo"}
    assert set(written["labels"]) >= set(LABELS[:16]) - buffers
    with tarfile.open(tmp_path / "out" / "clips-000000.tar") as tar:
        members = tar.getmembers()
    assert all((m.mtime, m.uid, m.gid, m.mode) == (0, 0, 0, 0o444) for m in members)
    names = {m.name.split(".", 1)[1] for m in members}
    assert {f"{a}.npz" for label in written["labels"] for a in LABEL_ARRAYS[label]} <= names
    assert "rgb.mp4" in names


@pytest.mark.parametrize("label", ["albedo"])
def test_a_label_that_the_clip_lacks_is_refused(exported_clip: Clip, tmp_path: Path, label: str) -> None:
    told = rf"was made without {label}, which webdataset was asked for; make it again: .* --labels all,{label}$"
    with pytest.raises(ExportError, match=told):
        export([exported_clip.path], "webdataset", tmp_path / "out", choice=Choice(labels=(label,)))


@pytest.mark.parametrize("labels", [(), ("depth",), ("contacts",), ("boxes_3d", "ids")])
def test_names_that_a_shard_cannot_hold_are_refused(
    exported_clip: Clip, tmp_path: Path, labels: tuple[str, ...]
) -> None:
    """To the character, before anything is encoded."""
    (tmp_path / "out").mkdir()
    (tmp_path / "wrong").mkdir()

    def write(stem: str, folder: Path) -> None:
        view = View(exported_clip, "side", stem, frozenset(labels))
        request = Request((Episode(exported_clip, stem, (view,)),), view.labels, lambda line: None, lambda e: tmp_path)
        WebDataset(WebDatasetSettings(pictures="npz")).write(request, folder)

    write("s", tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "clips-000000.tar") as tar:
        longest = max(map(len, tar.getnames())) - 1
    write("s" * (100 - longest), tmp_path / "out")
    with pytest.raises(ExportError, match=r"ssss.*at most 100 characters in a tar shard, got 101; rename the clip's f"):
        write("s" * (101 - longest), tmp_path / "wrong")
    assert list((tmp_path / "wrong").iterdir()) == []
