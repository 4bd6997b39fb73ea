"""Backends by name: collected from entry points as names, loaded on first use.

A package adds one with an entry point in the group ``simvid.physics``, ``simvid.rendering``, ``simvid.refining`` or
``simvid.export``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from simvid import collector
from simvid.errors import MissingExtraError, SimvidError, UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

Group: TypeAlias = Literal["physics", "rendering", "refining", "export"]

BUILT_IN: Mapping[Group, Mapping[str, str]] = {
    "physics": {
        "genesis": "simvid.physics.genesis.engine:GenesisPhysics",
        "newton": "simvid.physics.newton.engine:NewtonPhysics",
    },
    "rendering": {
        "cpu": "simvid.rendering.cpu.rasterizer:CpuRasterizer",
        "cuda": "simvid.rendering.cuda.rasterizer:CudaRasterizer",
        "pathtrace": "simvid.rendering.pathtrace.tracer:PathTracer",
        "reference": "simvid.rendering.reference:ReferenceRasterizer",
    },
    "refining": {
        "animatediff": "simvid.refining.pretrained.animatediff:AnimateDiff",
        "bridge": "simvid.refining.bridge:BridgeRefiner",
        "cosmos3": "simvid.refining.pretrained.cosmos3:Cosmos3",
        "cosmos_transfer": "simvid.refining.pretrained.cosmos:CosmosTransfer",
        "identity": "simvid.refining.identity:IdentityRefiner",
        "ltx2": "simvid.refining.pretrained.ltx2:Ltx2",
        "wan_v2v": "simvid.refining.pretrained.wan:WanVideo",
        "wan_vace": "simvid.refining.pretrained.wan:WanVace",
    },
    "export": {
        "bop": "simvid.export.bop:Bop",
        "coco": "simvid.export.coco:Coco",
        "cosmos3": "simvid.export.cosmos3:Cosmos3",
        "cosmos_transfer": "simvid.export.cosmos_transfer:CosmosTransfer",
        "exr": "simvid.export.exr:Exr",
        "flo": "simvid.export.flo:Flo",
        "hdf5": "simvid.export.hdf5:Hdf5",
        "kitti": "simvid.export.kitti:Kitti",
        "kubric": "simvid.export.kubric:Kubric",
        "lerobot": "simvid.export.lerobot:LeRobot",
        "mcap": "simvid.export.mcap:Mcap",
        "npy": "simvid.export.npy:Npy",
        "webdataset": "simvid.export.webdataset:WebDataset",
        "youtube_vis": "simvid.export.youtube_vis:YoutubeVis",
    },
}
"""simvid's own, as in pyproject.toml; here so that a checkout works without being installed."""

EXTRAS: Mapping[Group, Mapping[str, str]] = {
    "physics": {"genesis": "genesis", "quadrants": "genesis", "torch": "genesis"},
    "rendering": {"gsplat": "cuda", "torch": "cuda", "mitsuba": "pathtrace", "pyoidn": "pathtrace"},
    "refining": {"torch": "refine", "diffusers": "refine", "safetensors": "refine"},
    "export": {"pyarrow": "formats", "h5py": "formats", "OpenEXR": "formats", "mcap": "formats"},
}
"""Optional packages (by import name) and the extra that brings each."""

_NOUNS: Mapping[Group, str] = {
    "physics": "physics engine",
    "rendering": "renderer backend",
    "refining": "refiner backend",
    "export": "export format",
}


@dataclass(frozen=True)
class _Source:
    """Where a backend lives, and which distribution says so."""

    value: str
    distribution: str


def names(group: Group) -> tuple[str, ...]:
    """All registered names of a group, sorted."""
    return tuple(sorted(_collected(group)))


def known(group: Group, name: str) -> bool:
    """Whether a name is registered; for simvid's own names without looking at what else is installed."""
    return name in BUILT_IN[group] or name in _collected(group)


def hint(group: Group, name: str) -> str:
    """The closest registered name, and all of them."""
    registered = names(group)
    near = get_close_matches(name, registered, n=1)
    text = f"registered: {', '.join(registered)}"
    return f"did you mean {near[0]!r}? {text}" if near else text


def load(group: Group, name: str) -> type[Any]:
    """The class of a backend.

    Raises:
        SimvidError: nothing of this name is registered (the text lists what is), two packages claim it (it names both),
            what it names does not exist, or its module fails when it is imported.
        MissingExtraError: a package that it needs is not installed; the text names the extra.
    """
    what = f"{_NOUNS[group]} {name!r}"
    sources = _collected(group).get(name, [])
    if not sources:
        raise UsageError(f"expected a registered {_NOUNS[group]}, got {name!r}\n  hint: {hint(group, name)}")
    if len(sources) > 1:
        claims = " and ".join(f"{source.distribution} ({source.value})" for source in sources)
        raise SimvidError(f"{what} is registered twice, by {claims}\n  hint: uninstall one of them")
    module, _, attribute = sources[0].value.partition(":")
    whose = f"{what} of {sources[0].distribution}"
    try:
        with collector.paused():
            found = getattr(import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in EXTRAS[group]:
            raise MissingExtraError(package, EXTRAS[group][package], what) from error
        raise SimvidError(f"{whose} needs the module {error.name!r}, which is not installed") from error
    except SimvidError:
        raise  # says what is amiss itself
    except Exception as error:  # other packages' code, and what it imports, fails in every way there is
        cause = f"{type(error).__name__}: {error}"
        raise SimvidError(f"{whose} cannot be imported: {cause}\n  hint: update it, or what it imports") from error
    if found is None:
        raise SimvidError(f"{whose} is {sources[0].value}, but that does not exist")
    if not isinstance(found, type):
        raise SimvidError(f"{whose}: expected a class at {sources[0].value}, got {found!r}")
    return found


def _collected(group: Group) -> dict[str, list[_Source]]:
    """Name to everything that claims it. simvid's own entry points are left out: an installed copy's may be old."""
    from importlib.metadata import entry_points

    found = {name: [_Source(value, "simvid")] for name, value in BUILT_IN[group].items()}
    for name, source in _installed(group, entry_points, tuple(sys.path)):
        claims = found.setdefault(name, [])
        if source.value not in {other.value for other in claims}:
            claims.append(source)
    return found


@lru_cache
def _installed(
    group: Group, look: Callable[..., EntryPoints], path: tuple[str, ...]
) -> tuple[tuple[str, _Source], ...]:
    """What other packages register. Every installed package is looked through once for each ``path`` and no more: that
    takes 15 ms, and a clip asks several times."""
    found = []
    for point in look(group=f"simvid.{group}"):
        by = point.dist.name if point.dist is not None else "an unnamed package"
        if by != "simvid":
            found.append((point.name, _Source(point.value, by)))
    return tuple(found)
