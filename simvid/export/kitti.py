"""KITTI: flow and depth as 16-bit PNG, pictures, and camera matrices, by the devkits of the flow 2015 and depth
benchmarks.

Flow: (u, v) = (R, G - 2^15) / 64 px, B = 1 where known, within 512 px. Depth: value / 256 m, 0 where there is none,
to 255.99 m.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simvid.export.base import NoSettings, Request, View, array
from simvid.export.cameras import integer_centers, pinhole
from simvid.export.files import write_png
from simvid.frames import Frame

FLOW_STEP = 64
FLOW_ZERO = 1 << 15
DEPTH_STEP = 256
TOP = 65535


def flow_code(flow: NDArray[np.float32], hidden: NDArray[np.bool_] | None = None) -> NDArray[np.uint16]:
    """Flow [px] as R, G, B of the PNG, uint16 [H, W, 3]; unknown, out of range or hidden pixels are all zero."""
    with np.errstate(invalid="ignore"):
        codes = np.asarray(np.rint(flow.astype(np.float64) * FLOW_STEP + FLOW_ZERO))
    known = np.asarray((np.isfinite(codes) & (codes >= 0) & (codes <= TOP)).all(axis=-1))
    if hidden is not None:
        known = known & ~hidden
    found = np.zeros((*flow.shape[:2], 3), np.uint16)
    found[..., :2] = np.where(known[..., None], codes, 0)
    found[..., 2] = known
    return found


def depth_code(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Depth [m] as the PNG's values, uint16 [H, W]; 0 where there is none, or beyond 255.99 m."""
    codes = np.rint(depth.astype(np.float64) * DEPTH_STEP)
    known = np.isfinite(codes) & (codes >= 1) & (codes <= TOP)
    return np.where(known, codes, 0).astype(np.uint16)


class Kitti:
    """Optical flow and depth as pictures."""

    name: ClassVar[str] = "kitti"
    version: ClassVar[str] = "2015"
    summary: ClassVar[str] = "KITTI: flow (all, and not occluded) and depth as 16-bit PNG"
    holds: ClassVar[frozenset[str]] = frozenset({"flow", "occlusion", "depth"})
    needs: ClassVar[frozenset[str]] = frozenset()
    packages: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[NoSettings]] = NoSettings

    def __init__(self, settings: NoSettings) -> None:
        self._settings = settings

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``image_2/STEM/000000_10.png``, ``flow_occ/``, ``flow_noc/``, ``depth/``, ``calib/STEM.txt``."""
        beyond = {"flow_beyond_512_px": 0, "depth_beyond_256_m": 0}
        for view in request.views:
            for t, frame in enumerate(view.frames(*sorted(request.labels))):
                write_png(folder / "image_2" / view.stem / f"{t:06d}_10.png", frame.rgb)
                self._labels(request, view, t, frame, folder, beyond)
            self._calibration(view, folder)
            request.tell(f"{view.stem}: {view.frame_count} frames")
        return {"frames": sum(v.frame_count for v in request.views), **beyond}

    def _labels(self, request: Request, view: View, t: int, frame: Frame, folder: Path, beyond: dict[str, int]) -> None:
        name = f"{view.stem}/{t:06d}_10.png"
        if "flow" in request.labels and t + 1 < view.frame_count:
            flow = array(frame, "flow_forward")
            code = flow_code(flow)
            beyond["flow_beyond_512_px"] += int(np.isfinite(flow).all(axis=-1).sum() - code[..., 2].sum())
            write_png(folder / "flow_occ" / name, code)
            if "occlusion" in request.labels:
                write_png(folder / "flow_noc" / name, flow_code(flow, array(frame, "occluded_forward")))
        if "depth" in request.labels:
            depth = array(frame, "depth")
            code = depth_code(depth)
            beyond["depth_beyond_256_m"] += int(np.isfinite(depth).sum() - np.count_nonzero(code))
            write_png(folder / "depth" / name, code)

    def _calibration(self, view: View, folder: Path) -> None:
        """``P2``, the camera matrix with pixel centres at whole numbers, and its pose at each frame."""
        K = integer_centers(pinhole(view, self.name).K)
        row = " ".join(f"{x:.12e}" for x in np.hstack([K, np.zeros((3, 1))]).reshape(-1))
        (folder / "calib").mkdir(exist_ok=True)
        (folder / "calib" / f"{view.stem}.txt").write_text(f"P2: {row}\n")
        poses = view.path.world_from_camera[:, :3].reshape(-1, 12)
        lines = [" ".join(f"{x:.12e}" for x in pose) for pose in poses]
        (folder / "poses").mkdir(exist_ok=True)
        (folder / "poses" / f"{view.stem}.txt").write_text("\n".join(lines) + "\n")
