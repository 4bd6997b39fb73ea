"""COCO and YouTube-VIS, read back by pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from simvid.clip import Clip
from simvid.export.coco import Coco
from simvid.export.job import Choice, export
from simvid.export.rle import bounds, encode, run_lengths
from simvid.export.youtube_vis import YoutubeVis
from simvid.testing.exporting import ExporterContract

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:pycocotools")  # its own


def decoded(code: Any) -> NDArray[np.bool_]:
    return np.asarray(coco_mask.decode(code), bool)


@given(arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_rle_is_that_of_pycocotools(mask: NDArray[np.bool_]) -> None:
    theirs: Any = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    ours: Any = encode(mask)
    assert ours["counts"] == theirs["counts"].decode()
    assert ours["size"] == theirs["size"]
    assert (decoded(ours) == mask).all()
    assert coco_mask.area(ours) == mask.sum()
    if mask.any():
        assert bounds(mask) == coco_mask.toBbox(ours).tolist()


@pytest.mark.parametrize("fill", [0, 1])
def test_rle_of_long_runs(fill: int) -> None:
    """Runs longer than five bits, and differences below 0."""
    mask = np.full((300, 400), bool(fill))
    mask[100:200, 3:5] = not fill
    mask[0, -1] = not fill
    theirs: Any = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode(mask)["counts"] == theirs["counts"].decode()


def test_run_lengths_go_down_the_columns() -> None:
    assert run_lengths(np.array([[0, 1], [1, 1]], bool)) == [1, 3]
    assert run_lengths(np.array([[1, 0], [0, 0]], bool)) == [0, 1, 3]


class TestCoco(ExporterContract):
    kind = Coco


class TestYoutubeVis(ExporterContract):
    kind = YoutubeVis


def test_coco_reads_every_mask_and_pixel(exported_clip: Clip, second_clip: Clip, tmp_path: Path) -> None:
    clips = [exported_clip, second_clip]
    written = export([c.path for c in clips], "coco", tmp_path / "out")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "out" / "annotations" / "instances.json"))
    wanted = [(c, camera.name, t) for c in clips for camera in c.record.cameras for t in range(c.frame_count)]
    assert written["pictures"] == len(coco.imgs) == len(wanted)
    names = {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())}
    assert set(names.values()) == {"ball", "cube", "post"}
    seen = 0
    for number, (clip, camera, t) in enumerate(wanted, start=1):
        image: Any = coco.imgs[number]
        frame = clip.frame(camera, t)
        picture = cv2.imread(str(tmp_path / "out" / "images" / image["file_name"]))
        assert picture is not None
        assert (picture[..., ::-1] == frame.rgb).all()
        assert frame.ids is not None
        ids = clip.trajectory.instance_ids()[frame.ids]
        things = {p.instance_id: p.category for p in clip.trajectory.parts if p.kind != "ground"}
        annotations: Any = coco.loadAnns(coco.getAnnIds(imgIds=[number]))
        found = {}
        for annotation in annotations:
            mask = decoded(annotation["segmentation"])
            assert (coco.annToMask(annotation) == mask).all()
            assert annotation["area"] == mask.sum()
            assert annotation["bbox"] == coco_mask.toBbox(annotation["segmentation"]).tolist()
            found[names[annotation["category_id"]]] = mask
            seen += 1
        for k, category in things.items():
            assert (found.get(category, np.zeros_like(ids, bool)) == (ids == k)).all()
    assert written["annotations"] == seen > len(wanted)


def test_youtube_vis_holds_every_track(exported_clip: Clip, tmp_path: Path) -> None:
    export([exported_clip.path], "youtube-vis", tmp_path / "out", options={"pictures": "jpg", "quality": 100})
    tree = json.loads((tmp_path / "out" / "instances.json").read_text())
    assert [v["length"] for v in tree["videos"]] == [3, 3]
    names = {c["id"]: c["name"] for c in tree["categories"]}
    for video, camera in zip(tree["videos"], ("front", "side"), strict=True):
        frames = exported_clip.frames(camera)
        assert frames.ids is not None
        ids = exported_clip.trajectory.instance_ids()[frames.ids]
        things = {p.category: p.instance_id for p in exported_clip.trajectory.parts}
        tracks = [a for a in tree["annotations"] if a["video_id"] == video["id"]]
        assert len(tracks) == 3
        for track in tracks:
            masks = ids == things[names[track["category_id"]]]
            for t, code in enumerate(track["segmentations"]):
                if not masks[t].any():
                    assert (code, track["bboxes"][t], track["areas"][t]) == (None, None, None)
                    continue
                assert (decoded(code) == masks[t]).all()
                assert track["areas"][t] == masks[t].sum()
                assert track["bboxes"][t] == bounds(masks[t])
        for t, name in enumerate(video["file_names"]):
            picture = cv2.imread(str(tmp_path / "out" / "JPEGImages" / name))
            assert picture is not None
            assert np.abs(picture[..., ::-1].astype(int) - frames.rgb[t]).max() <= 6


def test_a_thing_that_leaves_is_null(exported_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In frame 1 the cube's pixels are given to the sky."""
    from simvid.export.base import View

    real = View.frames

    def without(self: View, *labels: str) -> object:
        for t, frame in enumerate(real(self, *labels)):
            if t == 1 and frame.ids is not None:
                frame.ids[frame.ids == 3] = 0
            yield frame

    monkeypatch.setattr(View, "frames", without)
    export([exported_clip.path], "youtube_vis", tmp_path / "out", choice=Choice(("front",)))
    tree = json.loads((tmp_path / "out" / "instances.json").read_text())
    names = {c["name"]: c["id"] for c in tree["categories"]}
    (track,) = [a for a in tree["annotations"] if a["category_id"] == names["cube"]]
    assert [code is None for code in track["segmentations"]] == [False, True, False]
