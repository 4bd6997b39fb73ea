"""``simvid report``: one HTML page about a clip that stands for itself: pictures, checks, charts of its physics."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.errors import SimvidError, UsageError
from simvid.generating.sampling import brief
from simvid.jobs.receipts import receipt_with_curves
from simvid.notebook import table
from simvid.trajectory import EVENTS, Trajectory
from simvid.viewing.charts import line_chart
from simvid.viewing.gate_tables import gate_tables
from simvid.viewing.receipt_charts import budget_table, law_charts, receipt_table

Floats: TypeAlias = NDArray[np.float64]
SHEET_PX = 1600
LARGEST_VIDEO = 12_000_000
"""Previews above so many bytes are named instead of put into the page."""
LISTED = 100
STYLE = (
    "body{font-family:sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}img,video{max-width:100%}"
    "td,th{padding:2px 10px;font-size:.9em}table+table{margin-top:1em}svg{display:block;margin:1em 0}"
)


def write_report(clip: Clip, path: Path) -> None:
    """Write the page of a clip; it appears when it is whole.

    Raises:
        SimvidError: the path does not end in .html, or its folder is not there.
    """
    write_page(report(clip), path)


def write_page(text: str, path: Path) -> None:
    """Write a page; it appears when it is whole.

    Raises:
        SimvidError: the path does not end in .html, or its folder is not there.
    """
    if path.suffix != ".html":
        raise UsageError(f"--output: expected a file that ends in .html, got {path}")
    if not path.parent.is_dir():
        raise UsageError(f"--output: no folder {path.parent}; make it first")
    unfinished = path.with_name(f".{path.stem}.unfinished.html")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def report(clip: Clip) -> str:
    """The page."""
    name = html.escape(clip.name)
    sections = (_facts, _videos, _sheet, _checks, _receipt, _gate, _charts, _parts)
    body = "\n".join(text for section in sections for text in section(clip))
    head = f'<meta charset="utf-8"><title>{name}</title><style>{STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n<h1>{name}</h1>\n{body}\n</body></html>\n'


def _facts(clip: Clip) -> Iterator[str]:
    record = clip.record
    if record.description:
        yield f"<p>{html.escape(record.description)}</p>"
    rows = [
        ("frames", f"{record.frame_count} at {record.fps:g} fps"), ("seed", str(record.seed)),
        ("physics", f"{record.physics.backend} {record.physics.version}"), ("content", record.content_hash),
        *(("camera", f"{c.name}, {c.width} x {c.height} px, {c.lens}, {c.renderer.backend}") for c in record.cameras),
        *((f"drawn {place}", brief(value)) for place, value in record.sampled.items()), ("made", record.made_at),
    ]  # fmt: skip
    yield table(("", ""), rows, LISTED)


def _videos(clip: Clip) -> Iterator[str]:
    """Of each camera, as rendered and as refined; a refinement that changed no byte of a video is not shown again."""
    for camera in clip.record.cameras:
        rendered = clip.video(camera.name)
        yield _video(rendered, camera.name)
        for refined in clip.record.refined:
            if camera.name in refined.cameras:
                path = clip.video(camera.name, refined.name)
                if path.read_bytes() != rendered.read_bytes():
                    yield _video(path, f"{camera.name}, refined by {refined.name}")


def _video(path: Path, title: str) -> str:
    label = html.escape(title)
    if path.stat().st_size > LARGEST_VIDEO:
        return f"<p>{label}: the preview is too large for this page, see {html.escape(str(path))}</p>"
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<h2>{label}</h2><video controls loop muted src="data:video/mp4;base64,{data}"></video>'


def _gate(clip: Clip) -> Iterator[str]:
    return gate_tables([clip.record], LISTED)


def _sheet(clip: Clip) -> Iterator[str]:
    from PIL import Image

    path = clip.path / "contact_sheet.png"
    if not path.is_file():
        return
    data = io.BytesIO()
    with Image.open(path) as picture:
        picture.thumbnail((SHEET_PX, 20 * SHEET_PX))
        picture.convert("RGB").save(data, "JPEG", quality=85)
    text = base64.b64encode(data.getvalue()).decode()
    yield f'<h2>Contact sheet</h2><img alt="contact sheet" src="data:image/jpeg;base64,{text}">'


def _checks(clip: Clip) -> Iterator[str]:
    checks = clip.record.checks
    if not checks:
        yield "<h2>Self-checks</h2><p>none were run</p>"
        return
    said = {True: "passed", False: "FAILED", None: "nothing to check"}
    rows = [
        (
            check.name,
            check.camera,
            said[check.passed],
            ", ".join(f"{k} {v:.3g}" for k, v in check.measured.items()),
            check.note,
        )
        for check in checks
    ]
    yield "<h2>Self-checks</h2>" + table(("check", "camera", "result", "measured", "note"), rows, LISTED)


def _receipt(clip: Clip) -> Iterator[str]:
    """Laws of physics, with curves of each; without curves where the scene's files are not here."""
    yield "<h2>Physics receipt</h2>"
    try:
        receipt, curves = receipt_with_curves(clip)
    except SimvidError as error:
        if clip.record.receipt is None:
            yield f"<p>none was made, and none can be made now: {html.escape(str(error).splitlines()[0])}</p>"
            return
        receipt, curves = clip.record.receipt, {}
    yield receipt_table(receipt) + budget_table(receipt)
    for _, chart in law_charts(receipt, curves, clip.fps):
        yield chart


