"""FreeFall: a physics engine of one formula, for tests of what comes after physics."""

from __future__ import annotations

import numpy as np

from simvid.assets.parts import SceneAssets
from simvid.physics.base import Progress
from simvid.rotations import pose_vector
from simvid.trajectory import Contacts, Trajectory


class FreeFall:
    """Bodies fly on parabolas, x = x0 + v0 t + g t^2 / 2, through each other and the ground; fixed ones stay."""

    name = "free_fall"

    def version(self) -> str:
        """Of the formula."""
        return "1"

    def check(self, assets: SceneAssets) -> None:
        """Refuse nothing: bodies fly through each other."""

    def simulate(self, assets: SceneAssets, progress: Progress | None = None) -> Trajectory:
        """Evaluate the formula at every frame."""
        scene, parts = assets.scene, assets.parts
        times = np.arange(scene.frame_count) / scene.fps
        gravity = np.array(scene.physics.gravity_m_s2)
        poses = np.tile(np.array([pose_vector(p.pose) for p in parts]).reshape(1, -1, 7), (len(times), 1, 1))
        twists = np.zeros((len(times), len(parts), 6))
        for k, part in enumerate(parts):
            if part.body is not None and not part.part.fixed:
                start = np.array(part.body.velocity_m_s)
                poses[:, k, :3] += times[:, None] * start + times[:, None] ** 2 / 2 * gravity
                twists[:, k, :3] = start + times[:, None] * gravity
        if progress is not None:
            progress(len(times), len(times))
        masses = np.array([np.inf if p.mass is None else p.mass.mass_kg for p in parts])
        return Trajectory(
            fps=scene.fps, parts=tuple(p.part for p in parts), poses=poses, twists=twists, contacts=Contacts.none(),
            engine=self.name, engine_version=self.version(), step_s=scene.step_s, masses_kg=masses,
        )  # fmt: skip
