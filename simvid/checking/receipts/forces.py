"""Contact forces: the largest, told only: no law bounds a force, momentum and joints judge what it does."""

from __future__ import annotations

import numpy as np

from simvid.checking.receipts.evidence import Curve, Evidence, Finding, nothing, rounded
from simvid.clips.receipt_records import LawRecord


def contact_forces(e: Evidence) -> Finding:
    """Largest mean force of a pair over a frame [N], and in weights of the lighter one that moves freely."""
    t = e.touches
    force = np.linalg.norm(t.impulse, axis=1) / e.frame_s
    if not len(force):
        return nothing("contact_forces", "nothing touches")
    r = int(np.argmax(force))
    light = float(min(e.mass[t.a[r]], e.mass[t.b[r]]))
    weight = light * float(np.linalg.norm(e.gravity))
    measured = {"most_n": rounded(float(force[r]))}
    if np.isfinite(weight) and weight > 0:
        measured["most_weights"] = rounded(float(force[r]) / weight)
    names = " and ".join(e.name(int(k)) for k in (t.a[r], t.b[r]))
    record = LawRecord(
        name="contact_forces", passed=None, measured=measured, part=names, time_s=e.time(int(t.frame[r]))
    )  # fmt: skip
    most = np.zeros(e.count)
    np.maximum.at(most, t.frame, force)
    return Finding(record, (Curve("Largest contact force of a pair", "N", {"most": most}),))
