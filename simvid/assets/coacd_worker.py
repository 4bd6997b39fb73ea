"""Runs CoACD in a process of its own: ``python coacd_worker.py IN.npz OUT.npz``. Needs numpy and coacd only."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np


def main(source: str, target: str) -> None:
    """Read vertices, faces and settings from ``source``; write arrays v0, f0, v1, f1 … to ``target``."""
    import coacd

    coacd.set_log_level("off")
    with np.load(source, allow_pickle=False) as given:
        settings = json.loads(str(given["settings"]))
        mesh = coacd.Mesh(given["vertices"].astype(np.float64), given["faces"].astype(np.int32))
    arrays: dict[str, Any] = {}
    for k, (vertices, faces) in enumerate(coacd.run_coacd(mesh, **settings)):
        arrays[f"v{k}"], arrays[f"f{k}"] = np.asarray(vertices), np.asarray(faces)
    np.savez(target, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
