"""An open clip folder: its values, its checks, and what it says about damage."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import simvid
from simvid.clip import Clip
from simvid.clips.digests import hash_of
from simvid.clips.records import CLIP_FILE
from simvid.clips.video import probe
from simvid.errors import ClipError

LABELS = ("alpha", "depth", "depth_expected", "ids", "normals", "flow_forward", "flow_backward", "occluded_forward",
          "occluded_backward")  # fmt: skip


@pytest.fixture
def copy(flying_clip: Clip, tmp_path: Path) -> Path:
    """A copy of the clip that may be changed."""
    return Path(shutil.copytree(flying_clip.path, tmp_path / "copy"))


def edit(folder: Path, change: Callable[[dict[str, object]], None]) -> None:
    path = folder / CLIP_FILE
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))


def test_frames_have_all_labels(flying_clip: Clip) -> None:
    frames = flying_clip.frames("front")
    assert frames.rgb.shape == (4, 48, 64, 3)
    assert set(frames[0].labels) == set(LABELS)
    assert frames.ids is not None
    assert set(np.unique(frames.ids)) >= {1, 2, 3, 4}
    assert frames.camera.world_from_camera.shape == (4, 4, 4)
    assert flying_clip.frames("side").rgb.shape == (4, 33, 49, 3)


def test_one_frame_some_frames_and_streams_agree_with_all(flying_clip: Clip) -> None:
    everything = flying_clip.frames("front")
    one = flying_clip.frame("front", 2)
    some = flying_clip.frames("front", labels=["depth"], indices=[3, 1])
    assert np.array_equal(one.rgb, everything.rgb[2])
    assert everything.flow_forward is not None
    assert np.array_equal(one.labels["flow_forward"], everything.flow_forward[2], equal_nan=True)
    assert set(some[0].labels) == {"depth"}
    assert everything.depth is not None
    assert some.depth is not None
    assert np.array_equal(some.depth, everything.depth[[3, 1]])
    moving = flying_clip.frames("side", labels=(), indices=[3, 1]).camera.world_from_camera
    assert np.array_equal(moving, flying_clip.cameras["side"].world_from_camera[[3, 1]])
    assert not np.array_equal(moving, flying_clip.cameras["side"].world_from_camera[:2])
    assert [f.rgb.sum() for f in flying_clip.stream("front", labels=())] == [f.sum() for f in everything.rgb]


def test_what_is_not_there_is_said(flying_clip: Clip) -> None:
    with pytest.raises(ClipError, match="no camera 'back'; there are front, side"):
        flying_clip.frames("back")
    with pytest.raises(ClipError, match="speed is unknown"):
        flying_clip.frames("front", labels=["speed"])
    with pytest.raises(IndexError, match="frame 4 asked for; frames are 0 to 3"):
        flying_clip.frame("front", 4)
    with pytest.raises(ClipError, match="no refinement 'dream'; there are identity"):
        flying_clip.refined("dream")
    with pytest.raises(ClipError, match="has no camera 'back'"):
        flying_clip.refined(camera="back")


def test_values(flying_clip: Clip) -> None:
    assert (flying_clip.name, flying_clip.fps, flying_clip.frame_count) == ("flying", 24.0, 4)
    assert flying_clip.trajectory.frame_count == 4
    assert flying_clip.trajectory.engine == "free_fall"
    assert list(flying_clip.cameras) == ["front", "side"]
    assert np.array_equal(flying_clip.refined(), flying_clip.frames("front").rgb)
    assert flying_clip.refined("identity", "side").shape == (4, 33, 49, 3)
    assert {"input_hash", "seed", "tools", "stages"} <= flying_clip.provenance.keys()
    depth = flying_clip.frames("side").depth
    assert depth is not None
    assert np.array_equal(flying_clip.derived("side", "valid", 2), np.isfinite(depth[2]))
    with pytest.raises(IndexError):
        flying_clip.derived("side", "valid", 4)
    assert "front, side" in repr(flying_clip)


def test_the_record_describes_everything(flying_clip: Clip) -> None:
    record = json.loads((flying_clip.path / CLIP_FILE).read_text())
    assert record["schema_version"] == 1
    assert [p["name"] for p in record["parts"]] == ["ground", "ball", "cube", "post"]
    assert [p["id"] for p in record["parts"]] == [1, 2, 3, 4]
    ball = record["parts"][1]
    assert ball["mass_kg"] == pytest.approx(1000 * 4 / 3 * np.pi * 0.1**3)
    assert np.allclose(ball["box_m"], [[-0.1] * 3, [0.1] * 3], atol=0.002)
    assert record["parts"][3]["mass_kg"] is None
    assert record["cameras"][0]["arrays"] == ["rgb", *sorted(LABELS)]
    assert record["tools"]["simvid"] == simvid.__version__
    on_disk = {p.relative_to(flying_clip.path).as_posix() for p in flying_clip.path.rglob("*") if p.is_file()}
    assert on_disk == {*record["files"], CLIP_FILE}
    assert all(f["digest"] for n, f in record["files"].items() if n.endswith((".npz", ".csv")))
    assert not any(f["digest"] for n, f in record["files"].items() if n.endswith((".mp4", ".png", ".json")))


def test_the_scene_comes_back_and_makes_the_same_clip(flying_clip: Clip, flying_file: Path, tmp_path: Path) -> None:
    scene = flying_clip.scene
    assert scene.model_dump() == simvid.load_scene(flying_file).model_dump()
    assert flying_clip.record.scene_base is None, "nothing in it is relative to its folder"
    again = simvid.run(scene, tmp_path)
    assert again.content_hash == flying_clip.content_hash
    assert again.path.name == flying_clip.path.name


def test_videos_are_whole(flying_clip: Clip) -> None:
    for camera, size in (("front", (64, 48)), ("side", (50, 34))):
        for path in (flying_clip.video(camera), flying_clip.video(camera, "identity")):
            info = probe(path)
            assert ((info.width, info.height), info.frames, float(info.fps)) == (size, 4, 24.0)


def test_boxes_fit_the_ids(flying_clip: Clip) -> None:
    ids = flying_clip.frames("front", labels=["ids"]).ids
    assert ids is not None
    with (flying_clip.path / "cameras/front/part_boxes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {r["part"] for r in rows} == {"ball", "cube", "post"}
    for row in rows:
        seen = ids[int(row["frame"])] == int(row["id"])
        v, u = np.nonzero(seen)
        edges = (u.min(), v.min(), u.max() + 1, v.max() + 1, seen.sum())
        assert tuple(int(row[k]) for k in ("x_min", "y_min", "x_max", "y_max", "visible_px")) == edges
    shown = {(f, k) for f in range(4) for k in np.unique(ids[f]) if k > 1}
    assert {(int(r["frame"]), int(r["id"])) for r in rows} == shown


def test_pictures_are_there(flying_clip: Clip) -> None:
    names = {p.name for p in (flying_clip.path / "cameras/front/labels").iterdir()}
    assert names == {f"{n}.png" for n in ("alpha", "depth", "flow", "ids", "normals", "occlusion")}
    text = flying_clip._repr_html_()
    assert "flying" in text
    assert "data:image/jpeg;base64," in text
    assert len(text) < 200_000


def test_a_sound_clip_verifies(flying_clip: Clip) -> None:
    assert flying_clip.verify() == []


@pytest.mark.parametrize(
    "name", ["cameras/front/depth.npz", "trajectory.npz", "cameras/side/boxes.csv", "refined/identity/front.npz"]
)
def test_a_changed_file_is_found(copy: Path, name: str) -> None:
    path = copy / name
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.unlink()
    path.write_bytes(data)
    faults = Clip.open(copy).verify()
    assert len(faults) == 1
    assert faults[0].startswith(name)


def test_equal_content_in_other_bytes_is_sound(copy: Path, flying_clip: Clip) -> None:
    """The digest is over decoded content: a file packed again is the same."""
    path = copy / "cameras/front/ids.npz"
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    path.unlink()
    np.savez(path, **arrays)
    edit(copy, lambda tree: tree["files"]["cameras/front/ids.npz"].update(bytes=path.stat().st_size))  # type: ignore[index]
    clip = Clip.open(copy)
    assert clip.verify() == []
    assert clip.content_hash == flying_clip.content_hash


def test_a_false_content_hash_is_found(copy: Path) -> None:
    edit(copy, lambda tree: tree.update(content_hash=hash_of({})))
    assert Clip.open(copy).verify() == ["clip.json: content_hash is not that of its files"]


def test_missing_and_cut_files_are_told_at_once(copy: Path) -> None:
    (copy / "contact_sheet.png").unlink()
    path = copy / "cameras/front/rgb.npz"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-10])
    with pytest.raises(ClipError) as caught:
        Clip.open(copy)
    assert "contact_sheet.png: missing" in str(caught.value)
    assert f"rgb.npz: expected {len(data)} bytes, got {len(data) - 10}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "missing; expected a folder made by simvid"),
        ("{", "not readable"),
        ("[]", "expected schema_version 1, got None"),
        ('{"schema_version": 2}', "expected schema_version 1, got 2"),
        ('{"schema_version": 1, "name": "a"}', "Field required"),
    ],
)
def test_what_is_no_clip_is_told(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / CLIP_FILE).write_text(text)
    with pytest.raises(ClipError, match=said):
        Clip.open(tmp_path)


def test_a_clip_near_one_that_is_not_there_is_named(copy: Path) -> None:
    for path in (copy.parent, copy.with_name(copy.name[:-1])):
        with pytest.raises(ClipError, match=rf"missing; .*\n  hint: there is {copy}$"):
            Clip.open(path)
    with pytest.raises(ClipError, match=r"clip\.json: expected a clip folder, as simvid run makes, got a file"):
        Clip.open(copy / CLIP_FILE)


def test_a_scene_of_another_language_is_told(copy: Path) -> None:
    edit(copy, lambda tree: tree["scene"].update(wormholes=3))  # type: ignore[attr-defined]
    with pytest.raises(ClipError, match="wormholes"):
        _ = Clip.open(copy).scene


def test_reading_is_lean(flying_clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    """One frame of one label opens two files and no other."""
    opened: list[str] = []
    real = os.fspath

    from simvid.clips import arrays

    class Spy(arrays.ArrayFile):
        def __init__(self, path: Path) -> None:
            opened.append(Path(real(path)).name)
            super().__init__(path)

    monkeypatch.setattr("simvid.clip.ArrayFile", Spy)
    flying_clip.frames("front", labels=["depth"], indices=[0])
    assert sorted(opened) == ["depth.npz", "rgb.npz"]
