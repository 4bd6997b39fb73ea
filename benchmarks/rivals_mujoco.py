"""Rival: MuJoCo's own renderer, for the passes it has: colour, depth, and ids by segmentation. Mesa draws, one thread.

The same triangles hang on mocap bodies that are put where ours are. Normals and flow it does not know.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks_table import NotHereError

os.environ.update(LP_NUM_THREADS="0", LIBGL_ALWAYS_SOFTWARE="1")
os.environ.setdefault("MUJOCO_GL", "osmesa")


def model_of(data: dict[str, Any]) -> Any:
    """A MuJoCo model of ``rivals_scene``'s arrays; mocap body k is part k."""
    import mujoco

    spec = mujoco.MjSpec()
    width, height = data["size"].tolist()
    spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
    spec.visual.map.znear, spec.visual.map.zfar = 0.01, 50.0
    spec.stat.extent, spec.stat.center = 1.0, [0, 0, 0]
    spec.visual.quality.shadowsize = 2048
    bodies = [spec.worldbody.add_body(name=f"part_{k}", mocap=True) for k in range(data["poses"].shape[1])]
    for k, (part, v0, v1, f0, f1) in enumerate(data["pieces"].tolist()):
        vertices, faces = data["vertices"][v0:v1], data["faces"][f0:f1]
        color = [*np.clip(data["looks"][k, :3], 0, 1) ** (1 / 2.2), 1]
        plain = {"rgba": color, "contype": 0, "conaffinity": 0}
        if np.ptp(vertices[:, 2]) == 0:  # MuJoCo knows no flat meshes
            half = [*(np.ptp(vertices, axis=0)[:2] / 2), 1]
            bodies[part].add_geom(name=f"piece_{k}", type=mujoco.mjtGeom.mjGEOM_PLANE, size=half, **plain)
            continue
        mesh = {"uservert": vertices.flatten().tolist(), "userface": faces.flatten().tolist()}
        spec.add_mesh(name=f"mesh_{k}", **mesh, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX)
        bodies[part].add_geom(name=f"piece_{k}", type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"mesh_{k}", **plain)
    eye = spec.worldbody.add_body(name="eye", mocap=True)
    eye.add_camera(name="camera", fovy=math.degrees(float(data["fov_y"])))
    middle = np.median(data["poses"][0, :, :3], axis=0)  # its shadow map reaches one metre around the light's line
    spec.worldbody.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        dir=(-data["sun"]).tolist(),
        pos=(middle + 1.5 * data["sun"]).tolist(),
        diffuse=[0.7] * 3,
    )
    return spec.compile()


class Drawer:
    """Draws frames: colour, depth and segmentation, three passes as MuJoCo does it.

    Raises:
        NotHereError: no OpenGL without a display.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        import mujoco

        self._data, self._mujoco = data, mujoco
        self._model = model_of(data)
        self._state = mujoco.MjData(self._model)
        width, height = data["size"].tolist()
        try:
            self._renderer = mujoco.Renderer(self._model, height, width)
        except Exception as error:  # whatever PyOpenGL raises
            text = f"MuJoCo's renderer: skipped, no OpenGL ({error}); on Debian: apt-get install libosmesa6"
            raise NotHereError(text) from error
        self.gl = os.environ["MUJOCO_GL"]

    def draw(self, frame: int) -> dict[str, Any]:
        """Colour uint8 [H, W, 3], z [m] [H, W], ids [H, W]."""
        state, renderer = self._state, self._renderer
        matrix = self._data["camera"][frame] @ np.diag([1, -1, -1, 1])
        turn = np.empty(4)
        self._mujoco.mju_mat2Quat(turn, matrix[:3, :3].flatten())
        state.mocap_pos[:-1], state.mocap_quat[:-1] = (
            self._data["poses"][frame, :, :3],
            self._data["poses"][frame, :, 3:],
        )
        state.mocap_pos[-1], state.mocap_quat[-1] = matrix[:3, 3], turn
        self._mujoco.mj_kinematics(self._model, state)
        self._mujoco.mj_camlight(self._model, state)
        renderer.update_scene(state, "camera")
        rgb = renderer.render()
        renderer.enable_depth_rendering()
        depth = renderer.render()
        renderer.disable_depth_rendering()
        renderer.enable_segmentation_rendering()
        geoms = renderer.render()[..., 0]
        renderer.disable_segmentation_rendering()
        bodies = np.append(self._model.geom_bodyid, 0)  # geom -1 is the sky
        return {"rgb": rgb, "depth": depth, "ids": bodies[geoms]}

    def close(self) -> None:
        """Let OpenGL go, while it still can."""
        self._renderer.close()

    def cpu_s(self, frames: list[int]) -> list[float]:
        """CPU seconds of each frame."""
        return [seconds(lambda: self.draw(frame)) for frame in frames]  # noqa: B023  called here


def seconds(call: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    started = time.process_time()
    call()
    return time.process_time() - started
