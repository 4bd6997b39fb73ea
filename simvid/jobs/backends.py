"""The engine, renderer and refiner that a scene names, ready to use, with what is recorded about each."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from simvid import __version__, catalogue, registry
from simvid.assets.parts import SceneAssets
from simvid.clips.records import Backend
from simvid.frames import CameraPath, Frame
from simvid.physics.base import PhysicsEngine
from simvid.refining.base import Refiner
from simvid.rendering.base import RenderSettings
from simvid.scene import Scene
from simvid.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Engine:
    """A physics engine."""

    use: PhysicsEngine
    record: Backend


@dataclass(frozen=True, eq=False)
class Renderer:
    """A rasterizer's class, which is called with ``threads`` if it takes that, and the settings of its entry."""

    kind: type[Any]
    settings: RenderSettings
    record: Backend

    def frames(self, assets: SceneAssets, trajectory: Trajectory, camera: CameraPath) -> Iterator[Frame]:
        """Draw every frame, with the labels that the scene asks for."""
        from simvid.rendering.renderer import render_frames

        threaded = "threads" in inspect.signature(self.kind).parameters
        rasterizer = self.kind(threads=self.settings.threads) if threaded else self.kind()
        return render_frames(assets, trajectory, camera, rasterizer, assets.scene.labels, self.settings)


@dataclass(frozen=True, eq=False)
class ChosenRefiner:
    """A refiner with the settings of its entry."""

    use: Refiner
    record: Backend


def engine_of(scene: Scene) -> Engine:
    """The physics engine of a scene.

    Raises:
        SimvidError: no such engine, or a package it needs is missing.
    """
    name = scene.physics.engine
    engine: PhysicsEngine = registry.load("physics", name)()
    return Engine(engine, Backend(backend=name, version=engine.version()))


def renderer_of(scene: Scene) -> Renderer:
    """The renderer of a scene.

    Raises:
        SceneError: no such entry, or faults in its settings.
        SimvidError: no such backend, or a package it needs is missing.
    """
    entry = catalogue.load_entry("renderers", scene.render, Path(scene._base))
    kind = registry.load("rendering", entry.backend)
    settings = entry.settings_as(RenderSettings)
    dump = settings.model_dump(mode="json", exclude={"threads"})  # any number gives the same bits
    record = Backend(entry=entry.name, backend=entry.backend, version=version_of(kind), settings=dump)
    return Renderer(kind, settings, record)


def refiner_of(name: str, base: Path) -> ChosenRefiner:
    """A refiner by its name on the shelf, or by the path of its entry, relative to a folder.

    Raises:
        SceneError: no such entry, or faults in its settings.
        SimvidError: no such backend, or a package it needs is missing.
    """
    entry = catalogue.load_entry("refiners", name, base)
    kind = registry.load("refining", entry.backend)
    refiner: Refiner = kind(entry.settings_as(kind.Settings))
    record = Backend(
        entry=entry.name, backend=entry.backend, version=refiner.version(), settings=dict(refiner.settings())
    )
    return ChosenRefiner(refiner, record)


def version_of(kind: type[Any]) -> str:
    """Name and version of the package that a class comes from."""
    package = kind.__module__.partition(".")[0]
    if package == "simvid":
        return f"simvid {__version__}"
    owners = metadata.packages_distributions().get(package, [])
    return f"{owners[0]} {metadata.version(owners[0])}" if owners else f"{package} (not installed)"
