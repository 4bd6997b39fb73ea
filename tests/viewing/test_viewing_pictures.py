"""Pictures one at a time: the right frame, the right label, and no more read than needed."""

from __future__ import annotations

import numpy as np
import pytest

from simvid.clip import Clip
from simvid.clips.contact_sheet import Colors
from simvid.frames import Frame
from simvid.viewing import pictures
from simvid.viewing.content import Content
from simvid.viewing.pictures import CameraPictures


@pytest.fixture(scope="module")
def front(flying_clip: Clip) -> CameraPictures:
    return CameraPictures(Content(flying_clip), "front")


def test_it_offers_what_the_contact_sheet_shows(front: CameraPictures) -> None:
    assert set(front.names) >= {"rgb", "depth", "ids", "normals", "flow", "occlusion"}
    assert front.names[0] == "rgb"


def test_pictures_are_those_of_the_frame(front: CameraPictures, flying_clip: Clip) -> None:
    frame = flying_clip.frame("front", 2)
    assert (front.picture("rgb", 2) == frame.rgb).all()
    whole = front._colors.pictures(frame)
    for name in front.colored[1:]:
        assert (front.picture(name, 2) == whole[name]).all(), name
    assert (front.picture("rgb", 0) != front.picture("rgb", 3)).any()


def test_only_the_arrays_of_a_label_are_read(
    front: CameraPictures, flying_clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    stream = Clip.stream

    def watched(self: Clip, camera: str, labels: object = None, indices: object = None) -> object:
        asked.append((labels, indices))
        return stream(self, camera, labels, indices)  # type: ignore[arg-type]

    monkeypatch.setattr(Clip, "stream", watched)
    fresh = CameraPictures(Content(flying_clip), "front")
    asked.clear()
    for name in ("rgb", "depth", "occlusion", "depth"):
        fresh.picture(name, 1)
    assert asked == [((), [1]), (("depth",), [1]), (("occluded_forward", "occluded_backward"), [1])]


def test_few_pictures_are_kept(front: CameraPictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "KEPT", 3)
    for index in (0, 1, 2, 3, 0, 1):
        front.picture("rgb", index)
        front.picture("ids", index)
    assert list(front._kept) == [("ids", 0), ("rgb", 1), ("ids", 1)], "the last ones that were asked for"


def test_blending(front: CameraPictures) -> None:
    rgb, ids = front.picture("rgb", 1).astype(int), front.picture("ids", 1).astype(int)
    assert (front.blended("ids", 1, 1.0) == ids).all()
    assert (front.blended("ids", 1, 0.0) == rgb).all()
    assert np.abs(front.blended("ids", 1, 0.25) - (0.25 * ids + 0.75 * rgb)).max() <= 0.5 + 1e-4


def test_legends_stand_on_the_right(front: CameraPictures) -> None:
    picture = front.picture("depth", 1)
    wide = front.with_legend(picture, "depth")
    legend = front.legend("depth")
    assert legend is not None
    assert (wide[:, : picture.shape[1]] == picture).all()
    assert (wide[:, -legend.shape[1] :] == legend).all()
    assert front.with_legend(picture, "rgb") is picture


def test_unknown_labels_and_frames(front: CameraPictures) -> None:
    with pytest.raises(KeyError):
        front.picture("heat", 0)
    with pytest.raises(IndexError):
        front.picture("rgb", 99)


def test_needs_are_found_without_knowing_the_labels(flying_clip: Clip) -> None:
    frame = flying_clip.frame("front", 1)
    colors = Colors.of([frame], flying_clip.trajectory.parts)
    needs = pictures._needs(frame, colors)
    for label, names in needs.items():
        alone = Frame(frame.rgb, **{name: getattr(frame, name) for name in names})
        assert label in colors.pictures(alone)
        assert len(names) <= 2
