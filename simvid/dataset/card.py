"""The card of a data set: what is in it, where it comes from, under which licences; JSON, and a page to read."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from simvid import __version__
from simvid.clips.folders import new_file
from simvid.clips.records import NOT_STATED
from simvid.dataset.reader import SPLITS, DataSet
from simvid.dataset.sources import Source

CARD_FILE, PAGE_FILE = "card.json", "README.md"
LOOKED_AT = 200
"""Frames whose values are looked at, spread over the sources."""


def card(data: DataSet) -> dict[str, Any]:
    """Everything that the card says; equal data sets give equal cards."""
    sources = data.sources
    tools: dict[str, set[str]] = defaultdict(set)
    for source in sources:
        for name, version in source.provenance.get("tools", {}).items():
            tools[name].add(version)
    return {
        "simvid_card": 1, "simvid": __version__, "items": len(sources), "frames": data.frame_count,
        "seconds": round(sum(s.frames / s.fps for s in sources), 3),
        "sizes": _counts(f"{s.width}x{s.height}" for s in sources),
        "targets": _counts(s.target or "none" for s in sources),
        "splits": {split: _split(data, split) for split in SPLITS},
        "arrays": list(data.arrays), "licences": _counts(text for s in sources for text in s.licences),
        "without_licence": sorted(s.name for s in sources if not s.licences or NOT_STATED in s.licences),
        "tools": {name: sorted(versions) for name, versions in sorted(tools.items())},
        "gate": _gate(sources), "statistics": _statistics(data),
        "provenance": [{"name": s.name, "family": s.family, "frames": s.frames,
                        **{k: v for k, v in s.provenance.items() if k != "tools"}} for s in sources],
    }  # fmt: skip


def write_card(data: DataSet) -> dict[str, Any]:
    """Write ``card.json`` and ``README.md`` into the data set's folder; what they say."""
    found = card(data)
    for name, text in ((CARD_FILE, json.dumps(found, indent=1, ensure_ascii=False) + "\n"), (PAGE_FILE, page(found))):
        with new_file(data.path / name) as place:
            place.write_text(text, encoding="utf-8")
    return found


def page(found: dict[str, Any]) -> str:
    """The card for people, with the head that model hubs read."""
    licences = found["licences"]
    head = ["---", f"license: {_licence_of_all(found)}", "tags: [simulation, video, synthetic]", "---"]
    lines = [
        "# A data set made by simvid", "",
        f"{found['items']} items, {found['frames']} frames, {found['seconds']:g} s. Made by simulation with simvid "
        f"{found['simvid']}; labels are computed, none is estimated.", "",
        *_table("Targets", ("what", "items"), found["targets"].items()),
        *_table("Sizes", ("width x height", "items"), found["sizes"].items()),
        *_table("Splits (a family of scenes is in one split alone)", ("split", "items", "frames", "families"),
                [(k, v["items"], v["frames"], ", ".join(f"{f} {n}" for f, n in v["families"].items()) or "none")
                 for k, v in found["splits"].items()]),
        *_table("Licences of the assets", ("licence", "items"), licences.items() or [("none stated", 0)]),
        *_table("Statistics (of decoded values)", ("array", "mean", "std", "least", "greatest", "defined"),
                [(n, *(f"{v[k]:.4g}" for k in ("mean", "std", "min", "max", "defined")))
                 for n, v in found["statistics"].items()]),
    ]  # fmt: skip
    if found["gate"]["judged"]:
        gate = found["gate"]
        lines += [f"The label gate judged {gate['judged']} items and accepted {gate['accepted']}.", ""]
        lines += _table("Gate (means)", ("measure", "mean"), [(k, f"{v:.4g}") for k, v in gate["measured"].items()])
    lines += ["Seeds and content hashes of every item are in `card.json`.", ""]
    return "\n".join([*head, *lines])


def _licence_of_all(found: dict[str, Any]) -> str:
    """The one licence that every item has, and nothing else; ``other`` where there is none such."""
    match list(found["licences"].items()):
        case [(text, count)] if count == found["items"] and text != NOT_STATED:
            return str(text).split()[0].lower()
    return "other"


def _counts(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _split(data: DataSet, split: str) -> dict[str, Any]:
    chosen = [s for s in data.sources if data.splits[s.family] == split]
    return {
        "items": len(chosen),
        "frames": sum(s.frames for s in chosen),
        "families": _counts(s.family for s in chosen),
    }


def _gate(sources: Sequence[Source]) -> dict[str, Any]:
    judged = [s.gate for s in sources if s.gate is not None]
    measured: dict[str, list[float]] = defaultdict(list)
    for verdict in judged:
        for camera in verdict["cameras"]:
            for name, value in camera["measured"].items():
                measured[name].append(value)
    return {"judged": len(judged), "accepted": sum(bool(v["accepted"]) for v in judged),
            "measured": {name: float(np.mean(values)) for name, values in sorted(measured.items())}}  # fmt: skip


def _statistics(data: DataSet) -> dict[str, Any]:
    """Over a spread of frames: mean, deviation, extremes of finite values, and the share of values that are finite."""
    if not data.sources:
        return {}
    places = [(k, t) for k, s in enumerate(data.sources) for t in range(s.frames)]
    chosen = [places[i] for i in np.linspace(0, len(places) - 1, min(len(places), LOOKED_AT)).astype(int)]
    weights = data.weights(1)
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, np.inf, -np.inf, 0.0, 0.0])
    for source, frame in chosen:
        sample = data.sample(source, frame, 1, weights=weights)
        for name, values in sample.arrays.items():
            x = values.astype(np.float64)
            finite = x[np.isfinite(x)]
            s = sums[name]
            s[0] += finite.sum()
            s[1] += (finite**2).sum()
            s[2], s[3] = min(s[2], finite.min(initial=np.inf)), max(s[3], finite.max(initial=-np.inf))
            s[4], s[5] = s[4] + finite.size, s[5] + x.size
    return {name: _moments(*s) for name, s in sums.items()}


def _moments(total: float, square: float, low: float, high: float, known: float, every: float) -> dict[str, float]:
    if not known:
        return {"mean": 0.0, "std": 0.0, "min": 0.0, "max": 0.0, "defined": 0.0}
    mean = total / known
    return {"mean": mean, "std": float(np.sqrt(max(square / known - mean**2, 0))), "min": low, "max": high,
            "defined": known / every}  # fmt: skip


def _table(title: str, head: Sequence[str], rows: Any) -> list[str]:
    body = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return [f"## {title}", "| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body, ""]
