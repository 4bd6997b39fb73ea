"""A scene as other renderers take it: triangles, colours, poses of every frame, one camera, a sun. Plain arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid import load_scene
from simvid.assets.parts import SceneAssets
from simvid.frames import CameraPath
from simvid.pipeline import first_frames, prepared, sample, simulate
from simvid.rendering.camera import camera_path
from simvid.rendering.light.environment import DEFAULT_GROUND_COLOR, environment_of, ground_look, linear
from simvid.trajectory import Trajectory

GROUND_M = 20.0
"""Half the edge of the square that stands for the ground."""
BASE_GREY = (0.7, 0.7, 0.7)


@dataclass(frozen=True, eq=False)
class Shot:
    """One camera's view of a simulated scene."""

    assets: SceneAssets
    trajectory: Trajectory
    camera: CameraPath

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What ``np.savez`` writes for a renderer in another process.

        ``poses`` [T, B, 7] (w first); ``camera`` world_from_camera [T, 4, 4], OpenCV axes; ``pieces`` rows of part,
        first and last vertex, first and last face; ``looks`` rows of linear red, green, blue, roughness, metallic.
        """
        vertices, faces, pieces, looks = [], [], [], []
        for k, part in enumerate(self.assets.parts):
            visuals = [(v.mesh, v.look) for v in part.visuals if v.mesh is not None]
            found = [(m.vertices, m.faces, look, BASE_GREY) for m, look in visuals]
            if part.part.kind == "ground":
                corners = GROUND_M * np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
                triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
                found = [(corners, triangles, ground_look(self.assets.scene), DEFAULT_GROUND_COLOR)]
            for points, triangles, look, color in found:
                v0, f0 = sum(map(len, vertices)), sum(map(len, faces))
                pieces.append((k, v0, v0 + len(points), f0, f0 + len(triangles)))
                looks.append((*linear(look.base_color or color), look.roughness, look.metallic))
                vertices.append(points)
                faces.append(triangles)
        environment = environment_of(self.assets.scene)
        return {
            "vertices": np.concatenate(vertices), "faces": np.concatenate(faces),
            "pieces": np.array(pieces), "looks": np.array(looks),
            "poses": self.trajectory.poses, "camera": self.camera.world_from_camera,
            "size": np.array([self.camera.width, self.camera.height]),
            "fov_y": np.array(2 * math.atan(self.camera.height / 2 / self.camera.K[1, 1])),
            "sun": environment.sun_directions[0], "sun_irradiance": environment.sun_irradiance[0],
            "sun_spread": np.array(environment.sun_spread_rad), "sky": environment.sky[:2].mean(axis=0),
        }  # fmt: skip

    def save(self, path: Path) -> Path:
        """Write ``arrays``."""
        np.savez(path, **self.arrays())  # type: ignore[arg-type]
        return path


def shot(name: str, frames: int, size: tuple[int, int]) -> Shot:
    """The first camera of a shelf scene, its first frames, at a size of picture [px]."""
    scene = first_frames(load_scene(name, {"cameras.front.resolution_px": list(size)}), frames)
    drawn, _ = sample(scene, 0)
    assets = prepared(drawn)
    trajectory = simulate(scene)
    return Shot(assets, trajectory, camera_path(drawn.cameras[0], drawn, trajectory))
