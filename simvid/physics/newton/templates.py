"""Newton's conversion of a scene, kept for scenes that differ from it only in what is set afterwards.

The conversion takes most of the time of building a world, and yet the start of free bodies, masses, friction,
restitution and the options are all set on its result, in float64. Scenes that differ in nothing else, as samples of one
randomized scene mostly do, share one conversion; any other difference gets one of its own. The world is the same to the
last bit either way (a test compares them).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from simvid.assets.cache import key_of
from simvid.assets.parts import PartAssets, SceneAssets
from simvid.physics.newton.convert import convert, quiet_warp
from simvid.physics.newton.links import body_name
from simvid.physics.newton.model import SceneBuilder, build_model
from simvid.rotations import quat_from_matrix


def converted(assets: SceneAssets) -> tuple[SceneBuilder, Any]:
    """A scene as Newton builds it, and as MuJoCo's spec, before anything of it is tuned.

    Raises:
        SceneError: as ``build_model``.
    """
    with quiet_warp():
        scene = build_model(assets)
        return scene, convert(scene.builder, cone="elliptic", integrator="implicitfast")


class Templates:
    """Conversions by all that they depend on."""

    def __init__(self) -> None:
        """Start with none."""
        self._kept: dict[str, tuple[SceneBuilder, Any]] = {}

    def __len__(self) -> int:
        """How many conversions were needed so far."""
        return len(self._kept)

    def converted(self, assets: SceneAssets) -> tuple[SceneBuilder, Any]:
        """As ``converted``, from a kept one where there is one that fits."""
        free = _free(assets)
        key = _key(assets, free)
        if key not in self._kept:
            scene, spec = converted(assets)
            self._kept[key] = (replace(scene, builder=None), spec)
        scene, spec = self._kept[key]
        spec = spec.copy()
        for k in free:
            pose, body = assets.parts[k].pose, spec.body(body_name(k))
            body.pos = pose[:3, 3].astype(np.float32)  # what Newton keeps; the start in float64 is set later
            body.quat = quat_from_matrix(pose[:3, :3]).astype(np.float32)
        return replace(scene, assets=assets), spec


def _free(assets: SceneAssets) -> tuple[int, ...]:
    """Parts whose place Newton takes as the start of a free joint, and for nothing else."""
    held = {name for tie in assets.scene.attachments for name in (tie.a, tie.b)}
    held |= {p.body.joint.value.parent for p in assets.parts if p.body is not None and p.body.joint is not None}
    return tuple(
        k
        for k, p in enumerate(assets.parts)
        if p.body is not None and p.mass is not None and p.deformable is None and not p.part.fixed
        and p.body.motion is None and p.body.joint is None and p.part.name not in held
    )  # fmt: skip


def _key(assets: SceneAssets, free: tuple[int, ...]) -> str:
    """Of all that a conversion depends on, beside the places of free parts."""
    told: list[object] = [assets.scene.attachments]
    for k, part in enumerate(assets.parts):
        told += [part.part, part.mass is None, k in free, *_solid(part)]
        if k not in free:
            told += [part.pose, part.body and (part.body.joint, part.body.motion)]
            if part.mass is not None:
                told += [part.mass.mass_kg, part.mass.center_m, part.mass.inertia_kg_m2]
    for robot in assets.robots:
        told += [robot.name, robot.format, robot.xml, robot.base, robot.fixed_base]
    return key_of(*told)


def _solid(part: PartAssets) -> list[object]:
    """Shapes of a part; what they are like to touch is set afterwards."""
    told: list[object] = [len(part.colliders)]
    for collider in part.colliders:
        mesh = collider.mesh
        told += [collider.kind, collider.dimensions, collider.pose]
        told += [] if mesh is None else [mesh.vertices, mesh.faces]
    return told
