"""Label videos, decoded again; and what is drawn on pictures, at the places that the clip says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simvid.clip import Clip
from simvid.clips.video import probe, read_video
from simvid.errors import ClipError, SimvidError
from simvid.motion import seen_at
from simvid.trajectory import Contacts
from simvid.viewing.content import Content
from simvid.viewing.drawings import Drawings
from simvid.viewing.overlay import CAPTION, GAP, LEAST_WIDTH, Overlay, write_overlay

ZOOM = LEAST_WIDTH // 64 + 1
WIDE, HIGH = 64 * ZOOM, 48 * ZOOM
"""Of a picture of the camera ``front``."""


def test_the_video_shows_each_label_beside_the_picture(flying_clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "labels.mp4"
    overlay = Overlay(flying_clip, ["ids", "boxes", "depth"], ["front"], "side")
    write_overlay(overlay, flying_clip.fps, path)
    assert [p.name for p in tmp_path.iterdir()] == ["labels.mp4"]
    found = probe(path)
    assert (found.codec, float(found.fps), found.frames) == ("h264", 24.0, 4)
    pictures = list(read_video(path))
    for index, picture in enumerate(pictures):
        expected = overlay.picture(index)
        assert picture.shape[:2] == tuple(n + n % 2 for n in expected.shape[:2])
        error = np.abs(picture[: len(expected), : expected.shape[1]].astype(int) - expected)
        assert error.mean() < 4
        rgb = expected[2 * CAPTION :, :WIDE][:HIGH]
        frame = flying_clip.frame("front", index)
        assert np.abs(rgb[ZOOM // 2 :: ZOOM, ZOOM // 2 :: ZOOM].astype(int) - frame.rgb).mean() < 8
    assert (pictures[0] != pictures[3]).any()


def test_ids_stand_in_their_colours(flying_clip: Clip) -> None:
    picture = Overlay(flying_clip, ["ids"], ["front"], "side").picture(2)
    left = WIDE + GAP
    tile = picture[2 * CAPTION : 2 * CAPTION + HIGH, left : left + WIDE]
    frame = flying_clip.frame("front", 2)
    assert (tile[::ZOOM, ::ZOOM] == Content(flying_clip).colors[frame.ids]).all()
    assert np.ptp(picture[2 * CAPTION :, left + WIDE :], axis=(0, 1)).max() > 100, "the legend"


def test_all_cameras_and_all_labels_unless_told(flying_clip: Clip) -> None:
    overlay = Overlay(flying_clip, [], [], "side")
    assert list(overlay.shown) == ["front", "side"]
    assert {"depth", "ids", "flow", "boxes", "boxes_3d", "tracks"} <= set(overlay.shown["front"])


def test_a_blend_is_one_picture_with_what_is_drawn_on_top(flying_clip: Clip) -> None:
    plain = Overlay(flying_clip, ["ids"], ["front"], "blend", 0.25).picture(1)[CAPTION:, :WIDE].astype(float)
    ids = Overlay(flying_clip, ["ids"], ["front"], "blend", 1.0).picture(1)[CAPTION:, :WIDE]
    rgb = Overlay(flying_clip, ["ids"], ["front"], "blend", 0.0).picture(1)[CAPTION:, :WIDE]
    assert np.abs(plain - (0.25 * ids + 0.75 * rgb)).max() <= 0.51
    drawn = Overlay(flying_clip, ["ids", "boxes"], ["front"], "blend", 0.25).picture(1)[CAPTION:, :WIDE]
    share = (drawn != plain.astype(np.uint8)).any(axis=-1).mean()
    assert 0.005 < share < 0.3


def test_a_box_is_drawn_around_its_pixels(flying_clip: Clip) -> None:
    content = Content(flying_clip)
    frame = flying_clip.frame("front", 1)
    assert frame.ids is not None
    drawn = Drawings(content, "front", 1).draw("boxes", 1, np.zeros_like(frame.rgb))
    rows, columns = np.nonzero(frame.ids == 3)
    color = content.colors[3]
    assert (drawn[rows.max(), columns.min() : columns.max() + 1] == color).all()
    assert (drawn[rows.min() : rows.max() + 1, columns.max()] == color).all()


def test_a_3d_box_is_drawn_where_its_corners_are_seen(flying_clip: Clip) -> None:
    content = Content(flying_clip)
    drawn = Drawings(content, "front", 8).draw("boxes_3d", 2, np.zeros((384, 512, 3), np.uint8))
    box = content.part("cube").box_m
    assert box is not None
    pose = flying_clip.trajectory.matrices(2)[2]
    seen = seen_at(flying_clip.cameras["front"], 2, pose[:3, :3] @ box[0] + pose[:3, 3])[0] * 8
    u, v = seen.round().astype(int)
    assert (drawn[v - 2 : v + 3, u - 2 : u + 3] == content.colors[3]).all(axis=-1).any()


def test_tracks_end_where_their_points_are(flying_clip: Clip) -> None:
    content = Content(flying_clip)
    drawings = Drawings(content, "front", 8)
    drawn = drawings.draw("tracks", 3, np.zeros((384, 512, 3), np.uint8))
    tracks = drawings._tracks
    seen = np.flatnonzero(tracks.visible[3])
    assert len(seen) > 10
    hits = 0
    for k in seen:
        u, v = (tracks.uv[3, k] * 8).astype(int)
        hits += bool((drawn[v, u] == content.colors[tracks.part_id[k]]).all())
    assert hits > 0.8 * len(seen), "others lie on top of a few"


@pytest.mark.parametrize(
    ("labels", "cameras", "layout", "said"),
    [
        (["heat"], [], "side", "cannot show heat; it has depth"),
        ([], ["back"], "side", "no camera 'back'"),
        (["ids", "depth"], [], "blend", "one label that covers the picture, got ids, depth"),
    ],
)
def test_what_is_not_there_is_refused(
    flying_clip: Clip, labels: list[str], cameras: list[str], layout: str, said: str
) -> None:
    with pytest.raises(SimvidError, match=said):
        Overlay(flying_clip, labels, cameras, layout)  # type: ignore[arg-type]


def test_where_it_cannot_be_written_is_said(flying_clip: Clip, tmp_path: Path) -> None:
    overlay = Overlay(flying_clip, ["ids"], ["side"], "side")
    with pytest.raises(SimvidError, match=r"ends in \.mp4"):
        write_overlay(overlay, 24, tmp_path / "a.gif")
    with pytest.raises(SimvidError, match="make it first"):
        write_overlay(overlay, 24, tmp_path / "no" / "a.mp4")


def test_a_clip_without_cameras_has_nothing_to_show(flying_clip: Clip) -> None:
    record = flying_clip.record.model_copy(update={"cameras": ()})
    with pytest.raises(ClipError, match="no camera saw it"):
        Overlay(Clip(flying_clip.path, record), [], [], "side")


def test_contacts_of_a_clip_in_which_nothing_touches(flying_clip: Clip) -> None:
    """They are no label that it lacks."""
    apart = Clip(flying_clip.path, flying_clip.record)
    apart.__dict__["trajectory"] = replace(flying_clip.trajectory, contacts=Contacts.none())
    with pytest.raises(ClipError, match="nothing touches anything in this clip"):
        Overlay(apart, ["contacts"], [], "side")
