"""Finds the limits of the gate on pairs held out, and what it then catches.

    python -m simvid.calibrating.gate_limits score --data PAIRS --weights FILE --refiner ENTRY --out measures.jsonl
    python -m simvid.calibrating.gate_limits fit --measures measures.jsonl --weights FILE --out FOLDER
    python -m simvid.calibrating.gate_limits check --measures measures.jsonl --weights FILE --out FOLDER

``score`` measures every case of every pair and goes on where it was stopped. ``fit`` chooses limits and writes
``limits.json`` and ``table.md``. ``check`` writes ``table.md`` of pairs that had no part in the limits that come with
simvid. Limits lie beyond the videos that must be accepted, but for 2 % of them, as the worst of many says little of
those to come: logits by a summand, the others by a factor, seen from a perfect score. Rates in the table of ``fit`` are
of limits that were chosen without the pair that they judge. Pairs with things that one sees through are left out:
splats draw those opaque.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.calibrating.gate_cases import cases, is_seen_through, subject
from simvid.calibrating.pair_frames import is_fine, pair_frames, spread
from simvid.checking.gate.limits import GateLimits, Limit
from simvid.checking.gate.scores import Scorer
from simvid.checking.gate.verdict import instance_measures, measures
from simvid.checking.probe.files import load_nets, shipped_limits
from simvid.checking.probe.net import torch
from simvid.checking.probe.reading import see
from simvid.errors import SimvidError
from simvid.jobs.evaluation.cases import Split, pair_cases
from simvid.jobs.evaluation.variants import Ready, Variant

Row = Mapping[str, Any]
FRAMES = slice(3, 13)
MARGINS: Mapping[str, tuple[float | None, float, float]] = {
    "mismatch": (None, 0.5, 0.0), "instance_mismatch": (None, 0.5, 0.0),
    "contact_mismatch": (None, 2.0, 0.0), "robot_hue": (0.0, 2.0, 0.06), "flicker": (0.0, 2.0, 0.3),
    "own_time": (1.0, 1.1, 1.4), "moves_on": (1.0, 1.6, 0.45), "warp_jump": (1.0, 1.5, 1.2),
    "warp_ratio": (1.0, 2.0, 0.5), "edge_f1": (1.0, 1.2, 0.7), "blur_ssim": (1.0, 2.0, 0.05),
    "depth_error_gain": (0.0, 3.0, 0.1), "mask_iou_loss": (0.0, 2.0, 0.2), "hue_drift": (0.0, 3.0, 0.035),
}  # fmt: skip
"""Score of identity; how many times as far from it as the good videos the limit lies (of a logit, which has no such
score: how much higher); and how far those are taken to be at least, as few pairs show little."""
STRAYS = 0.02
"""Share of the good videos that a limit does not mind."""
LEAST = ("own_time", "moves_on", "edge_f1", "blur_ssim")
"""Measures of which more is better."""
CHANGED = 0.5
"""Share of an instance's pixels that must be changed for its masks to be wrong."""
INSTANCE_ALARMS = 0.03
"""Share of sound instances that may be called broken."""


