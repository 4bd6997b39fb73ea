"""Runs under lerobot's own Python: seconds that its writer takes for one episode of arrays in a folder.

rivals_lerobot.py FOLDER OUT [--depth] [--streaming]; FOLDER/CAMERA/rgb.npz and depth.npz as simvid keeps them.
"""

import argparse
import io
import json
import resource
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

FPS = 30
SIZE = ["height", "width", "channels"]


def frames(path: Path) -> list[Any]:
    with zipfile.ZipFile(path) as archive:
        return [np.load(io.BytesIO(archive.read(name))) for name in sorted(archive.namelist())]


def cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--depth", action="store_true")
    parser.add_argument("--streaming", action="store_true")
    options = parser.parse_args()
    features: dict[str, Any] = {}
    data: dict[str, list[Any]] = {}
    for camera in sorted(options.folder.iterdir()):
        key = f"observation.images.{camera.name}"
        data[key] = frames(camera / "rgb.npz")
        features[key] = {"dtype": "video", "shape": data[key][0].shape, "names": SIZE}
        if options.depth:
            depths = [depth[..., None] for depth in frames(camera / "depth.npz")]
            data[f"{key}_depth"] = depths
            features[f"{key}_depth"] = {
                "dtype": "video", "shape": depths[0].shape, "names": SIZE, "info": {"is_depth_map": True},
            }  # fmt: skip
    for name in ("observation.state", "action"):
        data[name] = [np.zeros(7, np.float32)] * len(next(iter(data.values())))
        features[name] = {"dtype": "float32", "shape": (7,), "names": None}
    made = LeRobotDataset.create(
        "simvid/test", fps=FPS, features=features, root=options.out, streaming_encoding=options.streaming,
        image_writer_threads=0 if options.streaming else 8, encoder_queue_maxsize=100_000,
    )  # fmt: skip
    started, cpu = time.perf_counter(), cpu_s()
    for k in range(len(data["action"])):
        made.add_frame({**{name: values[k] for name, values in data.items()}, "task": "move"})
    made.save_episode()
    made.finalize()
    print(json.dumps({"wall_s": time.perf_counter() - started, "cpu_s": cpu_s() - cpu}))


main()
