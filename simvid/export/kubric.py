"""Kubric's raw folder, which the builders of MOVi read: one folder per clip and camera, without TensorFlow.

Kubric's habits: flow is (row, column) and 16-bit over one range of the clip; depth is the distance to the camera;
instances are numbered from 1 in ``segmentation`` and from 0 elsewhere, 65535 being the floor; K is normalised and the
camera looks along its -z.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simvid.export import kubric_metadata
from simvid.export.base import ExportError, NoSettings, Request, View, array
from simvid.export.cameras import pinhole
from simvid.export.controls import palette
from simvid.export.files import write_float_tiff, write_json, write_png
from simvid.frames import Frame
from simvid.motion import distance, world_normals

TOP = 65535
MOST = 255
FLOWS = ("forward", "backward")


def code(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint16]:
    """Values of [low, high] as 0 to 65535."""
    return np.rint(np.clip((values - low) / (high - low), 0, 1) * TOP).astype(np.uint16)


def flow_range(view: View, name: str) -> tuple[float, float]:
    """Least and greatest component over the clip, at least 1 px apart."""
    low, high = 0.0, 0.0
    for values in view.array(f"flow_{name}"):
        known = values[np.isfinite(values)]
        if len(known):
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    return low, max(high, low + 1)


class Kubric:
    """The folder of Kubric's workers."""

    name: ClassVar[str] = "kubric"
    version: ClassVar[str] = "movi-1.0"
    summary: ClassVar[str] = "Kubric / MOVi folder: pictures, flow, depth, normals, object coordinates, metadata"
    holds: ClassVar[frozenset[str]] = frozenset(
        {"ids", "depth", "flow", "normals", "object_coords", "boxes", "contacts", "poses"}
    )
    needs: ClassVar[frozenset[str]] = holds
    packages: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[NoSettings]] = NoSettings

    def __init__(self, settings: NoSettings) -> None:
        self._settings = settings

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``STEM/rgba_00000.png`` and so on, ``metadata.json``, ``events.json``, ``data_ranges.json``."""
        for view in request.views:
            pinhole(view, self.name)
            self._view(view, folder / view.stem)
            request.tell(f"{view.stem}: {view.frame_count} frames")
        return {"videos": len(request.views)}

    def _view(self, view: View, folder: Path) -> None:
        numbers = kubric_metadata.numbers(view.clip.trajectory)
        if numbers.max(initial=0) > MOST:
            raise ExportError(f"{view.clip.path}: Kubric holds {MOST} instances, got {numbers.max()}; webdataset and "
                              "hdf5 hold more")  # fmt: skip
        ranges = {name: flow_range(view, name) for name in FLOWS}
        visible, far = [], self._far(view)
        for t, frame in enumerate(view.frames("ids", "depth", "flow", "normals", "object_coords")):
            self._frame(view, folder, t, frame, numbers, ranges, far)
            visible.append(np.bincount(numbers[array(frame, "ids")].reshape(-1), minlength=int(numbers.max()) + 1))
        write_json(folder / "data_ranges.json",
                   {f"{name}_flow": {"min": low, "max": high} for name, (low, high) in ranges.items()})  # fmt: skip
        write_json(folder / "metadata.json", kubric_metadata.metadata(view, np.array(visible)))
        write_json(folder / "events.json", kubric_metadata.events(view))

    def _far(self, view: View) -> float:
        """The greatest distance in the clip [m]: that of pixels without a surface, as builders take the extremes."""
        farthest = 0.0
        for depth in view.array("depth"):
            away = distance(view.path, depth)
            farthest = max(farthest, float(away[np.isfinite(away)].max(initial=0)))
        return farthest

    def _frame(
        self, view: View, folder: Path, t: int, frame: Frame, numbers: NDArray[np.uint8],
        ranges: Mapping[str, tuple[float, float]], far: float,
    ) -> None:  # fmt: skip
        opaque = np.full((*frame.rgb.shape[:2], 1), 255, np.uint8)
        write_png(folder / f"rgba_{t:05d}.png", np.concatenate([frame.rgb, opaque], axis=-1))
        write_png(folder / f"segmentation_{t:05d}.png", numbers[array(frame, "ids")], palette(MOST))
        away = distance(view.path, array(frame, "depth"))
        write_float_tiff(folder / f"depth_{t:05d}.tiff", np.where(np.isfinite(away), away, np.float32(far)))
        for name in FLOWS:
            flow = np.nan_to_num(array(frame, f"flow_{name}"), nan=0.0)
            coded = np.zeros((*flow.shape[:2], 3), np.uint16)
            coded[..., :2] = code(flow[..., ::-1], *ranges[name])
            write_png(folder / f"{name}_flow_{t:05d}.png", coded)
        write_png(folder / f"normal_{t:05d}.png", code(world_normals(view.path, t, array(frame, "normals")), -1, 1))
        places = np.nan_to_num(array(frame, "object_coords"), nan=0.0)
        write_png(folder / f"object_coordinates_{t:05d}.png", code(places, 0, 1))