def main(argv: Sequence[str] | None = None) -> int:
    """Score or fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("what", choices=("score", "fit", "check"))
    parser.add_argument("--data", type=Path, help="pairs, for score")
    parser.add_argument("--weights", required=True, type=Path, help="of probe and comparison")
    parser.add_argument("--measures", type=Path, nargs="+", help="from score, for fit and check")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--docs", type=Path, help="page that the table is written into")
    parser.add_argument("--refiner", metavar="ENTRY", help="its videos must be accepted too, for score")
    parser.add_argument("--split", choices=("train", "held_out"), default="held_out")
    parser.add_argument("--count", type=int, default=64, help="pairs at most")
    parser.add_argument("--crude", action="store_true", help="also pairs with coarse pictures worse than by default")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="pairs of these names")
    parser.add_argument(
        "--share", type=int, nargs=2, default=(0, 1), metavar=("K", "N"), help="every N-th pair from K on"
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    if given.what == "score":
        torch.set_num_threads(1)
        score(given)
    else:
        {"fit": fit, "check": check}[given.what](given)
    return 0


def score(given: argparse.Namespace) -> None:
    """Append the measures of all cases that are not there yet.

    Raises:
        SimvidError: what is there was measured otherwise.
    """
    nets = load_nets(given.weights)
    about = {"weights_sha256": digest(given.weights), "refiner": given.refiner, "seed": given.seed}
    rows = read_rows(given.out) if given.out.is_file() else []
    if other := next((row for row in rows if row.get("of") != about), None):
        raise SimvidError(f"{given.out}: holds measures of {other.get('of')}, not of {about}; choose another --out")
    given.out.write_text("".join(json.dumps(row) + "\n" for row in rows))  # without a line that was cut
    done = {(row["pair"], row["case"]) for row in rows}
    found = pair_frames(given.data, given.split)
    pairs = [p for p in found if (given.crude or is_fine(p.record)) and not is_seen_through(p.record)]
    if given.only is not None:
        pairs = [pair for pair in pairs if pair.record.name in given.only]
    refine = None if given.refiner is None else refining(given.data, given.split, given.refiner, given.seed)
    for pair in spread(pairs, given.count)[given.share[0] :: given.share[1]]:
        if (pair.record.name, "whole") in done:
            continue
        one = subject(pair, FRAMES)
        coarse = [see(nets.probe, picture) for picture in np.asarray(pair.arrays["coarse"][FRAMES])]
        scorer = Scorer(nets, one.robots, coarse)
        for case in cases(one, given.seed, None if refine is None else refine(pair.record.name)[FRAMES]):
            if (pair.record.name, case.name) in done:
                continue
            scores = scorer.scores(one.gate_frames(case.video))
            things = {}
            for k, series in scores.instances.items():
                mask = one.instances == k
                changed = 0.0 if case.changed is None else float(case.changed[mask].mean())
                things[str(k)] = {"changed": changed, **instance_measures(series)}
            row = {"of": about, "pair": pair.record.name, "family": pair.record.family, "case": case.name,
                   "bad": case.bad, "measures": measures(scores, one.robots), "instances": things}  # fmt: skip
            with given.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
        with given.out.open("a") as file:
            file.write(json.dumps({"of": about, "pair": pair.record.name, "case": "whole"}) + "\n")


def refining(data: Path, split: Split, entry: str, seed: int) -> Callable[[str], NDArray[np.uint8]]:
    """Gives the pictures that a refiner makes of a pair of that name, as a stream from its first frame on."""
    chosen = Ready(Variant("refined", entry))
    known = {case.name: case for case in pair_cases(data, split)}
    return lambda name: np.stack(list(chosen.refine(known[name], seed)))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of measures; a last line that was cut is left out."""
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def fit(given: argparse.Namespace) -> None:
    """Choose limits on all pairs; rates are of limits chosen on all pairs but the one that is judged."""
    rows = measured(given)
    pairs = sorted({row["pair"] for row in rows})
    if len(pairs) < 4:
        raise SimvidError(f"{given.measures[0]}: expected measures of 4 pairs or more, got {len(pairs)}")
    limits = clip_limits(rows)
    alarms = np.mean([bool(beyond(row, limits)) for row in rows if not row["bad"]])
    about = {"pairs": len(pairs), "families": sorted({row["family"] for row in rows}), "videos": len(rows),
             "frames": FRAMES.stop - FRAMES.start, "seed": given.seed,
             "false_alarms_with_these_limits": round(float(alarms), 4)}  # fmt: skip
    made = GateLimits(
        weights_sha256=digest(given.weights), clip=limits,
        instance=instance_limits(rows), provenance=about,
    )  # fmt: skip
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "limits.json").write_text(json.dumps(made.model_dump(exclude_none=True), indent=1) + "\n")
    tell(given, table(Rates.of(rows)))


def check(given: argparse.Namespace) -> None:
    """Judge all pairs with the limits that come with simvid.

    Raises:
        SimvidError: they belong to other weights.
    """
    limits = shipped_limits()
    if digest(given.weights) != limits.weights_sha256:
        raise SimvidError(f"{given.weights}: the limits that come with simvid belong to other weights")
    given.out.mkdir(parents=True, exist_ok=True)
    tell(given, table(Rates.of(measured(given), limits)))


