"""Albedo and normals of what is seen, and whether it is opaque, as means over the pixels' areas."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from simvid.assets.parts import SceneAssets
from simvid.lens import parallel, picture_rays
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import Floats
from simvid.rendering.sharp.meshes import SharpMeshes
from simvid.rendering.sight import Sight
from simvid.surfaces.windows import face_windows
from simvid.trajectory import Trajectory

SIDE = 3
"""Samples along the edge of a pixel."""
AT_ONCE = 1 << 21
"""Samples in memory."""
NO_RAYS = np.zeros((0, 0, 2))


class SharpPictures:
    """Draws the meshes of one trajectory."""

    def __init__(self, assets: SceneAssets, trajectory: Trajectory, near_m: float) -> None:
        """``near_m``: nothing nearer is seen."""
        self._meshes, self._near_m = SharpMeshes(assets, trajectory), near_m

    def draw(
        self, sight: Sight, when: float, ground: tuple[Floats, Floats], workers: Workers, *, side: int = SIDE
    ) -> tuple[Floats, Floats, Floats]:
        """Draw one instant.

        Args:
            sight: the camera.
            when: time of the parts [frames].
            ground: its z [m], +inf without, [H, W], and its linear albedo, [H, W, 3].
            workers: threads.
            side: samples along the edge of a pixel.

        Returns:
            Albedo, linear, 0 for the sky; and normals in the camera's frame, turned to it, shorter than 1 where a
            pixel sees several, 0 for the sky; [H, W, 3]. And the share of each pixel that is opaque, [H, W].
        """
        from simvid.rendering.sharp.kernels import Samples, average_rows, nearest_rows

        camera, K = sight.camera, sight.camera.K.copy()
        K[:2] *= side
        fine = replace(camera, width=camera.width * side, height=camera.height * side, K=K)
        mesh, atlas = self._meshes.posed(when, sight.camera_from_world), self._meshes.atlas
        windows = face_windows(fine, mesh.vertices, mesh.faces, self._near_m)
        line = np.array([1 / K[0, 0], 1 / K[1, 1], K[0, 2], K[1, 2]])
        flat = parallel(fine)
        table = NO_RAYS if camera.lens.plain else picture_rays(fine)[0 if flat else 1]
        shape = (camera.height, camera.width)
        out = np.empty((*shape, 3), np.float32), np.empty((*shape, 3), np.float32), np.empty(shape, np.float32)
        up = np.ascontiguousarray(sight.pose[2, :3], np.float32)
        step = max(AT_ONCE // (fine.width * side), 1)
        for top in range(0, camera.height, step):
            rows = min(step, camera.height - top)
            size = (rows * side, fine.width)
            nearest = np.full(size, np.inf, np.float32), np.zeros(size, np.int32)
            samples = Samples(line, table, flat, top * side, *nearest)
            workers.run(partial(nearest_rows, samples, mesh, windows, self._near_m), size[0], least=16)
            body = partial(average_rows, samples, mesh, atlas, (*ground, up), side, out)
            workers.run(body, rows, least=8)
        return out
