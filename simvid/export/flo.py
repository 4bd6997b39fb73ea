"""Middlebury ``.flo`` in the folders of MPI Sintel: flow, occlusions, depth (``.dpt``), cameras (``.cam``).

Headers are those of flow-code (Middlebury) and of Sintel's SDK: float32 202021.25, int32 width, int32 height, then the
values in rows, little-endian. An unknown flow is 1e10, as everything above 1e9.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simvid.export.base import NoSettings, Request, View, array
from simvid.export.cameras import integer_centers, pinhole
from simvid.export.files import write_png
from simvid.frames import Frame

TAG = 202021.25
UNKNOWN = 1e10


def raw(values: NDArray[np.float32]) -> bytes:
    """Header and values [H, W] or [H, W, 2]."""
    height, width = values.shape[:2]
    return struct.pack("<fii", TAG, width, height) + np.ascontiguousarray(values, "<f4").tobytes()


def camera_bytes(K: NDArray[np.float64], camera_from_world: NDArray[np.float64]) -> bytes:
    """``.cam``: the tag, K [3, 3] and camera_from_world [3, 4] as float64."""
    return struct.pack("<f", TAG) + K.astype("<f8").tobytes() + camera_from_world[:3].astype("<f8").tobytes()


class Flo:
    """Optical flow as plain floats."""

    name: ClassVar[str] = "flo"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "Middlebury .flo in Sintel's folders: flow, occlusions, depth, cameras"
    holds: ClassVar[frozenset[str]] = frozenset({"flow", "occlusion", "depth"})
    needs: ClassVar[frozenset[str]] = frozenset({"flow"})
    packages: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[NoSettings]] = NoSettings

    def __init__(self, settings: NoSettings) -> None:
        self._settings = settings

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``training/{clean, flow, occlusions, invalid, depth, camdata_left}/STEM/frame_0001.…``."""
        root = folder / "training"
        for view in request.views:
            for t, frame in enumerate(view.frames(*sorted(request.labels))):
                self._frame(root, view, t, frame, request.labels)
            request.tell(f"{view.stem}: {view.frame_count} frames")
        return {"frames": sum(v.frame_count for v in request.views)}

    def _frame(self, root: Path, view: View, t: int, frame: Frame, labels: frozenset[str]) -> None:
        name = f"{view.stem}/frame_{t + 1:04d}"
        write_png(root / "clean" / f"{name}.png", frame.rgb)
        if t + 1 < view.frame_count:
            flow = array(frame, "flow_forward")
            known = np.asarray(np.isfinite(flow).all(axis=-1))
            _write(root / "flow" / f"{name}.flo", raw(np.where(known[..., None], flow, np.float32(UNKNOWN))))
            write_png(root / "invalid" / f"{name}.png", np.where(known, 0, 255).astype(np.uint8))
            if "occlusion" in labels:
                hidden = array(frame, "occluded_forward")
                write_png(root / "occlusions" / f"{name}.png", np.where(hidden, 255, 0).astype(np.uint8))
        if "depth" in labels:
            _write(root / "depth" / f"{name}.dpt", raw(array(frame, "depth")))
        path = pinhole(view, self.name)
        matrix = camera_bytes(integer_centers(path.K), path.camera_from_world[t])
        _write(root / "camdata_left" / f"{name}.cam", matrix)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