def _charts(clip: Clip) -> Iterator[str]:
    trajectory = clip.trajectory
    times = np.arange(trajectory.frame_count) / trajectory.fps
    yield "<h2>Physics</h2>"
    energies = energies_j(trajectory, np.array(clip.scene.physics.gravity_m_s2, np.float64))
    yield line_chart("Energy of what moves freely (translation and height, without rotation)", "J", times, energies)
    counts, impulses = contact_series(trajectory)
    yield line_chart("Contacts", "pairs of parts", times, {"contacts": counts})
    yield line_chart("Impulse of all contacts in a frame", "N s", times, {"impulse": impulses})
    for robot in trajectory.robots:
        joints = {name: robot.positions[:, k] for k, name in enumerate(robot.joint_names)}
        yield line_chart(f"{robot.name}: joint positions", "rad or m", times, joints)


def _parts(clip: Clip) -> Iterator[str]:
    rows = [
        (str(part.id), part.name, part.category, "fixed" if part.mass_kg is None else f"{part.mass_kg:.4g} kg")
        for part in clip.record.parts
    ]
    yield "<h2>Parts</h2>" + table(("id", "name", "category", "mass"), rows, LISTED)


def energies_j(trajectory: Trajectory, gravity_m_s2: Floats) -> dict[str, Floats]:
    """Kinetic energy of translation, m v^2 / 2, and of height, -m g . x from frame 0, over parts with a mass [J], [T].

    Velocity and place are those of the parts' origins; rotation is left out, as clips hold no moments of inertia.
    """
    masses = trajectory.masses_kg
    if len(masses) != len(trajectory.parts):
        masses = np.full(len(trajectory.parts), np.inf)
    finite = np.isfinite(masses)
    speed = (trajectory.twists[:, finite, :3] ** 2).sum(axis=-1)
    moved = trajectory.poses[:, finite, :3] - trajectory.poses[:1, finite, :3]
    kinetic = (0.5 * masses[finite] * speed).sum(axis=1)
    height = -(masses[finite] * (moved @ gravity_m_s2)).sum(axis=1)
    return {"kinetic": kinetic, "height": height, "sum": kinetic + height}


def contact_series(trajectory: Trajectory) -> tuple[Floats, Floats]:
    """How many pairs of parts touch in each frame, and the sum of the lengths of their impulses [N s], [T] each."""
    contacts = trajectory.contacts
    on = contacts.event != EVENTS.index("end")
    count = np.bincount(contacts.frame[on], minlength=trajectory.frame_count)
    lengths = np.linalg.norm(contacts.impulse_n_s[on], axis=1)
    total = np.bincount(contacts.frame[on], lengths, minlength=trajectory.frame_count)
    return count.astype(np.float64), np.asarray(total, np.float64)
