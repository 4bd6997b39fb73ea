"""A clip's physics receipt as tables and charts: what each law measured over time, broken laws first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from simvid.clips.receipt_records import LawRecord, ReceiptRecord
from simvid.notebook import table
from simvid.viewing.charts import line_chart, stacked

if TYPE_CHECKING:
    from simvid.checking.receipts.evidence import Curve

STATES = {True: "passed", False: "BROKEN", None: ""}
LISTED = 100


def receipt_charts(receipt: ReceiptRecord, curves: Mapping[str, Sequence[Curve]], fps: float) -> str:
    """Charts of every law that has curves, as one SVG file's text."""
    broken = ", ".join(f"{law.name} {law.part}".strip() for law in receipt.broken)
    title = f"physics BROKEN: {broken}" if broken else "physics: no law is broken"
    first = receipt.broken[0].note if receipt.broken else f"trajectory {receipt.trajectory[:16]}"
    return stacked(title[:90], first[:115], [chart for _, chart in law_charts(receipt, curves, fps)])


def law_charts(
    receipt: ReceiptRecord, curves: Mapping[str, Sequence[Curve]], fps: float
) -> Iterator[tuple[LawRecord, str]]:
    """Each law with a chart, broken ones first."""
    for law in sorted(receipt.laws, key=lambda law: law.passed is not False):
        for curve in curves.get(law.name, ()):
            count = len(next(iter(curve.series.values())))
            word = " (BROKEN)" if law.passed is False else ""
            yield law, line_chart(f"{law.name}{word}: {curve.title}", curve.unit, np.arange(count) / fps, curve.series)


def receipt_table(receipt: ReceiptRecord) -> str:
    """A table of the laws, as HTML."""
    rows = [
        (law.name, STATES[law.passed], law.part, "" if law.time_s is None else f"{law.time_s:.3f} s",
         ", ".join(f"{k} {v:.3g}" for k, v in law.measured.items()),
         ", ".join(f"{k} {v:.3g}" for k, v in law.limits.items()), law.note)
        for law in receipt.laws
    ]  # fmt: skip
    return table(("law", "result", "worst", "when", "measured", "at most", "note"), rows, LISTED)


def budget_table(receipt: ReceiptRecord) -> str:
    """The energy budget, as HTML; empty where nothing moves by itself."""
    rows = [(name.replace("_", " "), f"{value:.4g} J") for name, value in receipt.energy_j.items()]
    return table(("energy budget", ""), rows, LISTED) if rows else ""
