"""What one video of an evaluation has over another: decibels more, and shares of the other figures."""

from __future__ import annotations

import math
from collections.abc import Mapping

from simvid.evaluating.table import Evaluation

GAINED = "psnr_db"
"""Compared by difference; all others by ratio."""
SHARES: Mapping[str, str] = {
    "flip": "FLIP",
    "lpips_like": "LPIPS-like",
    "kid_like": "KID-like",
    "laplacian_swd": "Laplacian SWD",
    "flow_warp_error": "flow-warp error",
}
"""Figures of which less is better, with their headings. Of flow-warp error the true video has some too."""


def beside(mean: Evaluation, base: Evaluation) -> dict[str, float]:
    """PSNR over that of the base [dB], and the other figures as shares of the base's.

    What either lacks is left out, and so are infinite decibels, shares of nothing, and figures below nothing, as
    KID-like ones may be.
    """
    found = {}
    ours, theirs = mean.figures, base.figures
    if math.isfinite(gain := ours.get(GAINED, math.inf) - theirs.get(GAINED, 0.0)):
        found[GAINED] = gain
    for name in SHARES:
        if ours.get(name, -1.0) >= 0 and theirs.get(name, 0.0) > 0:
            found[name] = ours[name] / theirs[name]
    return found


def markdown_beside(rows: Mapping[str, Mapping[str, float]]) -> str:
    """A table of several."""
    used = [name for name in SHARES if any(name in row for row in rows.values())]
    heads = ["PSNR [dB]", *(SHARES[name] for name in used)]
    lines = ["| video | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for title, row in rows.items():
        cells = [f"{row[GAINED]:+.2f}" if GAINED in row else "-"]
        cells += [f"{row[name]:.3f}" if name in row else "-" for name in used]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
