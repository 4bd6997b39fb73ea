"""Convex colliders for meshes: one hull, or a few convex parts by CoACD (Wei et al. 2022), kept in the user's cache."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.cache import cache_folder, key_of, load_arrays, store_arrays
from simvid.assets.solidity import welded, with_small_holes_closed
from simvid.errors import AssetError
from simvid.mesh import Mesh

TIME_LIMIT_S = 300.0
MOST_HULL_VERTICES = 128
"""Larger hulls keep their farthest vertices along that many directions, scaled to the same volume."""

_SEARCH = {
    "preprocess_resolution": 30,
    "resolution": 600,
    "mcts_nodes": 8,
    "mcts_iterations": 25,
    "mcts_max_depth": 2,
    "seed": 0,
}
_LARGEST_HOLE = 0.05
_REMESH_ABOVE = 30_000  # faces; cutting a large mesh many times is slow, so CoACD works on a coarser twin of it
# CoACD's own defaults take ten times as long for parts of the same total volume within 2 %

Array = NDArray[Any]


def convex_hull(mesh: Mesh) -> Mesh:
    """The convex hull as a closed mesh with outward faces and at most ``MOST_HULL_VERTICES`` vertices.

    Raises:
        AssetError: the vertices span no volume.
    """
    return _hull(mesh.vertices)


def convex_parts(
    mesh: Mesh, *, threshold: float = 0.05, max_parts: int = 16, cache_dir: Path | None = None
) -> tuple[Mesh, ...]:
    """Convex pieces that together take the mesh's place as a collider.

    The mesh need not be closed. Holes of up to 5 % of its area are closed first; CoACD rebuilds what is still open or
    not manifold as walls of some thickness, so wide openings stay open and the pieces follow the walls. The work is
    done by another process, so that neither a crash nor a hang of it can take this one along, and the result is cached
    by content.

    Args:
        mesh: of any quality.
        threshold: concavity that may remain, as a share of the mesh's size (CoACD's measure), 0.01 to 1.
        max_parts: no more pieces than this.
        cache_dir: where to keep results; ``convex`` in the user's cache folder by default.

    Returns:
        Closed convex meshes with outward faces; the same for the same input.

    Raises:
        AssetError: no volume, or the decomposition crashed or took longer than ``TIME_LIMIT_S``.
        ValueError: threshold or max_parts out of range.
    """
    if not 0.01 <= threshold <= 1.0:
        raise ValueError(f"threshold: expected 0.01 to 1, got {threshold}")
    if max_parts < 1:
        raise ValueError(f"max_parts: expected at least 1, got {max_parts}")
    vertices, faces = with_small_holes_closed(*welded(mesh), _LARGEST_HOLE)
    settings: dict[str, float | str] = {"threshold": threshold, "max_convex_hull": max_parts, **_SEARCH}
    settings["preprocess_mode"] = "on" if len(faces) > _REMESH_ABOVE else "auto"
    folder = cache_folder() / "convex" if cache_dir is None else cache_dir
    key = key_of(vertices, faces, json.dumps(settings, sort_keys=True), version("coacd"), MOST_HULL_VERTICES)
    stored = load_arrays(folder / f"{key}.npz")
    parts = _from_arrays(stored) if stored is not None else None
    if parts is None:
        convex_hull(mesh)  # a clear error for flat meshes before any long work
        found = _decompose(vertices, faces, settings)
        parts = tuple(h for h in map(_hull_or_none, found) if h is not None) or (convex_hull(mesh),)
        arrays = {
            f"{name}{k}": array for k, p in enumerate(parts) for name, array in (("v", p.vertices), ("f", p.faces))
        }
        store_arrays(folder / f"{key}.npz", arrays)
    return parts


def _from_arrays(arrays: dict[str, Array]) -> tuple[Mesh, ...] | None:
    """Meshes of a cache file; None if it is not what ``convex_parts`` wrote."""
    try:
        return tuple(Mesh(arrays[f"v{k}"], arrays[f"f{k}"]) for k in range(len(arrays) // 2)) or None
    except (KeyError, ValueError, IndexError):
        return None


def _decompose(vertices: Array, faces: Array, settings: dict[str, float | str]) -> list[Array]:
    """Vertices of each part that CoACD finds."""
    with tempfile.TemporaryDirectory(prefix="simvid-convex-") as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, vertices=vertices, faces=faces, settings=json.dumps(settings))
        worker = Path(__file__).with_name("coacd_worker.py")
        command = [sys.executable, "-P", str(worker), str(source), str(target)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise _failure(f"took longer than {TIME_LIMIT_S:.0f} s", len(faces)) from error
        arrays = load_arrays(target) if done.returncode == 0 else None
        if arrays is None:
            said = done.stderr.strip().splitlines()
            raise _failure(f"stopped with code {done.returncode}{': ' + said[-1] if said else ''}", len(faces))
    return [arrays[f"v{k}"] for k in range(len(arrays) // 2)]


def _failure(what: str, faces: int) -> AssetError:
    return AssetError(
        f"the convex decomposition of a mesh of {faces:,} faces {what}; "
        "use collision: convex_hull, or simplify the mesh"
    )


def _hull_or_none(points: Array) -> Mesh | None:
    """A part's hull; slivers without volume are dropped."""
    try:
        return _hull(points)
    except AssetError:
        return None


def _hull(points: Array) -> Mesh:
    from scipy.spatial import ConvexHull, QhullError

    wide = np.asarray(points, np.float64)
    try:
        hull = ConvexHull(wide)
        corners = wide[hull.vertices]
        if len(corners) > MOST_HULL_VERTICES:
            middle, volume = corners.mean(axis=0), hull.volume
            corners = corners[np.unique(np.argmax(_directions() @ (corners - middle).T, axis=1))]
            hull = ConvexHull(corners)
            corners = middle + (corners[hull.vertices] - middle) * np.cbrt(volume / hull.volume)
        # float32 first, so that the faces are those of the vertices that are returned
        corners = corners.astype(np.float32).astype(np.float64)
        hull = ConvexHull(corners)
    except (QhullError, ValueError) as error:
        raise AssetError(
            "expected a mesh that spans a volume, got a flat or empty one: give it some thickness, "
            "or use a box as its collider (shape: {compound: …})"
        ) from error
    faces = hull.simplices
    inward = np.einsum(
        "fk,fk->f",
        np.cross(corners[faces[:, 1]] - corners[faces[:, 0]], corners[faces[:, 2]] - corners[faces[:, 0]]),
        hull.equations[:, :3],
    )
    faces = np.where(inward[:, None] < 0, faces[:, ::-1], faces)
    used, index = np.unique(faces, return_inverse=True)
    return Mesh(corners[used].astype(np.float32), index.reshape(-1, 3).astype(np.int32))


def _directions() -> NDArray[np.float64]:
    """Evenly spread unit vectors (a Fibonacci lattice) and the six axes."""
    count = MOST_HULL_VERTICES - 6
    k = np.arange(count) + 0.5
    polar, azimuth = np.arccos(1 - 2 * k / count), np.pi * (1 + 5**0.5) * k
    lattice = np.stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=1)
    return np.concatenate([lattice, np.eye(3), -np.eye(3)])
