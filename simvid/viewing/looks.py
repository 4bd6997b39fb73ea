"""What parts look like in a viewer: their Gaussians, each part in its own frame, in plain daylight colours.

Viewers draw fixed colours, so light is painted on once: suns and sky of the scene on the pose in the middle of the
clip, without shadows. Captures keep the light that they were recorded in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.color import linear_to_srgb, srgb_to_linear
from simvid.assets.parts import SceneAssets
from simvid.assets.prepare import prepare
from simvid.camera_path import CameraPath
from simvid.clip import Clip
from simvid.gaussians import SH_C0
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import look_at
from simvid.rendering.light.environment import Environment, environment_of
from simvid.rendering.splats.appearance import Appearance, appearance_of
from simvid.rendering.splats.detail import MOST_FRAMES
from simvid.trajectory import pose_matrices
from simvid.viewing.content import Content

Floats: TypeAlias = NDArray[np.float32]
DOME = 48
"""Directions of sky that light is gathered from."""
EYES, EYES_AWAY, EYE_PX, EYE_FOV_RAD = MOST_FRAMES, 1.7, 480, float(np.radians(50))
"""Eyes around the scene, how far from its middle [its sizes], and their square pictures."""


@dataclass(frozen=True, eq=False)
class PartLook:
    """The Gaussians of one part in its own frame.

    Attributes:
        id: of the part.
        means [m], quats (w, x, y, z), scales [m]: float32 [N, 3], [N, 4], [N, 3].
        colors: display sRGB, uint8 [N, 3].
        opacities: float32 [N].
    """

    id: int
    means: Floats
    quats: Floats
    scales: Floats
    colors: NDArray[np.uint8]
    opacities: Floats

    def covariances(self) -> Floats:
        """Second moments [m^2], [N, 3, 3]."""
        return covariances_of(self.quats, self.scales)


def covariances_of(quats: Floats, scales: Floats) -> Floats:
    """Second moments [m^2] of Gaussians with axes (w, x, y, z) [N, 4] and scales [m] [N, 3], float32 [N, 3, 3]."""
    w, x, y, z = quats.T
    rotation = np.stack(
        [
            1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
        ],
        axis=-1,
    ).reshape(-1, 3, 3)  # fmt: skip
    root = rotation * scales[:, None, :]
    return np.asarray(root @ np.swapaxes(root, 1, 2), np.float32)


def covered(clip: Clip, most: int) -> tuple[SceneAssets, Appearance]:
    """The parts of a clip's scene and their Gaussians.

    Args:
        clip: whose scene and motion to use.
        most: Gaussians in all; meshes are covered more coarsely if they would need more.

    Raises:
        SimvidError: meshes, robots or captures that the scene names are no longer there.
    """
    assets = prepare(clip.scene)
    cameras = [*clip.cameras.values(), *around(Content(clip))]
    return assets, appearance_of(assets, clip.trajectory, cameras, RenderSettings(max_gaussians=most))


def around(content: Content) -> list[CameraPath]:
    """Where someone may look from who walks about a scene: ``EYES`` eyes on a dome, as cameras that go round it.

    The clip's own cameras alone would leave large splats on what their pictures do not show. One camera is at every
    eye in turn at the frames that ``appearance_of`` looks at; a clip of fewer frames has more of them.
    """
    low, high = content.bounds_m
    middle, far = (low + high) / 2, EYES_AWAY * content.size_m
    turn = np.arange(EYES) * np.pi * (3 - np.sqrt(5))  # Fibonacci's spiral: even over the dome
    height = (np.arange(EYES) + 0.5) / EYES
    ways = np.stack([np.sqrt(1 - height**2) * np.cos(turn), np.sqrt(1 - height**2) * np.sin(turn), height], axis=1)
    poses = np.stack([look_at(middle + far * way, middle) for way in ways])
    focal = EYE_PX / 2 / np.tan(EYE_FOV_RAD / 2)
    K = np.array([[focal, 0, EYE_PX / 2], [0, focal, EYE_PX / 2], [0, 0, 1]])
    count = content.trajectory.frame_count
    rounds = -(-EYES // count)
    looked_at = np.linspace(0, count * rounds - 1, EYES).round()
    place = np.searchsorted(looked_at, np.arange(count * rounds), side="right").reshape(count, rounds) - 1
    return [CameraPath(f"around {k}", EYE_PX, EYE_PX, K, poses[place[:, k]]) for k in range(rounds)]


def looks_of(clip: Clip, look: Appearance) -> list[PartLook]:
    """The Gaussians that cover a clip's scene, part by part, under its light; of what deforms, at rest."""
    colors = _lit(look, environment_of(clip.scene), clip.trajectory.poses[clip.frame_count // 2])
    return list(_split(look, colors))


def _split(look: Appearance, colors: NDArray[np.uint8]) -> Iterator[PartLook]:
    splats = look.gaussians
    for k in range(len(look.starts) - 1):
        rows = slice(int(look.starts[k]), int(look.starts[k + 1]))
        if rows.stop > rows.start:
            opacities = splats.opacities[rows] * look.gloss[rows, 6]
            yield PartLook(k + 1, splats.means[rows], splats.quats[rows], splats.scales[rows], colors[rows], opacities)


def _lit(look: Appearance, environment: Environment, poses: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Display colours of all Gaussians, uint8 [N, 3]."""
    plain = np.clip(0.5 + SH_C0 * look.gaussians.sh[:, 0], 0, 1)
    rotations = pose_matrices(poses)[:, :3, :3]
    light = np.ones_like(plain)
    for k in range(len(look.starts) - 1):
        rows = slice(int(look.starts[k]), int(look.starts[k + 1]))
        normals = look.normals[rows] @ rotations[k].T.astype(np.float32)
        points = look.points[rows] @ rotations[k].T + poses[k, :3]
        light[rows] = daylight(environment, points, normals, look.gloss[rows, 1:2])
    lit = linear_to_srgb(np.clip(srgb_to_linear(plain) * light * (environment.exposure / np.pi), 0, 1))
    return np.asarray(np.rint(np.where(look.baked[:, None], plain, lit) * 255), np.uint8)


def daylight(environment: Environment, points: NDArray[np.floating], normals: Floats, metal: Floats) -> Floats:
    """Light on surfaces with nothing in the way, linear RGB, [N, 3]; ``metal`` is their metalness, [N, 1]."""
    return np.asarray(
        irradiance(environment, normals) + (1 - metal) * lamplight(environment, points, normals), np.float32
    )


def irradiance(environment: Environment, normals: Floats) -> Floats:
    """Light of the sky, and of the ground that shines back up, on surfaces with nothing in the way; linear RGB, [N, 3].

    Args:
        environment: sky and ground.
        normals: unit, world, [N, 3].
    """
    directions, radiance = environment.sky_dome(DOME)
    light = np.maximum(normals @ directions.T, 0) @ radiance * (2 * np.pi / DOME)
    bounce = environment.open_ground_irradiance() * environment.ground_albedo
    light += (0.5 - 0.5 * normals[:, 2:]) * bounce
    return np.asarray(light, np.float32)


def lamplight(environment: Environment, points: NDArray[np.floating], normals: Floats) -> Floats:
    """Light of suns and lamps on surfaces with nothing in the way, linear RGB, [N, 3].

    Metals show it as a spot of gloss and not all over, so a viewer leaves it out for them.

    Args:
        environment: suns and lamps.
        points: world [m], [N, 3].
        normals: unit, world, [N, 3].
    """
    light = np.maximum(normals @ environment.sun_directions.T, 0) @ environment.sun_irradiance
    for place, intensity in zip(environment.lamp_positions, environment.lamp_intensity, strict=True):
        way = place - points
        square = np.maximum((way * way).sum(axis=1, keepdims=True), 1e-6)
        cosine = np.maximum((normals * way).sum(axis=1, keepdims=True), 0) / np.sqrt(square)
        light += cosine / square * intensity
    return np.asarray(light, np.float32)


def sky_color(clip: Clip) -> tuple[int, int, int]:
    """Display colour of the sky a little above the horizon."""
    environment = environment_of(clip.scene)
    return _display(environment.sky_radiance(np.array([1.0, 0.0, 0.15])) * environment.exposure)


def ground_color(clip: Clip) -> tuple[int, int, int]:
    """Display colour of the open ground."""
    environment = environment_of(clip.scene)
    return _display(environment.open_ground_irradiance() * environment.ground_albedo * (environment.exposure / np.pi))


def _display(light: NDArray[np.floating]) -> tuple[int, int, int]:
    red, green, blue = np.rint(linear_to_srgb(np.clip(light, 0, 1)) * 255).astype(int)
    return int(red), int(green), int(blue)
