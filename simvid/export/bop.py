"""BOP, scene by scene: models, poses of rigid objects seen from the camera, depth, masks, visibility.

Millimetres, OpenCV's camera, pixel centres at whole numbers, matrices row by row. An object is a body that is made of
meshes; the model's origin is the middle of its box. The ground, robots and captures are no objects. Silhouettes are
those inside the picture: ``px_count_all`` of an object that is cut by the border counts what is inside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simvid.export.base import Request, View, array
from simvid.export.bop_models import Models
from simvid.export.cameras import integer_centers, pinhole
from simvid.export.coco import info
from simvid.export.files import write_json, write_png
from simvid.export.rle import bounds, run_lengths
from simvid.frames import Frame
from simvid.motion import rigid_inverse
from simvid.scene.base import Model
from simvid.trajectory import pose_matrices

MM = 1000.0
TOP = 65535
NOTHING = [-1, -1, -1, -1]
IGNORED = 0.1
"""Detectors are not judged by things of which a smaller share is seen, as in the toolkit's ``calc_gt_coco``."""


class BopSettings(Model):
    """What may be set."""

    split: str = Field(default="train_pbr", pattern=r"^[a-z0-9_]+$")
    depth_scale: float = Field(default=0.1, gt=0)
    """Millimetres per step of the depth pictures; 0.1 reaches 6.5 m, and what is farther is 0, that is unknown."""


@dataclass(frozen=True)
class _Thing:
    """An object of a clip: its number, part id, and instance id."""

    obj_id: int
    part: int
    instance: int
    model_from_part: NDArray[np.float64]


class Bop:
    """Data sets of 6-D poses."""

    name: ClassVar[str] = "bop"
    version: ClassVar[str] = "scene-wise 2024"
    summary: ClassVar[str] = "BOP: 6-D poses, models, depth, amodal and visible masks"
    holds: ClassVar[frozenset[str]] = frozenset({"ids", "amodal", "depth", "poses"})
    needs: ClassVar[frozenset[str]] = holds
    packages: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[BopSettings]] = BopSettings

    def __init__(self, settings: BopSettings) -> None:
        self._settings = settings

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``models/``, ``camera.json``, ``dataset_info.json``, ``SPLIT/000000/…``: a scene per clip and camera."""
        models = Models()
        scenes = {}
        objects = [[_Thing(o, p, view.clip.trajectory.parts[p].instance_id, m) for o, p, m in models.of(view.clip)]
                   for view in request.views]  # fmt: skip
        categories = [{"id": k, "name": str(k), "supercategory": "simvid"} for k in sorted(models.names)]
        for number, (view, things) in enumerate(zip(request.views, objects, strict=True)):
            self._scene(view, things, categories, folder / self._settings.split / f"{number:06d}")
            scenes[f"{number:06d}"] = view.stem
            request.tell(f"{view.stem}: {view.frame_count} frames, {len(things)} objects")
        models.write(folder / "models")
        view = request.views[0]
        K = integer_centers(pinhole(view, self.name).K)
        intrinsics = {"fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
        write_json(folder / "camera.json", {**intrinsics, "width": view.width, "height": view.height,
                                            "depth_scale": self._settings.depth_scale})  # fmt: skip
        write_json(folder / "dataset_info.json", {"name": "simvid", "objects": models.names, "scenes": scenes})
        return {"scenes": len(scenes), "objects": len(models.names)}

    def _scene(self, view: View, things: list[_Thing], categories: list[dict[str, Any]], folder: Path) -> None:
        path = pinhole(view, self.name)
        K = integer_centers(path.K).reshape(-1).tolist()
        world = rigid_inverse(path.world_from_camera)
        cameras: dict[str, Any] = {}
        poses: dict[str, Any] = {}
        infos: dict[str, Any] = {}
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for t, frame in enumerate(view.frames("ids", "amodal", "depth")):
            write_png(folder / "rgb" / f"{t:06d}.png", frame.rgb)
            depth = self._depth(array(frame, "depth"))
            write_png(folder / "depth" / f"{t:06d}.png", depth)
            cameras[str(t)] = {
                "cam_K": K, "depth_scale": self._settings.depth_scale,
                "cam_R_w2c": world[t, :3, :3].reshape(-1).tolist(), "cam_t_w2c": (world[t, :3, 3] * MM).tolist(),
            }  # fmt: skip
            poses[str(t)] = [self._pose(view, world[t], thing, t) for thing in things]
            infos[str(t)] = [self._info(frame, depth, thing, folder, f"{t:06d}_{n:06d}.png")
                             for n, thing in enumerate(things)]  # fmt: skip
            images.append({"id": t, "file_name": f"rgb/{t:06d}.png", "width": view.width, "height": view.height})
            annotations += [self._annotation(frame, thing, t, infos[str(t)][n], t * len(things) + n + 1)
                            for n, thing in enumerate(things)]  # fmt: skip
        seen = [a for a in annotations if a["area"]]
        coco = {"info": info(), "licenses": [], "categories": categories, "images": images, "annotations": seen}
        write_json(folder / "scene_gt_coco.json", coco, None)
        for name, tree in (("scene_camera", cameras), ("scene_gt", poses), ("scene_gt_info", infos)):
            write_json(folder / f"{name}.json", tree)

    def _depth(self, depth_m: NDArray[np.float32]) -> NDArray[np.uint16]:
        steps = np.rint(depth_m.astype(np.float64) * MM / self._settings.depth_scale)
        return np.where(np.isfinite(steps) & (steps <= TOP), steps, 0).astype(np.uint16)

    def _pose(self, view: View, camera_from_world: NDArray[np.float64], thing: _Thing, t: int) -> dict[str, Any]:
        world_from_part = pose_matrices(view.clip.trajectory.poses[t, thing.part])
        pose = camera_from_world @ world_from_part @ rigid_inverse(thing.model_from_part)
        return {"obj_id": thing.obj_id, "cam_R_m2c": pose[:3, :3].reshape(-1).tolist(),
                "cam_t_m2c": (pose[:3, 3] * MM).tolist()}  # fmt: skip

    def _info(self, frame: Frame, depth: NDArray[np.uint16], thing: _Thing, folder: Path, name: str) -> dict[str, Any]:
        whole = frame.amodal_mask(thing.instance)
        seen = array(frame, "ids") == thing.part + 1
        write_png(folder / "mask" / name, (whole * np.uint8(255)))
        write_png(folder / "mask_visib" / name, (seen * np.uint8(255)))
        total, visible = int(whole.sum()), int(seen.sum())
        return {
            "bbox_obj": [int(v) for v in bounds(whole)] if total else NOTHING,
            "bbox_visib": [int(v) for v in bounds(seen)] if visible else NOTHING,
            "px_count_all": total, "px_count_valid": int((whole & (depth > 0)).sum()), "px_count_visib": visible,
            "visib_fract": visible / total if total else 0.0,
        }  # fmt: skip

    def _annotation(self, frame: Frame, thing: _Thing, t: int, about: dict[str, Any], number: int) -> dict[str, Any]:
        """Of ``scene_gt_coco.json``: the visible mask, the amodal box, as the toolkit makes them."""
        seen = array(frame, "ids") == thing.part + 1
        return {
            "id": number, "image_id": t, "category_id": thing.obj_id, "iscrowd": 0, "area": about["px_count_visib"],
            "bbox": about["bbox_obj"], "segmentation": {"size": list(seen.shape), "counts": run_lengths(seen)},
            "width": seen.shape[1], "height": seen.shape[0], "ignore": about["visib_fract"] < IGNORED,
        }  # fmt: skip
