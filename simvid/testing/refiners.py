"""Small networks with all weights alive, and random frames for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from simvid.refining.conditions import CHANNELS, OPTIONAL, Conditions


def tiny_unet(seed: int = 0, **config: Any) -> Any:
    """A network whose every weight matters: those that start at 0 are drawn too."""
    import torch

    from simvid.refining.model import RefinerUNet

    torch.set_num_threads(1)  # on a busy machine two threads wait for each other
    torch.manual_seed(seed)
    unet = RefinerUNet(**{"widths": (8, 16, 32, 32), "depths": (1, 1, 1, 1), "window": 3, **config}).eval()
    with torch.no_grad():
        for weight in unet.parameters():
            if not weight.abs().sum() > 0:
                weight.normal_(0, 0.1)
    return unet


def tiny_entry(folder: Path, **config: Any) -> Path:
    """An entry of the refiners shelf in a folder, with the weights of a ``tiny_unet`` beside it."""
    from simvid.refining.pipeline import VideoRefinerPipeline
    from simvid.refining.scheduler import BridgeScheduler

    VideoRefinerPipeline(tiny_unet(**config), BridgeScheduler()).save_pretrained(folder / "net")
    path = folder / "tiny.yaml"
    path.write_text("# Weights that mean nothing.\nbackend: bridge\nsettings: {weights: net, bfloat16: false}\n")
    return path


def random_conditions(count: int, height: int = 32, width: int = 48, seed: int = 0) -> Conditions:
    """Numbers without meaning, in the right ranges."""
    rng = np.random.default_rng(seed)
    return Conditions(
        rng.uniform(-1, 1, (count, CHANNELS, height, width)).astype(np.float32),
        rng.normal(0, 2, (count, 2, height, width)).astype(np.float32),
        (rng.random((count, 1, height, width)) < 0.9).astype(np.float32),
        np.ones(len(OPTIONAL), np.float32),
    )
