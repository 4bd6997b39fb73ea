"""The preview is a video that players show: codec, size, rate, colours, index in front."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.clips.video import VideoWriter, frame_rate, probe, read_video, write_video
from simvid.errors import ClipError

PATCHES = [(200, 30, 40), (30, 180, 60), (40, 60, 210), (235, 235, 235), (20, 20, 20), (240, 200, 40)]


def patches(width: int, height: int) -> NDArray[np.uint8]:
    """Six plain colours side by side."""
    picture = np.zeros((height, width, 3), np.uint8)
    for k, color in enumerate(PATCHES):
        picture[:, k * width // 6 : (k + 1) * width // 6] = color
    return picture


def moving(count: int, width: int = 96, height: int = 64) -> list[NDArray[np.uint8]]:
    return [np.roll(patches(width, height), 2 * k, axis=1) for k in range(count)]


def test_every_frame_is_there_in_order(tmp_path: Path) -> None:
    frames = moving(13)
    write_video(tmp_path / "a.mp4", frames, 24)
    info = probe(tmp_path / "a.mp4")
    assert (info.codec, info.width, info.height, info.fps, info.frames) == ("h264", 96, 64, Fraction(24), 13)
    for got, want in zip(read_video(tmp_path / "a.mp4"), frames, strict=True):
        assert np.abs(got.astype(int) - want).mean() < 6  # edges of colours are softened by 4:2:0; a shift gives > 20


def test_colours_come_back(tmp_path: Path) -> None:
    """A wrong matrix (BT.601 for BT.709) is off by about 10 in green."""
    write_video(tmp_path / "a.mp4", [patches(192, 64)] * 3, 24)
    got = next(read_video(tmp_path / "a.mp4")).astype(int)
    for k, color in enumerate(PATCHES):
        middle = got[24:40, 32 * k + 12 : 32 * k + 20].mean(axis=(0, 1))
        assert np.abs(middle - color).max() < 4, (color, middle)


def test_colours_are_tagged(tmp_path: Path) -> None:
    import av

    write_video(tmp_path / "a.mp4", moving(2), 24)
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)
        assert frame.format.name == "yuv420p"


@pytest.mark.parametrize(("width", "height"), [(97, 64), (96, 65), (33, 17)])
def test_odd_sizes_are_padded(tmp_path: Path, width: int, height: int) -> None:
    frames = [patches(width, height)] * 3
    write_video(tmp_path / "a.mp4", frames, 24)
    info = probe(tmp_path / "a.mp4")
    assert (info.width, info.height) == (width + width % 2, height + height % 2)
    got = next(read_video(tmp_path / "a.mp4")).astype(int)
    assert np.abs(got[:height, :width] - frames[0]).mean() < 12
    assert np.abs(got[-1] - got[height - 1]).mean() < 12, "the last row is repeated"
    assert np.abs(got[:, -1] - got[:, width - 1]).mean() < 12, "the last column is repeated"


RATES = [(24, Fraction(24)), (23.976, Fraction(2997, 125)), (29.97, Fraction(2997, 100)), (0.5, Fraction(1, 2))]


@pytest.mark.parametrize(("fps", "wanted"), RATES)
def test_the_rate_is_constant_and_exact(tmp_path: Path, fps: float, wanted: Fraction) -> None:
    assert frame_rate(fps) == wanted
    write_video(tmp_path / "a.mp4", moving(5), fps)
    assert probe(tmp_path / "a.mp4").fps == wanted


def test_the_index_is_in_front(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving(5), 24)
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_wrong_pictures_are_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 96, 64, 24) as writer:
        writer.write(moving(1)[0])
        with pytest.raises(ValueError, match=r"expected uint8 \(64, 96, 3\), got uint8 \(64, 95, 3\)"):
            writer.write(moving(1, width=95)[0])


def test_damage_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video at all")
    with pytest.raises(ClipError, match="not a readable video"):
        probe(tmp_path / "a.mp4")
    with pytest.raises(ClipError, match="not a readable video"):
        probe(tmp_path / "nothing.mp4")