def measured(given: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of some files of measures, each case of a pair once.

    Raises:
        SimvidError: they are of other weights.
    """
    weights, found = digest(given.weights), {}
    for path in given.measures:
        for row in read_rows(path):
            if row["of"]["weights_sha256"] != weights:
                raise SimvidError(f"{path}: its measures are not of {given.weights}; score with these weights")
            if row["case"] != "whole":
                found[row["pair"], row["case"]] = row
    return list(found.values())


def digest(weights: Path) -> str:
    """SHA-256 of the weights of probe and comparison."""
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def tell(given: argparse.Namespace, text: str) -> None:
    """Write and print a table; in a page it stands between two marks of what was asked for."""
    (given.out / "table.md").write_text(text)
    print(text)
    if given.docs is not None:
        begin, end = f"<!-- {given.what} -->", f"<!-- /{given.what} -->"
        before, rest = given.docs.read_text().split(begin)
        given.docs.write_text(f"{before}{begin}\n{text}{end}{rest.split(end)[1]}")


@dataclass
class Rates:
    """How often what is rejected, and for which measures, by the name of the case."""

    bad: dict[str, bool] = field(default_factory=dict)
    rejected: dict[str, list[bool]] = field(default_factory=dict)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)
    instances: dict[bool, list[bool]] = field(default_factory=lambda: {True: [], False: []})
    """Whether the masks of instances are said not to hold, of those that were changed and of sound ones."""

    @classmethod
    def of(cls, rows: Sequence[Row], given: GateLimits | None = None) -> Rates:
        """Judge each pair with limits that are given, or with those of all the others."""
        made = cls()
        for name in sorted({row["pair"] for row in rows}):
            others = [row for row in rows if row["pair"] != name]
            limits = clip_limits(others) if given is None else given.clip
            each = instance_limits(others) if given is None else given.instance
            for row in rows:
                if row["pair"] == name:
                    made._add(row, limits, each)
        return made

    def _add(self, row: Row, limits: Mapping[str, Limit], each: Mapping[str, Limit]) -> None:
        failed = beyond(row, limits)
        self.bad[row["case"]] = row["bad"]
        self.rejected.setdefault(row["case"], []).append(bool(failed))
        self.reasons.setdefault(row["case"], Counter()).update(failed)
        shown = row["case"] in ("object moved", "object erased")
        for thing in row["instances"].values():
            if not row["bad"] or (shown and thing["changed"] >= CHANGED):
                broken = not (each["mismatch"].holds(thing["mismatch"]) and each["iou_loss"].holds(thing["iou_loss"]))
                self.instances[row["bad"]].append(broken)


def beyond(row: Row, limits: Mapping[str, Limit]) -> list[str]:
    """Measures of a row that are beyond their limits."""
    return [name for name, limit in limits.items() if not limit.holds(row["measures"][name])]


def clip_limits(rows: Sequence[Row]) -> dict[str, Limit]:
    """Limits of all measures, from rows that must be accepted."""
    good = [row for row in rows if not row["bad"]]
    return {name: _beyond_most(name, good) for name in MARGINS}


def _beyond_most(name: str, good: Sequence[Row]) -> Limit:
    values, (perfect, factor, least) = _known(name, good), MARGINS[name]
    worst = float(np.quantile(values, STRAYS if name in LEAST else 1 - STRAYS))
    if perfect is None:
        return Limit(most=round(worst + factor, 4))
    if name in LEAST:
        return Limit(least=round(perfect - factor * max(perfect - worst, least), 4))
    return Limit(most=round(perfect + factor * max(worst - perfect, least), 4))


def _known(name: str, rows: Sequence[Row]) -> Any:
    values = np.array([row["measures"][name] for row in rows], np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        raise SimvidError(f"gate limits: no pair measures {name}; are there clips with robots and with motion?")
    return values


def instance_limits(rows: Sequence[Row]) -> dict[str, Limit]:
    """Limits of the measures of one instance."""
    things = [t for row in rows if not row["bad"] for t in row["instances"].values()]
    found = {}
    for name in ("mismatch", "depth_gap", "iou_loss"):
        values = np.array([t[name] for t in things], np.float64)
        found[name] = Limit(most=round(float(np.nanquantile(values, 1 - INSTANCE_ALARMS)), 4))
    return found


def table(rates: Rates) -> str:
    """The table of docs/gate.md."""
    lines = ["| video | must be | clips | rejected | most often by |", "|---|---|---|---|---|"]
    for name, hits in rates.rejected.items():
        by = ", ".join(f"`{reason}` {count}" for reason, count in rates.reasons[name].most_common(3))
        lines.append(f"| {name} | {'rejected' if rates.bad[name] else 'accepted'} | {len(hits)} | "
                     f"{100 * np.mean(hits):.1f} % | {by} |")  # fmt: skip
    for what, wanted in (("all that must be accepted", False), ("all violations", True)):
        hits = [hit for name, each in rates.rejected.items() if rates.bad[name] is wanted for hit in each]
        lines.append(f"| **{what}** | | {len(hits)} | **{100 * np.mean(hits):.1f} %** | |")
    sound, changed = rates.instances[False], rates.instances[True]
    shares = [100 * float(np.mean(each)) for each in (changed, sound)]
    lines += ["", f"Of {len(changed)} instances that were moved or erased, `masks` is false for {shares[0]:.1f} %; of "
              f"{len(sound)} sound ones, for {shares[1]:.1f} %."]  # fmt: skip
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
