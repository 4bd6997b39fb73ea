"""What can be found wrong with a scene before any long work: all of it, in one go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from simvid.assets.parts import SceneAssets
from simvid.assets.prepare import prepare
from simvid.errors import SceneError, SimvidError
from simvid.jobs.backends import refiner_of, renderer_of
from simvid.jobs.body_faults import body_faults
from simvid.jobs.coarse import asked_of, coarse_pass
from simvid.physics.scripts import check_robot
from simvid.rendering.camera import camera_path
from simvid.rendering.inside import check_camera
from simvid.rotations import pose_vector
from simvid.scene import Mount, Scene
from simvid.trajectory import Contacts, Trajectory


def prepared(scene: Scene, *, seen: bool = True) -> SceneAssets:
    """Read all files of a scene and check everything that can be checked without running it.

    Args:
        scene: with nothing left to draw.
        seen: whether it will be looked at: cameras, renderer and refiner are checked only then.

    Raises:
        SceneError: every fault found, a line each.
    """
    assets = prepare(scene)
    faults = [*_robot_faults(assets), *body_faults(assets)]
    if seen:
        faults += [*_camera_faults(assets), *_backend_faults(assets)]
    if faults:
        raise SceneError("\n".join(faults))
    return assets


def _robot_faults(assets: SceneAssets) -> list[str]:
    scene = assets.scene
    return [
        f"{scene.where(path)}: {message}"
        for robot, model in zip(scene.robots, assets.robots, strict=True)
        for path, message in check_robot(scene, robot, model)
    ]


def _camera_faults(assets: SceneAssets) -> list[str]:
    """Cameras that start inside a part, or run through one that never moves."""
    faults = []
    scene = assets.scene
    resting = replace(assets, parts=tuple(p for p in assets.parts if p.part.fixed))
    for camera in scene.views:
        try:
            check_camera(camera_path(camera, scene, at_start(assets, 1)), assets, at_start(assets, 1))
            if _goes_its_own_way(camera if camera.rig is None else scene.rig(camera.rig)):
                still = at_start(resting, scene.frame_count)
                check_camera(camera_path(camera, scene, still), resting, still)
        except SceneError as error:
            faults.append(str(error))
    return faults


def _goes_its_own_way(camera: Mount) -> bool:
    return camera.attach_to is None and camera.track is None


def at_start(assets: SceneAssets, frames: int) -> Trajectory:
    """A trajectory on which every part stays where it starts."""
    poses = np.array([pose_vector(p.pose) for p in assets.parts]).reshape(1, len(assets.parts), 7)
    return Trajectory(
        fps=assets.scene.fps,
        parts=tuple(p.part for p in assets.parts),
        poses=np.repeat(poses, frames, axis=0),
        twists=np.zeros((frames, len(assets.parts), 6)),
        contacts=Contacts.none(),
    )


def _backend_faults(assets: SceneAssets) -> list[str]:
    """Renderer and refiner settings, what the renderer cannot draw, and what the refiner cannot have."""
    faults, scene = [], assets.scene
    try:
        faults += [f"{scene.where('render')}: {text}" for text in renderer_of(scene).use.faults(assets)]
    except SimvidError as error:
        faults.append(str(error))
    try:
        refiner = refiner_of(scene.refine.refiner, Path(scene._base))
    except SimvidError as error:
        return [*faults, f"{scene.where('refine')}: {error}"]
    try:
        asked = asked_of(refiner, scene.refine.look, scene.seed)
    except SimvidError as error:
        return [*faults, f"{scene.where('refine.look')}: {error}"]
    try:
        if not faults:
            coarse_pass(assets, refiner.use.reads, asked.light)
    except SimvidError as error:
        faults.append(f"{scene.where('refine')}: {error}")
    return faults
