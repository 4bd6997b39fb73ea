"""Figures of the probe for its card: on one frame of each held-out pair, path-traced and coarse.

python -m simvid.calibrating.probe_figures --data PAIRS [--weights FILE]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.calibrating.pair_frames import PairFrames, pair_frames
from simvid.checking.probe.files import load_net
from simvid.checking.probe.net import outline_of, torch
from simvid.checking.probe.reading import see
from simvid.errors import ClipError

Array: TypeAlias = NDArray[Any]
WEIGHTS = Path(__file__).parents[1] / "checking" / "probe" / "weights.safetensors"
AROUND = np.ones((3, 3), bool)


def agreement(one: Array, two: Array) -> float:
    """F1 of two sets of pixels [H, W], one pixel of tolerance."""
    from scipy.ndimage import binary_dilation

    right = (one & binary_dilation(two, AROUND)).sum() / max(int(one.sum()), 1)
    found = (two & binary_dilation(one, AROUND)).sum() / max(int(two.sum()), 1)
    return float(2 * right * found / max(right + found, 1e-9))


def figures(net: Any, pair: PairFrames, kind: str) -> tuple[float, float, float]:
    """Of the middle frame: si-RMSE of log depth, median angle of normals [degrees], F1 of outlines.

    Args:
        net: the probe.
        pair: held out.
        kind: ``target`` or ``coarse``.
    """
    now = pair.record.frames // 2
    depth, normals, ids = (pair.decoded(name, now) for name in ("depth", "normals", "ids"))
    seen = see(net, np.asarray(pair.arrays[kind][now]))
    height, width = depth.shape
    valid = np.isfinite(depth) & (depth > 0)
    off = (seen.log_depth - np.log(np.where(valid, depth, 1)))[valid]
    made = seen.reading.outputs[0, 1:4, :height, :width].float().numpy().transpose(1, 2, 0)
    cosine = (made * normals).sum(axis=-1) / (np.linalg.norm(made, axis=-1) + 1e-9)
    known = valid & (np.square(normals).sum(axis=-1) > 0.5)
    angle = np.degrees(np.arccos(np.clip(cosine[known], -1, 1)))
    true = outline_of(torch.tensor(ids)[None])[0].bool().numpy()
    return float(off.std()), float(np.median(angle)), agreement(seen.outline > 0.5, true)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the card's table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    pairs, net = pair_frames(given.data, "held_out"), load_net("probe", given.weights).eval()
    if not pairs:
        raise ClipError(f"{given.data}: expected held-out pairs as  simvid pairs  makes them, found none")
    for kind in ("target", "coarse"):
        depth, angle, outline = np.median([figures(net, pair, kind) for pair in pairs], axis=0)
        print(f"{kind}, medians of {len(pairs)} pairs: si-RMSE of log depth {depth:.2f}, angle of normals {angle:.1f} "
              f"degrees, F1 of outlines {outline:.2f}")  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
