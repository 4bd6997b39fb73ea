"""The engine, renderer and refiner that a scene names, ready to use, with what is recorded about each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol, runtime_checkable

from simvid import catalogue, registry
from simvid.assets.parts import SceneAssets
from simvid.clips.records import Backend
from simvid.errors import SceneError, SimvidError
from simvid.frames import CameraPath, Frame
from simvid.parsing.wording import fault
from simvid.physics.base import PhysicsEngine
from simvid.refining.base import Refiner
from simvid.rendering.base import Renderer
from simvid.rendering.splat_renderer import SplatRenderer
from simvid.scene import Scene
from simvid.trajectory import Trajectory


@runtime_checkable
class Beside(Protocol):
    """Settings with paths that start at the folder of the entry's own file."""

    def beside(self, folder: Path) -> Any:
        """The same, with whole paths."""
        ...


@dataclass(frozen=True, eq=False)
class Engine:
    """A physics engine."""

    use: PhysicsEngine
    record: Backend


@dataclass(frozen=True, eq=False)
class ChosenRenderer:
    """A renderer with the settings of its entry."""

    use: Renderer
    record: Backend

    @property
    def compiles(self) -> bool:
        """Whether its kernels can be compiled before anything is known of the scene."""
        return isinstance(self.use, SplatRenderer)

    def frames(self, assets: SceneAssets, trajectory: Trajectory, camera: CameraPath) -> Iterator[Frame]:
        """Draw every frame, with the labels that the scene asks for."""
        return self.use.frames(assets, trajectory, camera, assets.scene.labels)


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


def renderer_of(scene: Scene) -> ChosenRenderer:
    """The renderer of a scene.

    Raises:
        SceneError: no such entry, or faults in its settings.
        SimvidError: no such backend, it does not work on this machine, or a package it needs is missing.
    """
    entry = catalogue.load_entry("renderers", scene.render, Path(scene._base))
    kind = _backend("rendering", entry)
    renderer: Renderer
    if hasattr(kind, "rasterize"):
        renderer = SplatRenderer(kind, entry.settings_as(SplatRenderer.Settings))
    elif hasattr(kind, "frames") and hasattr(kind, "Settings"):
        renderer = kind(entry.settings_as(kind.Settings))
    else:
        raise SimvidError(
            f"renderer backend {entry.backend!r}: expected a rasterizer, which has rasterize, or a renderer, which has "
            f"frames and Settings, got {kind.__module__}.{kind.__qualname__}"
        )
    record = Backend(
        entry=entry.name, backend=entry.backend, version=renderer.version(), settings=dict(renderer.settings())
    )
    return ChosenRenderer(renderer, record)


def refiner_of(name: str, base: Path, changes: Mapping[str, Any] = MappingProxyType({})) -> ChosenRefiner:
    """A refiner by its name on the shelf, or by the path of its entry, relative to a folder.

    Args:
        name: of the entry, or its path.
        base: folder that a relative path starts from.
        changes: settings of the backend to use instead of the entry's.

    Raises:
        SceneError: no such entry, or faults in its settings.
        SimvidError: no such backend, or a package it needs is missing.
    """
    entry = catalogue.load_entry("refiners", name, base)
    kind = _backend("refining", entry)
    settings = entry.settings_as(kind.Settings).model_copy(update=dict(changes))
    if isinstance(settings, Beside):
        settings = settings.beside(entry.path.resolve().parent)
    refiner: Refiner = kind(settings)
    record = Backend(
        entry=entry.name, backend=entry.backend, version=refiner.version(), settings=dict(refiner.settings())
    )
    return ChosenRefiner(refiner, record)


def _backend(group: Literal["rendering", "refining"], entry: catalogue.BackendEntry) -> type[Any]:
    """The class that an entry names.

    Raises:
        SceneError: nothing of this name is registered; with file and line.
        SimvidError: it cannot be loaded, or a package it needs is missing.
    """
    if not registry.known(group, entry.backend):
        message = f"expected a registered backend, got {entry.backend!r}"
        raise SceneError.of([fault(entry.document, ("backend",), message, registry.hint(group, entry.backend))])
    return registry.load(group, entry.backend)
