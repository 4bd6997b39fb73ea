"""H.264 previews: MP4 that every player shows, colours tagged BT.709, index in front for streaming."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from simvid.errors import ClipError

CODEC = "libx264"
CRF = 18
"""Constant rate factor of x264; 18 is called visually lossless in its documentation."""
PRESET = "fast"
BT709 = 1
"""Code of BT.709 primaries, transfer and matrix (ITU-T H.273, tables 2 to 4)."""
LIMITED = 1
"""Code of limited range (16 to 235) in FFmpeg's AVColorRange."""


def frame_rate(fps: float) -> Fraction:
    """Frames per second as the nearest fraction of small numbers: 23.976 -> 2997/125, 24 -> 24."""
    return Fraction(fps).limit_denominator(1001)


class VideoWriter:
    """Writes pictures, uint8 [H, W, 3] sRGB, to an MP4 with a constant frame rate.

    H.264 with 4:2:0 chroma needs even sizes: an odd last row or column is repeated once.
    """

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        import av
        from av.error import FFmpegError

        self.size = (height, width)
        self._padding = ((0, height % 2), (0, width % 2), (0, 0))
        try:
            self._container = av.open(str(path), "w", options={"movflags": "+faststart"})
            self._stream: Any = self._container.add_stream(
                CODEC, rate=frame_rate(fps), options={"crf": str(CRF), "preset": PRESET}
            )
        except (FFmpegError, ValueError) as error:
            raise ClipError(f"{path}: PyAV cannot write H.264 here ({error}); reinstall it:  pip install av") from error
        context = self._stream.codec_context
        context.width, context.height = width + width % 2, height + height % 2
        context.pix_fmt = "yuv420p"
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = LIMITED
        context.thread_count = 1
        self._count = 0

    def write(self, rgb: NDArray[np.uint8]) -> None:
        """Add one picture."""
        import av
        from av.video.reformatter import Colorspace

        if rgb.shape != (*self.size, 3) or rgb.dtype != np.uint8:
            raise ValueError(f"VideoWriter.write: expected uint8 {(*self.size, 3)}, got {rgb.dtype} {rgb.shape}")
        frame = av.VideoFrame.from_ndarray(np.pad(rgb, self._padding, mode="edge"), format="rgb24")
        yuv = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, threads=1)
        yuv.pts = self._count
        self._count += 1
        for packet in self._stream.encode(yuv):
            self._container.mux(packet)

    def close(self) -> None:
        """Flush the encoder and finish the file."""
        if self._count:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def write_video(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float) -> None:
    """Write pictures [H, W, 3] (one at least) to an MP4."""
    pictures = iter(frames)
    first = next(pictures)
    with VideoWriter(path, first.shape[1], first.shape[0], fps) as writer:
        writer.write(first)
        for picture in pictures:
            writer.write(picture)


@dataclass(frozen=True)
class VideoInfo:
    """What a player would find."""

    codec: str
    width: int
    height: int
    fps: Fraction
    frames: int


def read_video(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Decode pictures, uint8 [H, W, 3]."""
    import av
    from av.video.reformatter import Colorspace

    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            picture: Any = frame.reformat(format="rgb24", src_colorspace=Colorspace.ITU709, threads=1).to_ndarray()
            yield picture


def probe(path: Path) -> VideoInfo:
    """Open and decode a video.

    Raises:
        ClipError: it is missing or cannot be decoded.
    """
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path)) as container:
            stream: Any = container.streams.video[0]
            count = sum(1 for _ in container.decode(stream))
            context = stream.codec_context
            return VideoInfo(context.name, context.width, context.height, Fraction(stream.average_rate), count)
    except (FFmpegError, OSError, IndexError) as error:
        raise ClipError(f"{path}: not a readable video ({error})") from error
