"""Trains the comparison: ``python -m simvid.calibrating.compare_training --data PAIRS --probe FILE --out FILE``.

On pairs for training: crops with planted violations, beside crops of videos that must be accepted. Cross-entropy of
each place, and of the worst places of each crop, which is what decides. A quarter of an hour on one core.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.calibrating.gate_cases import Subject, cases, subject
from simvid.calibrating.pair_frames import pair_frames, spread
from simvid.checking.probe.files import load_net, save_nets
from simvid.checking.probe.net import CompareNet, Tensor, evidence, functional, outline_of, torch
from simvid.errors import SimvidError

SHOWN = ("object moved", "object erased", "object duplicated", "melted edges")
"""Violations that a single picture shows."""
CROP_PX, BATCH, RATE = 160, 6, 2e-3
CHANGED, UNTOUCHED = 0.3, 0.02
"""Places with a greater share of changed pixels around are wrong, with a smaller one are right; between, neither."""
AROUND_PX = 9
WORST = 24
"""Places of a crop that its own loss looks at."""


@dataclass(frozen=True, eq=False)
class Shot:
    """One frame: pictures uint8 [H, W, 3], instances [H, W], and where it was changed, [H, W]."""

    refined: NDArray[np.uint8]
    coarse: NDArray[np.uint8]
    instances: NDArray[np.int32]
    changed: NDArray[np.bool_]


def main(argv: Sequence[str] | None = None) -> int:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--probe", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--count", type=int, default=160, help="pairs at most, spread evenly")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    pairs = spread(pair_frames(given.data, "train"), given.count)
    if not pairs:
        raise SimvidError(f"{given.data}: expected training pairs, found none")
    begun = time.process_time()
    good, bad = list[Shot](), list[Shot]()
    for k, pair in enumerate(pairs):
        for shot in shots(subject(pair, some_frames(pair.record.frames, k)), given.seed):
            (bad if shot.changed.any() else good).append(shot)
    print(f"{len(good)} good and {len(bad)} bad frames of {len(pairs)} pairs", flush=True)
    probe = load_net("probe", given.probe)
    net, final = train(probe, good, bad, given.steps, given.seed)
    save_nets(given.out, probe=probe, compare=net)
    about = {"pairs": len(pairs), "frames": len(good) + len(bad), "steps": given.steps, "batch": BATCH, "rate": RATE,
             "seed": given.seed, "cpu_s": round(time.process_time() - begun), "loss": round(final, 4)}  # fmt: skip
    given.out.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")
    return 0


def some_frames(count: int, k: int) -> slice:
    """Every seventh of 16 frames from one of the third to seventh on, as many in proportion of clips of others."""
    return slice((2 + k % 5) * count // 16, count, max(1, 7 * count // 16))


def shots(one: Subject, seed: int) -> list[Shot]:
    """Frames of all videos of a pair that a single picture can tell about."""
    found = []
    coarse = np.asarray(one.pair.arrays["coarse"][one.frames])
    for case in cases(one, seed):
        if case.name == "coarse" or (case.bad and case.name not in SHOWN):
            continue
        for t, picture in enumerate(case.video):
            changed = np.zeros(picture.shape[:2], np.bool_) if case.changed is None else case.changed[t]
            if not case.bad or changed.sum() >= 60:
                found.append(Shot(picture, coarse[t], one.instances[t], changed))
    return found


def train(probe: Any, good: Sequence[Shot], bad: Sequence[Shot], steps: int, seed: int) -> tuple[Any, float]:
    """The comparison, and the mean of its last losses. Half of each batch is good, half bad."""
    torch.manual_seed(seed)
    net = CompareNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-3)
    mean, begun = 0.0, time.process_time()
    for step in range(steps):
        rng = np.random.default_rng([seed, step])
        picked = [cropped(kind[int(rng.integers(len(kind)))], rng) for kind in (good, bad) for _ in range(BATCH // 2)]
        loss = batch_loss(probe, net, picked)
        optimizer.param_groups[0]["lr"] = RATE * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean = 0.98 * (mean or float(loss.detach())) + 0.02 * float(loss.detach())
        if step % 100 == 99:
            print(step + 1, round(mean, 4), round(time.process_time() - begun), flush=True)
    return net.eval(), mean


def cropped(shot: Shot, rng: np.random.Generator) -> Shot:
    """A crop, with what was changed in it, mirrored half of the time."""
    height, width = shot.instances.shape
    low, high = np.zeros(2, int), np.array([height - CROP_PX, width - CROP_PX])
    corner = rng.integers(low, high + 1)
    if shot.changed.any():
        v, u = np.nonzero(shot.changed)
        k = rng.integers(len(v))
        corner = np.clip([v[k], u[k]] - rng.integers(20, CROP_PX - 20, 2), 0, high)
    place = np.s_[corner[0] : corner[0] + CROP_PX, corner[1] : corner[1] + CROP_PX]
    turn = np.s_[:, ::-1] if rng.integers(2) else np.s_[:, :]
    arrays = {f.name: np.ascontiguousarray(getattr(shot, f.name)[place][turn]) for f in fields(Shot)}
    return Shot(**arrays)


def batch_loss(probe: Any, net: Any, picked: Sequence[Shot]) -> Tensor:
    """Cross-entropy of places, good and bad of equal weight, and of the mean of the worst places of each crop."""
    new, old = (_tensor(np.stack([getattr(s, name) for s in picked])) for name in ("refined", "coarse"))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        one, two = probe(new), probe(old)
    one, two = (type(r)(r.outputs.float(), r.features.float()) for r in (one, two))
    found = evidence((new, old), (one, two))
    outline = outline_of(torch.from_numpy(np.stack([s.instances for s in picked])))
    logits = net(found, (one, two), outline)
    share = torch.from_numpy(np.stack([s.changed for s in picked])).float()[:, None]
    share = functional.avg_pool2d(functional.avg_pool2d(share, AROUND_PX, 1, AROUND_PX // 2), 2)[:, 0]
    entropy = functional.binary_cross_entropy_with_logits
    wrong, right = share >= CHANGED, share <= UNTOUCHED
    places = entropy(logits[right], torch.zeros_like(logits[right]))
    if wrong.any():
        places = places + entropy(logits[wrong], torch.ones_like(logits[wrong]))
    is_bad = torch.tensor([bool(s.changed.any()) for s in picked])
    worst = logits.flatten(1).topk(WORST, dim=1).values.mean(dim=1)
    return places + entropy(worst, is_bad.float())


def _tensor(pictures: NDArray[np.uint8]) -> Tensor:
    made = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    return made.contiguous(memory_format=torch.channels_last)


if __name__ == "__main__":
    raise SystemExit(main())
