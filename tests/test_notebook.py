"""What notebooks show: right, escaped, small, and without anything that runs or that comes from elsewhere."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.frames import Frames
from simvid.gaussians import Gaussians
from simvid.notebook import ROWS, dots, png_uri, table, ways_svg
from simvid.scene import Scene
from simvid.trajectory import Contacts, Part, Trajectory

EVIL = "<script>alert('x')</script>"
LARGEST = 250_000


class Tags(HTMLParser):
    """Balanced tags of a page, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"br", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def trajectory(name: str = "ball") -> Trajectory:
    poses = np.zeros((5, 2, 7))
    poses[..., 3] = 1
    poses[:, 1, 0] = [0, 1, 2, 1, 0]
    poses[:, 1, 2] = [0, 0, 0, 0, 3]
    twists = np.zeros((5, 2, 6))
    twists[3, 1, :3] = [3, 0, 4]
    parts = (Part("ground", "ground", 1, "ground", "ground", True), Part(name, name, 2, "body", "ball"))
    return Trajectory(24.0, parts, poses, twists, Contacts.none(), engine="by hand")


def gaussians() -> Gaussians:
    means = np.array([[0, 0, 0], [1, 0, 2], [0, -1, 0]], np.float32)
    sh = np.zeros((3, 1, 3), np.float32)
    sh[:, 0] = (np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]) - 0.5) / 0.28209479177387814
    quats, ones = np.tile(np.array([1, 0, 0, 0], np.float32), (3, 1)), np.ones(3, np.float32)
    return Gaussians(means, quats, np.full((3, 3), 0.01, np.float32), ones, sh, np.ones(3, np.int32))


def picture_of(uri: str) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


@pytest.mark.parametrize("kind", ["clip", "frames", "trajectory", "scene", "gaussians"])
def test_nothing_runs_and_nothing_is_fetched(flying_clip: Clip, kind: str) -> None:
    shown: Any = {
        "clip": flying_clip, "frames": flying_clip.frames("front"), "trajectory": flying_clip.trajectory,
        "scene": flying_clip.scene, "gaussians": gaussians(),
    }[kind]  # fmt: skip
    page = shown._repr_html_()
    tags = Tags(page)
    assert len(page) < LARGEST
    assert not {tag for tag, _ in tags.seen} & {"script", "iframe", "object", "link", "style", "form"}
    for tag, attributes in tags.seen:
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/")
            assert attributes["alt"]
    assert "http" not in page


def test_names_are_escaped(flying_clip: Clip) -> None:
    scene = Scene.model_validate({**flying_clip.record.scene, "description": EVIL})
    frames = flying_clip.frames("front", labels=[])
    pages = [
        trajectory(EVIL)._repr_html_(), scene._repr_html_(),
        replace(frames, camera=replace(frames.camera, name=EVIL))._repr_html_(),
        Clip(flying_clip.path, flying_clip.record.model_copy(update={"name": EVIL}))._repr_html_(),
    ]  # fmt: skip
    for page in pages:
        assert "<script" not in page
        assert EVIL in Tags(page).text


def test_a_png_holds_its_picture() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (7, 5, 3), np.uint8)
    assert (picture_of(png_uri(picture)) == picture).all()


def test_frames_show_five_of_their_pictures(flying_clip: Clip) -> None:
    frames = flying_clip.frames("front")
    many = Frames(
        replace(frames.camera, world_from_camera=np.tile(np.eye(4), (9, 1, 1))),
        rgb=np.arange(9, dtype=np.uint8)[:, None, None, None] * np.ones((1, 48, 400, 3), np.uint8),
    )  # fmt: skip
    images = [a for tag, a in Tags(many._repr_html_()).seen if tag == "img"]
    assert [a["alt"] for a in images] == ["frame 0", "frame 2", "frame 4", "frame 6", "frame 8"]
    last = picture_of(str(images[-1]["src"]))
    assert last.shape == (16, 133, 3), "one third"
    assert (last == 8).all()
    page = frames._repr_html_()
    for name in ("depth", "ids", "flow_forward"):
        assert f">{name}<" in page
    assert "4 x 48 x 64 x 3" in page


def test_a_trajectory_says_how_far_and_how_fast() -> None:
    page = trajectory()._repr_html_()
    text = Tags(page).text
    assert "6.162 m" in text, "3 and the root of 10"
    assert "5.000 m/s" in text
    assert "5 frames at 24 fps, 2 parts" in text
    (points,) = re.findall(r'points="([^"]*)"', page)
    pairs = np.array([[float(v) for v in pair.split(",")] for pair in points.split()])
    assert np.allclose(pairs[0], [10, 230])
    assert np.allclose(pairs[4], [10, 10]), "z is up"
    assert pairs[2, 0] == pytest.approx(10 + 220 * 2 / 3, abs=0.1)


def test_what_stands_still_has_no_ways() -> None:
    still = replace(trajectory(), poses=trajectory().poses[:1], twists=trajectory().twists[:1])
    assert "svg" not in still._repr_html_()
    assert ways_svg([]) == ""


def test_gaussians_are_seen_from_the_front() -> None:
    picture = dots(gaussians())
    assert picture.shape[0] > 1.8 * picture.shape[1], "two metres high, one wide"
    assert picture[2, -2].tolist() == [0, 255, 0], "top right"
    assert picture[-2, 1].tolist() == [0, 0, 255], "the nearer one lies on top"
    text = Tags(gaussians()._repr_html_()).text
    assert "3 Gaussians" in text
    assert "(0.000, -1.000, 0.000) m" in text
    assert "0 Gaussians" in Gaussians.empty()._repr_html_()


def test_a_scene_lists_what_is_in_it(flying_clip: Clip) -> None:
    text = Tags(flying_clip.scene._repr_html_()).text
    for words in ("Scene flying", "A ball and a box fly past a post.", "post, fixed", "ball, free", "64 x 48 px"):
        assert words in text


def test_long_tables_are_cut() -> None:
    page = table(("a",), [(str(k),) for k in range(ROWS + 5)], ROWS)
    assert page.count("<tr>") == ROWS + 2
    assert "and 5 more" in page
    assert table(("a",), [], ROWS) == ""
