"""Runs under a Python that has robomimic: reads a file with its SequenceDataset, and writes all it gives to a .npz.

read_robomimic.py FILE OUT.npz
"""

import sys
from typing import Any

import numpy as np
from robomimic.utils import obs_utils
from robomimic.utils.dataset import SequenceDataset

IMAGES, NUMBERS = ("front_image", "side_image"), ("joint_pos", "joint_vel")


def main(path: str, out: str) -> None:
    obs_utils.initialize_obs_utils_with_obs_specs({"obs": {"rgb": list(IMAGES), "low_dim": list(NUMBERS)}})
    data = SequenceDataset(
        path, obs_keys=(*IMAGES, *NUMBERS), dataset_keys=("actions", "rewards", "dones"), frame_stack=1, seq_length=2,
        pad_seq_length=True, hdf5_cache_mode=None, hdf5_use_swmr=False, filter_by_attribute="train",
        load_next_obs=False,
    )  # fmt: skip
    items = [data[k] for k in range(len(data))]
    arrays: dict[str, Any] = {
        name: np.stack([item[name] for item in items]) for name in ("actions", "rewards", "dones")
    }
    arrays |= {name: np.stack([item["obs"][name] for item in items]) for name in (*IMAGES, *NUMBERS)}
    np.savez(out, demos=np.array(data.demos), **arrays)


main(*sys.argv[1:])
