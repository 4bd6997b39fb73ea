"""Small videos of a clip, for pages with many of them: the picture, and beside it the picture under its labels."""

from __future__ import annotations

import base64
import html
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from simvid.clip import Clip
from simvid.clips.contact_sheet import columns, scaled
from simvid.clips.pictures import Picture, id_colors, turbo
from simvid.clips.video import write_video
from simvid.frames import Frame

WIDTH = 176
"""Of each of the two pictures [px], at most."""
FRAMES = 36
"""At most; longer clips are shown in steps."""


def thumbnail_html(clip: Clip) -> str:
    """A figure with the video of the first camera, and a line about the clip.

    It plays by itself: controls of a video that stands still would cover half of so small a picture.
    """
    record = clip.record
    camera = record.cameras[0].name
    data = base64.b64encode(thumbnail(clip, camera)).decode()
    lines = [check.line() for check in clip.failed_checks] + [law.line() for law in clip.broken_laws]
    failed = "".join(f'<br><span class="bad">{html.escape(line[:80])}</span>' for line in lines)
    text = f"{html.escape(clip.path.name)}, sample {record.sample_index}, {html.escape(camera)}{failed}"
    video = f'<video controls autoplay loop muted src="data:video/mp4;base64,{data}"></video>'
    return f"<figure>{video}<figcaption>{text}</figcaption></figure>"


def thumbnail(clip: Clip, camera: str) -> bytes:
    """The video, as the bytes of an MP4."""
    indices = columns(clip.frame_count, FRAMES) if clip.frame_count > FRAMES else list(range(clip.frame_count))
    fps = clip.fps * len(indices) / clip.frame_count
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thumbnail.mp4"
        write_video(path, _pictures(clip, camera, indices), max(fps, 1.0))
        return path.read_bytes()


def _pictures(clip: Clip, camera: str, indices: list[int]) -> Iterator[Picture]:
    label = next((name for name in ("ids", "depth") if name in clip.arrays(camera)), None)
    for frame in clip.stream(camera, labels=() if label is None else (label,), indices=indices):
        pair = [frame.rgb] if label is None else [frame.rgb, overlaid(frame, len(clip.record.parts))]
        height, width = frame.rgb.shape[:2]
        share = min(1.0, WIDTH / width)
        size = (max(2, round(width * share)), max(2, round(height * share)))
        yield np.concatenate([np.asarray(scaled(p, *size, smooth=True)) for p in pair], axis=1)


def overlaid(frame: Frame, parts: int) -> Picture:
    """The picture under the colours of its ids with bright outlines, or under those of its depth."""
    if frame.ids is not None:
        colors = id_colors(parts)[frame.ids]
        mixed = np.where((frame.ids > 0)[..., None], 0.5 * colors + 0.5 * frame.rgb, frame.rgb)
        edge = np.zeros(frame.ids.shape, bool)
        edge[:, 1:] |= frame.ids[:, 1:] != frame.ids[:, :-1]
        edge[1:] |= frame.ids[1:] != frame.ids[:-1]
        mixed[edge] = 255
    else:
        assert frame.depth is not None, "one of the two is there"
        near, far = 1 / frame.depth.max(where=np.isfinite(frame.depth), initial=1e-3), 1 / max(frame.depth.min(), 1e-3)
        place = (1 / np.maximum(frame.depth, 1e-3) - near) / max(far - near, 1e-9)
        mixed = 0.5 * turbo(np.clip(place, 0, 1)) + 0.5 * frame.rgb
    return np.rint(mixed).astype(np.uint8)
