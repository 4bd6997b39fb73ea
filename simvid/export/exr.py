"""OpenEXR: one file per frame and camera, with every label as channels, without loss (ZIP).

``R G B`` are linear light, as half floats from which the sRGB bytes come back, and ``A`` is alpha as half for viewers;
labels keep their own precision (``alpha.A``); ids are 32-bit integers. Camera, time and seed are attributes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simvid.export.base import NoSettings, Request, View
from simvid.frames import BUFFER_LABELS, Frame

Channels = dict[str, NDArray[Any]]
AXES = ("X", "Y", "Z")
COLORS = ("R", "G", "B")
NAMES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "depth": ("depth", ("Z",)),
    "depth_expected": ("depth_expected", ("Z",)),
    "depth_surface": ("depth_surface", ("Z",)),
    "depth_sensor": ("depth_sensor", ("Z",)),
    "normals": ("normal", AXES),
    "object_coords": ("object_coords", AXES),
    "surface_normals": ("surface_normals", AXES),
    "surface_opaque": ("surface_opaque", ("Y",)),
    "scene_flow": ("scene_flow", AXES),
    "flow_forward": ("flow", ("u", "v")),
    "flow_backward": ("flowbw", ("u", "v")),
    "ids": ("part", ("id",)),
    "occluded_forward": ("occluded", ("forward",)),
    "occluded_backward": ("occluded", ("backward",)),
    "roughness": ("roughness", ("Y",)),
    "metallic": ("metallic", ("Y",)),
    "ambient_occlusion": ("ambient_occlusion", ("Y",)),
    "buffers_valid": ("buffers", ("valid",)),
}
"""Array -> layer, and the channels of its last axis; material and light buffers have R, G, B."""


def linear(rgb: NDArray[np.uint8]) -> NDArray[np.float16]:
    """sRGB bytes to linear light (IEC 61966-2-1)."""
    s = np.arange(256) / 255
    table = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return np.asarray(table.astype(np.float16)[rgb])


def channels(frame: Frame, instance_of_part: NDArray[np.int32]) -> Channels:
    """All channels of a frame: half, float or 32-bit unsigned [H, W]."""
    found: Channels = dict(zip(COLORS, np.moveaxis(linear(frame.rgb), -1, 0), strict=True))
    for name, values in frame.labels.items():
        if name == "alpha":
            found |= {"A": values.astype(np.float16), "alpha.A": values}
            continue
        layer, axes = NAMES.get(name, (name, COLORS))
        shown = linear(frame.traced) if name == "traced" and frame.traced is not None else values
        planes = shown[..., None] if shown.ndim == 2 else shown
        kept = planes if planes.dtype.kind == "f" else planes.astype(np.uint32)
        for k, axis in enumerate(axes):
            found[f"{layer}.{axis}"] = kept[..., k]
    if frame.ids is not None:
        found["instance.id"] = instance_of_part[frame.ids].astype(np.uint32)
    return {name: np.ascontiguousarray(plane) for name, plane in found.items()}


class Exr:
    """Every label as channels of pictures."""

    name: ClassVar[str] = "exr"
    version: ClassVar[str] = "2"
    summary: ClassVar[str] = "OpenEXR sequences: linear light and every label as lossless channels"
    holds: ClassVar[frozenset[str]] = frozenset(
        {"alpha", "depth", "depth_surface", "depth_sensor", "ids", "normals", "object_coords", "flow", "scene_flow",
         "occlusion"} | BUFFER_LABELS
    )  # fmt: skip
    needs: ClassVar[frozenset[str]] = frozenset()
    packages: ClassVar[tuple[str, ...]] = ("OpenEXR",)
    Settings: ClassVar[type[NoSettings]] = NoSettings

    def __init__(self, settings: NoSettings) -> None:
        self._settings = settings

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``STEM/frame_00000.exr``."""
        for view in request.views:
            (folder / view.stem).mkdir()
            lookup = view.clip.trajectory.instance_ids()
            for t, frame in enumerate(view.frames(*sorted(request.labels))):
                self._frame(folder / view.stem / f"frame_{t:05d}.exr", view, t, channels(frame, lookup))
            request.tell(f"{view.stem}: {view.frame_count} frames")
        return {"frames": sum(v.frame_count for v in request.views)}

    def _frame(self, path: Path, view: View, t: int, planes: Channels) -> None:
        import OpenEXR

        camera, record = view.path, view.clip.record
        header: dict[str, Any] = {
            "compression": OpenEXR.ZIP_COMPRESSION,
            "type": OpenEXR.scanlineimage,
            "simvid.camera": view.camera,
            "simvid.frame": str(t),
            "simvid.time_s": repr(t / view.fps),
            "simvid.seed": str(record.seed),
            "simvid.content_hash": record.content_hash,
            "simvid.K": json.dumps(camera.K.tolist()),
            "simvid.world_from_camera": json.dumps(camera.world_from_camera[t].tolist()),
            "simvid.lens": json.dumps({"kind": camera.lens.kind, "distortion": list(camera.lens.distortion)}),
        }
        OpenEXR.File(header, planes).write(str(path))
