"""The held-out sample of refiners/held_out_sample: the start of one pair of four held-out families, cut out and packed.

simvid pairs --out pairs --count 1 --held-out 8 --seed 1
python docs/make_held_out_sample.py pairs refiners/held_out_sample
"""

import json
import sys
from pathlib import Path

import numpy as np

from simvid.clips.folders import new_folder
from simvid.refining.packed_pairs import ENDING, pack
from simvid.refining.pair_sets import open_pairs
from simvid.refining.pairs import FILE

FRAMES, SIZE_PX, STRIDE_PX = 8, 128, 16
CHOSEN = ("billiard_00000", "odd_toss_00001", "spinning_00000", "ur5e_00000")
FLOW_STEPS = 32
"""Flow is rounded to this part of a pixel, which halves its size."""


def place(clip: Path) -> tuple[int, int]:
    """Top and left of the window in which details of the first coarse picture differ most from the true one's [px]."""
    coarse, true = (np.load(clip / f"{name}.npy", mmap_mode="r")[0].astype(float) for name in ("coarse", "target"))
    error = (coarse - true).mean(axis=-1)
    wrong = np.hypot(*np.gradient(error))
    height, width = wrong.shape
    places = [
        (y, x) for y in range(0, height - SIZE_PX + 1, STRIDE_PX) for x in range(0, width - SIZE_PX + 1, STRIDE_PX)
    ]
    return max(places, key=lambda at: float(wrong[at[0] : at[0] + SIZE_PX, at[1] : at[1] + SIZE_PX].mean()))


def main(data: Path, out: Path) -> None:
    """Write all clips."""
    with new_folder(out, replace=True) as work:
        for clip in open_pairs(data, "held_out"):
            if clip.record.name not in CHOSEN:
                continue
            top, left = place(clip.folder)
            home = work / clip.record.name
            home.mkdir()
            for name in clip.record.arrays:
                array = np.load(clip.folder / f"{name}.npy", mmap_mode="r")
                cut = np.asarray(array[:FRAMES, top : top + SIZE_PX, left : left + SIZE_PX])
                if name == "flow_backward":
                    cut = (np.round(cut.astype(np.float32) * FLOW_STEPS) / FLOW_STEPS).astype(np.float16)
                (home / f"{name}{ENDING}").write_bytes(pack(cut))
            record = clip.record.model_copy(update={"frames": FRAMES, "height": SIZE_PX, "width": SIZE_PX})
            (home / FILE).write_text(json.dumps(record.model_dump(mode="json"), indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
