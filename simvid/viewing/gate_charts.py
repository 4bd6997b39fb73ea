"""Scores of the gate over time, as one SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simvid.clips.records import CameraGateRecord
from simvid.viewing.charts import line_chart, stacked

if TYPE_CHECKING:
    from simvid.checking.gate.scores import ClipScores

CHARTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Mismatch with the labels", "logit", ("mismatch", "contact_mismatch")),
    ("Own time, motion", "1 is identity", ("own_time", "moves_on")),
    ("Agreement with the coarse video", "1 is identity", ("edge_f1", "blur_ssim", "mask_iou", "coarse_mask_iou")),
    ("Flow-warp error", "levels", ("warp_error", "coarse_warp_error", "flicker")),
    ("Depth error of the probe", "log", ("depth_error", "coarse_depth_error")),
)
"""Title, unit and scores of each chart."""
MOST_INSTANCES = 12


def gate_charts(camera: CameraGateRecord, scores: ClipScores, fps: float) -> str:
    """Charts of one camera, the worst instances and limits of the mismatch among them, as SVG text."""
    times = np.arange(len(scores.hue)) / fps
    charts = []
    for title, unit, names in CHARTS:
        series = {name: scores.frames[name] for name in names if np.isfinite(scores.frames[name]).any()}
        if "mismatch" in series and "most" in camera.limits.get("mismatch", {}):
            series["limit of mismatch"] = np.full(len(times), camera.limits["mismatch"]["most"])
        if series:
            charts.append(line_chart(title, unit, times, series))
    names_of = {each.instance_id: each.name for each in camera.instances}
    worst = sorted(scores.instances, key=lambda k: -float(np.nanmax(scores.instances[k]["mismatch"])))[:MOST_INSTANCES]
    if worst:
        things = {names_of.get(k, str(k)): scores.instances[k]["mismatch"] for k in worst}
        charts.append(line_chart("Mismatch of instances", "logit", times, things))
    word = "accepted" if camera.accepted else "rejected"
    return stacked(
        f"camera {camera.camera}: {word}", f"beyond their limits: {', '.join(camera.failed) or 'none'}", charts
    )
