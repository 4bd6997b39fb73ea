"""``metadata.json`` and ``events.json`` of Kubric, from what the simulation knows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets
from simvid.assets.prepare import prepare
from simvid.export.base import View
from simvid.export.boxes import box_rows, boxes_now_m
from simvid.lens import project
from simvid.rotations import pose_vector
from simvid.surfaces.boxes import box_corners
from simvid.trajectory import EVENTS, Trajectory, pose_matrices

FLOOR = 65535
SENSOR_WIDTH_MM = 36.0
LOOK_ALONG_MINUS_Z = np.diag([1.0, -1.0, -1.0, 1.0])
"""Blender's camera from OpenCV's."""


def things(trajectory: Trajectory) -> list[int]:
    """Indices of the parts that are instances: bodies and links of robots, not the ground."""
    return [k for k, part in enumerate(trajectory.parts) if part.kind != "ground"]


def numbers(trajectory: Trajectory) -> NDArray[np.uint8]:
    """Part id -> number in ``segmentation``; the ground and the sky are 0."""
    lookup = np.zeros(len(trajectory.parts) + 1, np.int64)
    for number, k in enumerate(things(trajectory), start=1):
        lookup[k + 1] = number
    return lookup.astype(np.uint8) if lookup.max(initial=0) < 256 else lookup  # type: ignore[return-value]


def metadata(view: View, visible: NDArray[np.int64]) -> dict[str, Any]:
    """Camera, instances, sizes. ``visible``: pixels of each number at each frame, [T, N + 1]."""
    trajectory = view.clip.trajectory
    parts = {p.part.name: p for p in prepare(view.clip.scene).parts}
    boxes = np.nan_to_num(boxes_now_m(view.clip))
    instances = [
        _instance(view, k, parts.get(trajectory.parts[k].name), visible[:, number], boxes[:, k])
        for number, k in enumerate(things(trajectory), start=1)
    ]
    return {
        "flags": {"simvid": view.clip.content_hash},
        "metadata": {
            "resolution": [view.width, view.height], "frame_rate": view.fps, "num_frames": view.frame_count,
            "num_instances": len(instances), "background": str(view.clip.record.scene.get("look") or "none"),
        },
        "camera": camera(view),
        "instances": instances,
    }  # fmt: skip


def camera(view: View) -> dict[str, Any]:
    """Kubric's numbers: lengths in millimetres of a sensor 36 wide, K normalised, poses of a camera along -z."""
    path = view.path
    focal = float(path.K[0, 0]) / view.width * SENSOR_WIDTH_MM
    turned = path.world_from_camera @ LOOK_ALONG_MINUS_Z
    poses = np.stack([pose_vector(matrix) for matrix in turned])
    height = SENSOR_WIDTH_MM * view.height / view.width
    return {
        "focal_length": focal, "sensor_width": SENSOR_WIDTH_MM,
        "field_of_view": 2 * math.atan(SENSOR_WIDTH_MM / 2 / focal),
        "positions": poses[:, :3].tolist(), "quaternions": poses[:, 3:].tolist(),
        "K": [[focal / SENSOR_WIDTH_MM, 0.0, -0.5], [0.0, -focal / height, -0.5], [0.0, 0.0, -1.0]],
        "R": turned[0].tolist(),
    }  # fmt: skip


def _instance(
    view: View, k: int, assets: PartAssets | None, visible: NDArray[np.int64], boxes_m: NDArray[np.float64]
) -> dict[str, Any]:
    """``boxes_m``: lowest and highest corner at each frame, along the axes of the part, [T, 2, 3]."""
    trajectory = view.clip.trajectory
    part, record = trajectory.parts[k], view.clip.record.parts[k]
    matrices = pose_matrices(trajectory.poses[:, k])
    corners = np.einsum("tab,tcb->tca", matrices[:, :3, :3], box_corners(boxes_m)) + matrices[:, None, :3, 3]
    collider = assets.colliders[0] if assets is not None and assets.colliders else None
    frames = np.flatnonzero(visible)
    return {
        "asset_id": part.name, "category": part.category, "scale": 1.0, "is_dynamic": not part.fixed,
        "mass": record.mass_kg if record.mass_kg is not None else 0.0,
        "friction": collider.friction if collider is not None else 0.0,
        "restitution": collider.restitution if collider is not None else 0.0,
        "positions": trajectory.poses[:, k, :3].tolist(), "quaternions": trajectory.poses[:, k, 3:].tolist(),
        "velocities": trajectory.twists[:, k, :3].tolist(), "angular_velocities": trajectory.twists[:, k, 3:].tolist(),
        "bboxes_3d": corners.tolist(), "image_positions": _places(view, trajectory.poses[:, k, :3]).tolist(),
        "bboxes": _boxes(view, part.instance, frames), "bbox_frames": frames.tolist(),
        "visibility": np.minimum(visible, FLOOR).tolist(),
    }  # fmt: skip


def _boxes(view: View, instance: str, frames: NDArray[np.int64]) -> list[list[float]]:
    """[y_min, x_min, y_max, x_max] as shares of the picture, of the frames in which it is seen; links have those of
    their robot."""
    rows = box_rows(view)
    found = []
    for t in frames:
        row = next(r for r in rows[int(t)] if r["instance"] == instance)
        found.append([float(row["y_min"]) / view.height, float(row["x_min"]) / view.width,
                      float(row["y_max"]) / view.height, float(row["x_max"]) / view.width])  # fmt: skip
    return found


def _places(view: View, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where world points [T, 3] are in the picture, as shares of it; -1 where the camera cannot see them."""
    seen = np.einsum("tab,tb->ta", view.path.camera_from_world[:, :3, :3], points)
    seen += view.path.camera_from_world[:, :3, 3]
    return np.nan_to_num(project(view.path, seen) / [view.width, view.height], nan=-1.0)


def events(view: View) -> dict[str, Any]:
    """A collision per contact that begins: impulse over the frame's time as its force."""
    trajectory = view.clip.trajectory
    order = {k + 1: n for n, k in enumerate(things(trajectory))}
    c, found = trajectory.contacts, []
    begins = np.flatnonzero(c.event == EVENTS.index("begin"))
    for k in begins:
        pair = [order.get(int(c.id_a[k]), FLOOR), order.get(int(c.id_b[k]), FLOOR)]
        frame, point = int(c.frame[k]), c.point_m[k]
        inside = view.path.camera_from_world[frame, :3, :3] @ point + view.path.camera_from_world[frame, :3, 3]
        place = np.nan_to_num(project(view.path, inside) / [view.width, view.height], nan=-1.0)
        found.append(
            {
                "instances": pair, "frame": frame, "force": float(np.linalg.norm(c.impulse_n_s[k])) * view.fps,
                "position": point.tolist(), "image_position": place.tolist(), "contact_normal": c.normal[k].tolist(),
            }
        )  # fmt: skip
    return {"collisions": found}
