"""JOD: what a viewer of the video would say of its quality, by ColorVideoVDP, where the package cvvdp is installed.

Mantiuk, Hanji, Ashraf, Asano & Chapiro 2024, "ColorVideoVDP: A visual difference predictor for image, video and display
distortions". 10 is no visible difference; one less is what three of four viewers notice. It sees flicker.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

DISPLAY = "standard_fhd"
"""A full-HD screen of 24 inches at 0.6 m."""


def jod_lacks() -> str | None:
    """What is missing for JOD; None where nothing is."""
    return None if find_spec("pycvvdp") is not None else "needs the package cvvdp, which brings torchvision"


def jod(video: NDArray[np.uint8], true: NDArray[np.uint8], fps: float) -> float:
    """Just-objectionable differences, 10 for equals and less for worse.

    Args:
        video, true: sRGB uint8 [T, H, W, 3].
        fps: frames per second; a single frame is judged as a still picture.
    """
    import pycvvdp

    metric: Any = pycvvdp.cvvdp(display_name=DISPLAY, device=_cpu(), quiet=True)
    if len(video) == 1:
        return float(metric.predict(video[0], true[0], dim_order="HWC")[0])
    return float(metric.predict(video, true, dim_order="FHWC", frames_per_second=fps)[0])


def _cpu() -> Any:
    import torch

    return torch.device("cpu")
