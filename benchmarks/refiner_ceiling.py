"""What is left to gain over the coarse pictures: their PSNR with one kind of error taken away by the truth itself.

python benchmarks/refiner_ceiling.py PAIRS [--split held_out] [--json FILE]

Of the middle frame of every pair:

- edges: true within 2 px of the outline of a part, where splats are soft;
- light: true in its coarse part, the error smoothed by a Gaussian of 4 px, away from the edges;
- texture: true in the rest, away from the edges;
- a colour and a gain for each part: what no more than the right brightness and tint of each part would give.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from simvid.calibrating.pair_frames import PairFrames, pair_frames
from simvid.errors import ClipError

Floats: TypeAlias = NDArray[Any]
KINDS = ("coarse", "edges", "light", "texture", "edges and light", "edges and texture", "colour of each part")


def psnr(error: Floats) -> float:
    """Of differences of pictures from 0 to 1 [dB]."""
    return float(-10 * np.log10(np.square(error).mean()))


def tinted(coarse: Floats, true: Floats, parts: Floats) -> Floats:
    """The error that stays when each part's channels get the gain and the offset that fit best."""
    left = true - coarse
    for part in np.unique(parts):
        inside = parts == part
        for c in range(3):
            known = np.stack([coarse[inside, c], np.ones(inside.sum())], axis=1)
            found = np.linalg.lstsq(known, true[inside, c], rcond=None)[0]
            left[inside, c] = true[inside, c] - known @ found
    return left


def ceilings(pair: PairFrames) -> list[float]:
    """PSNR [dB] of one frame by ``KINDS``."""
    coarse, true, parts = (pair.arrays[name][pair.record.frames // 2] for name in ("coarse", "target", "ids"))
    start, goal = coarse / 255.0, true / 255.0
    error = goal - start
    edges = (maximum_filter(parts, 5) != minimum_filter(parts, 5))[..., None]
    light = gaussian_filter(error, (4, 4, 0)) * ~edges
    texture = error * ~edges - light
    at_edges = error * edges
    left = {
        "coarse": error,
        "edges": light + texture,
        "light": at_edges + texture,
        "texture": at_edges + light,
        "edges and light": texture,
        "edges and texture": light,
        "colour of each part": tinted(start, goal, parts),
    }
    return [psnr(left[kind]) for kind in KINDS]


def main() -> None:
    """Print the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--split", choices=("train", "held_out"), default="held_out")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    pairs = pair_frames(args.pairs, args.split)
    if not pairs:
        raise ClipError(
            f"{args.pairs}: expected pairs of the split {args.split} as  simvid pairs  makes them, found none"
        )
    means = np.mean([ceilings(pair) for pair in pairs], axis=0)
    for kind, mean in zip(KINDS, means, strict=True):
        print(f"{kind:22s}{mean:7.2f} dB{mean - means[0]:+7.2f}")
    if args.json:
        found = {"pairs": len(pairs), "split": args.split, "psnr_db": dict(zip(KINDS, means.round(3), strict=True))}
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
