"""The label ``traced``: the picture again, by a few paths of light per pixel and a denoiser, for refiners.

Splats know light by maps and bundles. A few paths know where its shadows end and what metal mirrors, with noise that a
refiner can average over time. Any rasterizer's frames can carry it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from simvid import registry
from simvid.assets.parts import SceneAssets
from simvid.errors import MissingExtraError, RenderError, SceneError
from simvid.frames import CameraPath, Frame
from simvid.rendering.base import RenderSettings
from simvid.trajectory import Trajectory

LABEL = "traced"
SAMPLES = 4
"""Paths per pixel."""
MAX_DEPTH = 6


def tracer_of(settings: RenderSettings, seed: int) -> Any:
    """The path tracer, with the light of a renderer's settings.

    Raises:
        MissingExtraError: Mitsuba or Open Image Denoise is not installed.
    """
    kind = _kind()
    return kind(kind.Settings(samples=SAMPLES, max_depth=MAX_DEPTH, seed=seed, exposure=settings.exposure,
                              far_m=settings.far_m))  # fmt: skip


def tracer_version(labels: Collection[str]) -> str | None:
    """Of the path tracer, where it draws one of the labels; for records and keys.

    Raises:
        MissingExtraError: as ``tracer_of``.
    """
    return str(tracer_of(RenderSettings(), 0).version()) if LABEL in labels else None


def faults(assets: SceneAssets) -> list[str]:
    """Why a scene cannot have the label: captures, blurred or noisy cameras, lenses that cannot be traced here.

    Raises:
        MissingExtraError: as ``tracer_of``.
    """
    found: list[str] = tracer_of(RenderSettings(), 0).scene_faults(assets)
    return [_without(text) for text in found]


def with_traced(
    frames: Iterator[Frame], assets: SceneAssets, trajectory: Trajectory, camera: CameraPath, settings: RenderSettings
) -> Iterator[Frame]:
    """The same frames with ``traced``; its noise comes from the scene's seed.

    Raises:
        SceneError: the scene cannot have it.
        RenderError: nor can a camera like this one, here.
        MissingExtraError: as ``tracer_of``.
    """
    if found := faults(assets):
        raise SceneError("\n".join(found))
    seed = int(assets.scene.seed) % 2**32
    try:
        pictures = tracer_of(settings, seed).frames(assets, trajectory, camera, ())
    except RenderError as error:
        raise RenderError(_without(str(error))) from error
    return (replace(frame, traced=other.rgb) for frame, other in zip(frames, pictures, strict=True))


def _kind() -> type[Any]:
    try:
        return registry.load("rendering", "pathtrace")
    except MissingExtraError as error:
        raise error.needed_by(f"label {LABEL!r}") from error


def _without(fault: str) -> str:
    """A fault, with the label that it is of and the way without it."""
    return f"label {LABEL!r}: {fault}; or leave the label out, and refine with a refiner that does not read it"
