"""Videos as the formats want them: codec, pixel format, key frames, no reordering; one thread, for equal bytes.

x264 gives others for the same pictures up to four times in a thousand all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.clips.video import BT709, LIMITED, frame_rate
from simvid.errors import ClipError


@dataclass(frozen=True)
class Codec:
    """How a video is encoded.

    Attributes:
        name: of FFmpeg's encoder.
        pix_fmt: of what is stored.
        options: of the encoder.
        gop: every so many frames one can be decoded alone.
        source: FFmpeg's name of the arrays that come in.
    """

    name: str
    pix_fmt: str
    options: Mapping[str, str] = field(default_factory=dict)
    gop: int = 12
    source: str = "rgb24"


def h264(crf: int, gop: int, *, full_chroma: bool = False) -> Codec:
    """H.264 without B-frames."""
    return Codec(
        "libx264", "yuv444p" if full_chroma else "yuv420p", {"crf": str(crf), "preset": "veryfast", "bf": "0"}, gop
    )


def av1(crf: int, gop: int) -> Codec:
    """AV1 by SVT-AV1 at its fastest useful preset, without reordering."""
    parameters = "pred-struct=1:lp=1"
    return Codec("libsvtav1", "yuv420p", {"crf": str(crf), "preset": "12", "svtav1-params": parameters}, gop)


_X265 = (
    "lossless=1", "bframes=0", "log-level=none", "pools=none", "frame-threads=1", "wpp=0", "rc-lookahead=0",
    "b-adapt=0", "scenecut=0", "aq-mode=0", "max-merge=1", "rd=1", "ctu=16", "max-tu-size=8",
    "psy-rd=0", "no-deblock=1",
)  # fmt: skip
"""Nothing is lost, so nothing need be looked for but speed: small blocks and no look ahead take half the time of the
preset alone. Predicting from 8 pixels away at most costs nothing and saves a sixth of the bytes; nothing need be
smoothed where nothing is lost."""
GRAY12 = Codec("libx265", "gray12le", {"x265-params": ":".join(_X265), "preset": "ultrafast"}, 2, "gray12le")
"""HEVC, lossless, 12 bits of one channel."""


def write_frames(path: Path, frames: Iterable[NDArray[Any]], fps: float, codec: Codec) -> int:
    """Write arrays of one size to a video whose first frame is at 0; how many there were.

    Raises:
        ClipError: this PyAV cannot write the codec.
    """
    import av
    from av.error import FFmpegError
    from av.video.reformatter import Colorspace

    path.parent.mkdir(parents=True, exist_ok=True)
    count, stream = 0, None
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        for array in frames:
            if stream is None:
                stream = _stream(container, array, fps, codec, path)
            plain = np.ascontiguousarray(array)
            if codec.source == codec.pix_fmt:
                frame = av.VideoFrame.from_ndarray(plain, format=codec.source)
            else:  # read where it lies, as long as the conversion takes
                frame = av.VideoFrame.from_numpy_buffer(plain, format=codec.source)
                frame = frame.reformat(format=codec.pix_fmt, dst_colorspace=Colorspace.ITU709, threads=1)
            frame.pts = count
            count += 1
            try:
                for packet in stream.encode(frame):
                    container.mux(packet)
            except FFmpegError as error:
                raise ClipError(f"{path}: {codec.name} cannot encode {array.shape} here ({error})") from error
        if stream is not None:
            for packet in stream.encode(None):
                container.mux(packet)
    return count


def _stream(container: Any, array: NDArray[Any], fps: float, codec: Codec, path: Path) -> Any:
    from av.error import FFmpegError

    try:
        stream = container.add_stream(codec.name, rate=frame_rate(fps), options=dict(codec.options))
    except (FFmpegError, ValueError) as error:
        raise ClipError(
            f"{path}: PyAV cannot write {codec.name} here ({error}); reinstall it:  pip install av"
        ) from error
    context = stream.codec_context
    context.height, context.width = array.shape[:2]
    context.pix_fmt = codec.pix_fmt
    context.gop_size = codec.gop
    context.thread_count = 1
    if codec.source != codec.pix_fmt:  # colours become luma and chroma; by which matrix, is tagged
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = LIMITED
    return stream
