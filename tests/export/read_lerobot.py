"""Runs under lerobot's own Python: reads a data set with LeRobotDataset, and writes all it gives to a .npz.

read_lerobot.py DATASET OUT.npz
"""

import json
import sys
from typing import Any

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset


def main(root: str, out: str) -> None:
    data = LeRobotDataset("simvid/test", root=root, video_backend="pyav")
    items = [data[k] for k in range(len(data))]
    arrays: dict[str, Any] = {
        key: np.stack([np.asarray(item[key]) for item in items]) for key in items[0] if key not in ("task", "subtask")
    }
    about = {
        "tasks": [item["task"] for item in items], "fps": data.fps, "episodes": data.num_episodes,
        "unit": data.depth_output_unit, "stats": {k: sorted(v) for k, v in data.meta.stats.items()},
        "robot": data.meta.robot_type,
    }  # fmt: skip
    later = LeRobotDataset(
        "simvid/test", root=root, video_backend="pyav", delta_timestamps={"observation.state": [-1 / data.fps, 0.0]}
    )
    arrays["two_states"] = np.stack([np.asarray(later[k]["observation.state"]) for k in range(len(later))])
    np.savez(out, about=np.array(json.dumps(about)), **arrays)


main(*sys.argv[1:])
