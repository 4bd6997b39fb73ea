"""Trains the probe: ``python -m simvid.calibrating.probe_training --data PAIRS --out RUN``; goes on with a run.

Half an hour on one core. Depth is learnt up to a scale (Eigen, Puhrsch & Fergus 2014, eq. 4, as a mean absolute error,
with gradients), normals by their cosine, outlines and affinity by cross-entropy.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simvid.calibrating.pair_frames import PairFrames, pair_frames
from simvid.calibrating.probe_samples import Sample, draw
from simvid.checking.probe.net import AFFINITY_PX, ProbeNet, Tensor, functional, outline_of, torch
from simvid.errors import SimvidError
from simvid.refining.training import checkpoint

BATCH, RATE, DECAY = 8, 2e-3, 1e-4
AVERAGE = 0.999
"""Of the moving average of the weights that is kept."""
SAVE_EVERY = 250
WEIGHTS = {"depth": 1.0, "slope": 1.0, "normal": 0.5, "outline": 1.0, "affinity": 0.5}
OUTLINE_WEIGHT = 3.0
"""Pixels on an outline count so much more."""


@dataclass(frozen=True)
class ProbeRun:
    """Where a run went."""

    steps: int
    seconds: float
    losses: dict[str, float]


def main(argv: Sequence[str] | None = None) -> int:
    """Train, write the weights, and print the losses of pairs held out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", type=Path, dest="start", help="weights to begin with")
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    run = train(given.data, given.out, given.steps, given.seed, given.start)
    print(json.dumps({"steps": run.steps, "seconds": round(run.seconds), "losses": run.losses}))
    return 0


def train(data: Path, out: Path, steps: int, seed: int = 0, start: Path | None = None) -> ProbeRun:
    """Train for so many steps in all, and write ``OUT/weights.safetensors`` and ``OUT/training.json``.

    Raises:
        SimvidError: no pairs for training.
    """
    from simvid.checking.probe.files import load_net, save_nets

    pairs = pair_frames(data, "train")
    if not pairs:
        raise SimvidError(f"{data}: expected training pairs with depth, normals, ids and flow, found none")
    torch.manual_seed(seed)
    net = ProbeNet() if start is None else load_net("probe", start)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    average = {name: t.detach().clone() for name, t in net.state_dict().items()}
    names, begun = [name for name, _ in net.named_parameters()], time.process_time()
    first, spent = _restore(out, net, average, optimizer, names)
    net.train()
    sums: dict[str, float] = {}
    for step in range(first, steps):
        rng = np.random.default_rng([seed, step])
        optimizer.param_groups[0]["lr"] = _rate(step, steps)
        with torch.autocast("cpu", torch.bfloat16):
            losses = probe_losses(net, [draw(pairs, rng) for _ in range(BATCH)])
        optimizer.zero_grad()
        total: Tensor = sum(WEIGHTS[name] * loss for name, loss in losses.items())
        total.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        keep = min(AVERAGE, (1 + step) / (10 + step))
        for name, t in net.state_dict().items():
            average[name].lerp_(t, 1 - keep) if t.is_floating_point() else average[name].copy_(t)
        for name, loss in losses.items():
            sums[name] = 0.99 * sums.get(name, float(loss.detach())) + 0.01 * float(loss.detach())
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            seconds = spent + time.process_time() - begun
            groups = {"net": net.state_dict(), "average": average,
                      "optimizer": checkpoint.optimizer_tensors(optimizer, names)}  # fmt: skip
            checkpoint.save(out, step + 1, groups, {"seconds": seconds, "pairs": len(pairs)})
            print(step + 1, len(pairs), round(seconds), {k: round(v, 4) for k, v in sums.items()}, flush=True)
            if len(more := pair_frames(data, "train")) > len(pairs):
                pairs = more
    final = ProbeNet()
    final.load_state_dict(average)
    save_nets(out / "weights.safetensors", probe=final.eval())
    held_out = pair_frames(data, "held_out")
    figures = held_out_losses(final, held_out) if held_out else {}
    run = ProbeRun(steps, spent + time.process_time() - begun, figures)
    about = {"steps": steps, "batch": BATCH, "rate": RATE, "seed": seed, "pairs": len(pairs), "start": str(start or ""),
             "cpu_s": round(run.seconds), "held_out_pairs": len(held_out), "held_out_losses": figures}  # fmt: skip
    (out / "training.json").write_text(json.dumps(about, indent=1) + "\n")
    return run


def _restore(out: Path, net: Any, average: dict[str, Any], optimizer: Any, names: list[str]) -> tuple[int, float]:
    """Steps and seconds that are done."""
    found = checkpoint.latest(out)
    if found is None:
        return 0, 0.0
    tensors, about = checkpoint.load(found)
    net.load_state_dict(tensors["net"])
    average.update(tensors["average"])
    checkpoint.restore_optimizer(optimizer, names, tensors["optimizer"])
    return int(about["step"]), float(about["seconds"])


def _rate(step: int, steps: int) -> float:
    """Rises for 200 steps, then falls along a cosine."""
    return RATE * min(1.0, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def probe_losses(net: Any, samples: Sequence[Sample]) -> dict[str, Tensor]:
    """The losses of a batch, by name."""
    rgb, depth, normals, ids = (
        torch.from_numpy(np.stack([np.ascontiguousarray(getattr(s, name)) for s in samples]))
        for name in ("rgb", "depth", "normals", "ids")
    )
    pictures = (rgb.permute(0, 3, 1, 2) * 2 - 1).contiguous(memory_format=torch.channels_last)
    made = net(pictures).outputs.float()
    valid = torch.isfinite(depth) & (depth > 0)
    log_depth = torch.where(valid, depth, 1.0).log()
    error = torch.where(valid, made[:, 0] - log_depth, 0.0)
    count = valid.flatten(1).sum(dim=1).clamp(min=1)[:, None, None]
    centred = error - (error.flatten(1).sum(dim=1)[:, None, None] / count)
    along, down = ((error.diff(dim=k).abs() * (valid.diff(dim=k) == 0)).mean() for k in (2, 1))
    there = (normals**2).sum(dim=-1) > 0.5
    cosine = functional.cosine_similarity(made[:, 1:4].permute(0, 2, 3, 1), normals, dim=-1)
    edge = outline_of(ids)
    right = (ids[:, :, :-AFFINITY_PX] == ids[:, :, AFFINITY_PX:]).float()
    below = (ids[:, :-AFFINITY_PX] == ids[:, AFFINITY_PX:]).float()
    entropy = functional.binary_cross_entropy_with_logits
    return {
        "depth": (centred.abs() * valid).mean(),
        "slope": along + down,
        "normal": ((1 - cosine) * there).mean(),
        "outline": entropy(made[:, 4], edge, 1 + (OUTLINE_WEIGHT - 1) * edge),
        "affinity": entropy(made[:, 5, :, :-AFFINITY_PX], right) + entropy(made[:, 6, :-AFFINITY_PX], below),
    }


def held_out_losses(net: Any, pairs: Sequence[PairFrames]) -> dict[str, float]:
    """Mean losses on crops of pairs held out, the same for every run."""
    sums: dict[str, float] = {}
    net.eval()
    with torch.no_grad():
        for k in range(len(pairs)):
            rng = np.random.default_rng([1, k])
            for name, loss in probe_losses(net, [draw([pairs[k]], rng) for _ in range(BATCH)]).items():
                sums[name] = sums.get(name, 0.0) + float(loss) / len(pairs)
    return {name: round(value, 4) for name, value in sums.items()}


if __name__ == "__main__":
    raise SystemExit(main())
