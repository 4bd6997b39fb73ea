"""How values show themselves in notebooks: small HTML of its own, escaped, without scripts or links to elsewhere."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from simvid.frames import Frames
    from simvid.gaussians import Gaussians
    from simvid.scene import Scene
    from simvid.trajectory import Trajectory

Floats: TypeAlias = NDArray[np.float64]
STRIP, STRIP_PX = 5, 160
"""Pictures of a strip, and the width of each at most [px]."""
ROWS = 12
"""Of a table, at most."""
DOTS_PX, MOST_DOTS = 220, 40_000
SH_C0 = 0.28209479177387814
COLORS = ("#4080dc", "#d9662b", "#3a9a5b", "#b24bb0", "#a08a1f", "#c8385a")


def frames_html(frames: Frames) -> str:
    """A strip of pictures, and which arrays there are."""
    count = len(frames.rgb)
    picks = sorted({round(k * (count - 1) / (STRIP - 1)) for k in range(STRIP)})
    strip = [f'<img alt="frame {k}" title="frame {k}" src="{png_uri(_smaller(frames.rgb[k]))}">' for k in picks]
    rows = [
        (f.name, str(a.dtype), _shape(a))
        for f in fields(frames)
        if isinstance(a := getattr(frames, f.name), np.ndarray)
    ]
    camera = frames.camera
    line = f"{count} frames of {html.escape(camera.name)}, {camera.width} x {camera.height} px"
    return _block("Frames", line, " ".join(strip), table(("array", "type", "shape"), rows, len(rows)))


def trajectory_html(trajectory: Trajectory) -> str:
    """The ways of moving parts as a drawing, and how far and how fast they went."""
    places = trajectory.poses[..., :3]
    ways = np.linalg.norm(np.diff(places, axis=0), axis=-1).sum(axis=0)
    moving = np.argsort(-ways, kind="stable")[: int((ways > 0).sum())]
    speeds = np.linalg.norm(trajectory.twists[..., :3], axis=-1).max(axis=0, initial=0.0)
    rows = [(trajectory.parts[k].name, f"{ways[k]:.3f} m", f"{speeds[k]:.3f} m/s") for k in moving]
    line = (
        f"{trajectory.frame_count} frames at {trajectory.fps:g} fps, {len(trajectory.parts)} parts, "
        f"{len(trajectory.contacts)} contacts, {len(trajectory.robots)} robots, engine {html.escape(trajectory.engine)}"
    )
    drawing = ways_svg([places[:, k] for k in moving[:ROWS]])
    return _block("Trajectory", line, drawing, table(("part", "way", "fastest"), rows, ROWS))


def gaussians_html(gaussians: Gaussians) -> str:
    """What they look like from the front (along +y), and how large they are."""
    count = len(gaussians)
    line = f"{count} Gaussians, {gaussians.sh.shape[1]} colour coefficients"
    if not count:
        return _block("Gaussians", line)
    low, high = gaussians.means.min(axis=0), gaussians.means.max(axis=0)
    quartiles = np.percentile(gaussians.scales, [5, 50, 95]) * 1000
    rows = [
        ("from", _vector(low)), ("to", _vector(high)),
        ("scales, 5 / 50 / 95 %", " / ".join(f"{v:.3g}" for v in quartiles) + " mm"),
        ("mean opacity", f"{gaussians.opacities.mean():.3f}"), ("owners", str(len(np.unique(gaussians.owner)))),
    ]  # fmt: skip
    picture = f'<img alt="seen along +y" src="{png_uri(dots(gaussians))}">'
    return _block("Gaussians", line, picture, table(("", ""), rows, len(rows)))


def scene_html(scene: Scene) -> str:
    """What a scene file asks for."""
    line = (
        f"{scene.frame_count} frames at {scene.fps:g} fps, {scene.duration_s:g} s; renderer {html.escape(scene.render)}"
    )
    rows: list[tuple[str, str]] = []
    for body in scene.bodies:
        held = (
            "fixed" if body.fixed else "moves on keyframes" if body.motion else "on a joint" if body.joint else "free"
        )
        rows.append(("body", f"{body.name}{f' x {body.count}' if body.count > 1 else ''}, {held}"))
    rows += [("robot", f"{robot.name}, {robot.model}") for robot in scene.robots]
    rows += [("camera", f"{c.name}, {c.resolution_px[0]} x {c.resolution_px[1]} px") for c in scene.cameras]
    rows.append(("labels", ", ".join(scene.labels)))
    about = f"<p>{html.escape(scene.description)}</p>" if scene.description else ""
    return _block(f"Scene {scene.name}", line, about, table(("", ""), rows, 3 * ROWS))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> str:
    """A table of texts (escaped here); what is over ``most`` rows is counted."""
    if not rows:
        return ""
    lines = [_row(head, "th")] if any(head) else []
    lines += [_row(row, "td") for row in rows[:most]]
    if len(rows) > most:
        lines.append(f'<tr><td colspan="{len(head)}">and {len(rows) - most} more</td></tr>')
    return f"<table>{''.join(lines)}</table>"


def ways_svg(ways: Sequence[Floats], size: int = 240) -> str:
    """Ways [T, 3] as lines, seen along the axis in which they differ least; empty without any."""
    if not ways:
        return ""
    points = np.concatenate(ways)
    spans = np.ptp(points, axis=0)
    across, up = sorted(np.argsort(spans, kind="stable")[1:].tolist())
    low, span = points.min(axis=0), max(float(spans.max()), 1e-9)
    lines = []
    for k, way in enumerate(ways):
        flat = (way[:, [across, up]] - low[[across, up]]) / span * (size - 20) + 10
        text = " ".join(f"{x:.1f},{size - y:.1f}" for x, y in flat[:: max(1, len(flat) // 200)])
        lines.append(f'<polyline fill="none" stroke="{COLORS[k % len(COLORS)]}" stroke-width="1.5" points="{text}"/>')
    name = f"{'xyz'[across]} to the right, {'xyz'[up]} up; {span:.3g} m"
    caption = f'<text x="4" y="{size - 2}" font-size="10" fill="#888">{name}</text>'
    return f'<svg width="{size}" height="{size}" style="border:1px solid #ccc">{"".join(lines)}{caption}</svg>'


def dots(gaussians: Gaussians) -> NDArray[np.uint8]:
    """Centres as dots in their colours on white, seen along +y with z up, the nearest on top, [H, W, 3]."""
    pick = slice(None, None, max(1, len(gaussians) // MOST_DOTS))
    means = gaussians.means[pick]
    order = np.argsort(-means[:, 1], kind="stable")
    flat = means[order][:, [0, 2]]
    low, span = flat.min(axis=0), max(float(np.ptp(flat, axis=0).max()), 1e-9)
    scale = (DOTS_PX - 3) / span
    width, height = (np.ptp(flat, axis=0) * scale).astype(int) + 3
    x, y = ((flat - low) * scale).astype(int).T
    picture = np.full((height, width, 3), 255, np.uint8)
    colors = np.rint(np.clip(0.5 + SH_C0 * gaussians.sh[pick, 0][order], 0, 1) * 255).astype(np.uint8)
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        picture[height - 2 - y + dy, x + dx] = colors
    return picture


def png_uri(picture: NDArray[np.uint8]) -> str:
    """A picture [H, W, 3] as a data URI of a PNG (ISO/IEC 15948: one IDAT, no filter)."""
    height, width = picture.shape[:2]
    lines = np.zeros((height, 1 + 3 * width), np.uint8)
    lines[:, 1:] = picture.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def _smaller(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture at most ``STRIP_PX`` wide, by the mean of whole blocks of pixels."""
    step = -(-picture.shape[1] // STRIP_PX)
    height, width = (max(n // step, 1) for n in picture.shape[:2])
    blocks = picture[: height * step, : width * step].reshape(height, -1, width, step, 3)
    return np.asarray(np.rint(blocks.mean(axis=(1, 3))), np.uint8)


def _block(name: str, line: str, *pieces: str) -> str:
    return f"<div><b>{html.escape(name)}</b><br>{line}<br>{''.join(pieces)}</div>"


def _row(cells: Iterable[str], kind: str) -> str:
    style = ' style="text-align:left"'
    return "<tr>" + "".join(f"<{kind}{style}>{html.escape(str(cell))}</{kind}>" for cell in cells) + "</tr>"


def _shape(array: NDArray[np.generic]) -> str:
    return " x ".join(map(str, array.shape))


def _vector(values: NDArray[np.floating]) -> str:
    return "(" + ", ".join(f"{v:.3f}" for v in values) + ") m"
