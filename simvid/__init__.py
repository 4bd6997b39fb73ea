"""simvid: a YAML scene goes through physics, splatting and refining and comes out as labelled video.

Public names load on first use, so that ``import simvid`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simvid import dataset as dataset
    from simvid.clip import Clip
    from simvid.errors import SimvidError
    from simvid.frames import CameraPath, Frame, Frames
    from simvid.gaussians import Gaussians
    from simvid.jobs.streaming import load_refiner
    from simvid.parsing import load_scene
    from simvid.pipeline import refine, render, run, simulate, simulate_many
    from simvid.scene import Scene
    from simvid.trajectory import Trajectory

__version__ = "0.1.0"

_HOMES = {
    "CameraPath": "simvid.frames",
    "Clip": "simvid.clip",
    "Frame": "simvid.frames",
    "Frames": "simvid.frames",
    "Gaussians": "simvid.gaussians",
    "Scene": "simvid.scene",
    "SimvidError": "simvid.errors",
    "Trajectory": "simvid.trajectory",
    "load_refiner": "simvid.jobs.streaming",
    "load_scene": "simvid.parsing",
    "refine": "simvid.pipeline",
    "render": "simvid.pipeline",
    "run": "simvid.pipeline",
    "simulate": "simvid.pipeline",
    "simulate_many": "simvid.pipeline",
}

__all__ = [
    "CameraPath",
    "Clip",
    "Frame",
    "Frames",
    "Gaussians",
    "Scene",
    "SimvidError",
    "Trajectory",
    "__version__",
    "load_refiner",
    "load_scene",
    "refine",
    "render",
    "run",
    "simulate",
    "simulate_many",
]


def __getattr__(name: str) -> Any:
    if name == "dataset":
        return import_module("simvid.dataset")
    if name not in _HOMES:
        raise AttributeError(f"module 'simvid' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
