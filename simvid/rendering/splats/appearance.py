"""SceneAssets -> Gaussians of every part, in the part's own frame, fine enough for every camera and no finer.

Meshes are covered with flat Gaussians whose spacing follows from how near the cameras come (see ``detail``). Captures
are taken as they are: they hold baked light and are never lit again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.once import once, remembering
from simvid.assets.parts import PartAssets, SceneAssets
from simvid.frames import CameraPath
from simvid.gaussians import Gaussians
from simvid.mesh import Mesh
from simvid.rendering.base import RenderSettings
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.light.shadows import Casters
from simvid.rendering.splats.clear import as_solid, cover_of, facing_out, is_polyhedron, is_sheer, looks_inwards
from simvid.rendering.splats.covering import LEVELS_PER_OCTAVE, Cover, Covering, level_of, spacing_of, taken
from simvid.rendering.splats.detail import (
    FACES_PER_SIDE,
    divided,
    face_geometry,
    finest_pixel,
    nearest_eye_m,
    toward_cameras,
    views_of,
    welded,
)
from simvid.rendering.splats.hidden import visible_from_outside
from simvid.rendering.splats.seams import buried, carried_on
from simvid.scene import Look
from simvid.trajectory import Trajectory

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
FEWEST_ACROSS = 6
"""Gaussians along the largest side of a part, however far away it is."""
UNSEEN_FACTOR = 2.0
"""Faces that no camera sees still throw shadows; they are this much coarser than the coarsest seen one."""
UNSEEN_SHARE = 0.1
"""Their spacing is at most this share of their distance from a camera. Coarser ones just outside a picture would reach
into it as a haze, as seen from a hand that carries the camera."""
SHARP = 0.01
"""Sine of the angle up to which a face whose vertex normals lean is shaded flat."""
BENT_BACK = 0.1
"""Least ``back`` of what deforms: a Gaussian of a flat face may come to lie on a bent one."""
ONE_GROUP = 1500
"""A mesh that needs no more Gaussians than this at its finest is covered evenly."""


@dataclass(frozen=True, eq=False)
class Appearance:
    """All Gaussians of a scene, sorted by part.

    Attributes:
        gaussians: each in its part's frame; ``owner`` is the part's id.
        starts: rows starts[k] to starts[k + 1] belong to part k, int64 [B + 1].
        normals: outward unit normals in the part's frame, float32 [N, 3].
        baked: Gaussians of captures, whose colour is final, bool [N].
        back: cosine between normal and line of sight from which on a Gaussian on the outside of a closed mesh is
            turned away for certain; 1 where its back may be seen, float32 [N].
        gloss: the look in numbers, see ``finish``, float32 [N, 7].
        points: of the surface that each Gaussian stands for, in the part's frame [m]; mesh-made Gaussians lie a little
            below it, float32 [N, 3].
        radius_m: of the disc of surface that each Gaussian stands for, float32 [N].
        sheer: what is behind is seen through it, bool [N].
    """

    gaussians: Gaussians
    starts: NDArray[np.int64]
    normals: Floats
    baked: NDArray[np.bool_]
    back: Floats
    gloss: Floats
    points: Floats
    radius_m: Floats
    sheer: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.gaussians)


def appearance_of(
    assets: SceneAssets, trajectory: Trajectory, cameras: Sequence[CameraPath], settings: RenderSettings
) -> Appearance:
    """Gaussians of all parts.

    Raises:
        AssetError: a mesh that cannot be covered (no area).
    """
    with remembering():  # copies of a body share their meshes
        plans = _fitted(_plans(assets, trajectory, cameras, settings), settings.max_gaussians)
    covering, workers = Covering(), Workers(settings.threads)
    views = views_of(cameras)
    pieces: list[_Piece] = []
    bending = {motion.part for motion in trajectory.particles}
    for k in range(len(assets.parts)):
        of_part = [_piece(plan, covering) for plan in plans if plan.part == k]
        if k not in bending and assets.parts[k].part.kind == "body":  # robots' links are round, and of many meshes
            of_part = _without_seams(of_part)
        # what bends may show at any time what was hidden at rest
        if k not in bending and not any(plan.sheer for plan in plans if plan.part == k):
            of_part = _without_hidden(of_part, toward_cameras(trajectory.poses[:, k], views), workers)
        pieces += of_part
    workers.close()
    pieces = pieces or [_Piece(Gaussians.empty(), np.zeros((0, 3), np.float32), _NOTHING)]
    splats = Gaussians.concatenate([p.gaussians for p in pieces])
    counts = np.bincount([p.plan.part for p in pieces], [len(p.gaussians) for p in pieces], len(assets.parts))[
        : len(assets.parts)
    ]

    def spread(values: Sequence[Any], dtype: type) -> NDArray[Any]:
        return np.repeat(np.array(values, dtype), [len(p.gaussians) for p in pieces], axis=0)

    baked = spread([p.plan.mesh is None for p in pieces], np.bool_)
    return Appearance(
        gaussians=splats,
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        normals=_normals(splats, baked),
        baked=baked,
        back=spread([p.plan.back for p in pieces], np.float32),
        gloss=spread([finish(p.plan.look, p.plan.cover) for p in pieces], np.float32).reshape(-1, 7),
        points=np.concatenate([p.points for p in pieces]),
        radius_m=_radii(splats, baked),
        sheer=spread([p.plan.sheer for p in pieces], np.bool_),
    )


def finish(look: Look, cover: float = 1.0) -> tuple[float, ...]:
    """Roughness, metalness, reflectance head-on of what is no metal, transmission, sheen, clearcoat, and ``cover``."""
    clear = ((look.ior - 1) / (look.ior + 1)) ** 2
    head_on = clear if look.transmission > 0 else 0.08 * look.specular
    return look.roughness, look.metallic, head_on, look.transmission, look.sheen, look.clearcoat, cover


@dataclass(frozen=True, eq=False)
class _Plan:
    """One visual of a part, and how fine its faces must be."""

    part: int
    look: Look
    capture: Gaussians | None
    mesh: Mesh | None
    back: float
    wanted_m: Array
    """Spacing at each face; inf where no camera looks, [F]."""
    unseen_m: Array
    """Largest spacing at each face where none looks, [F]."""
    areas: Array
    """[m^2], [F]."""
    size_m: float
    sheer: bool = False
    cover: float = 1.0


_NONE = np.zeros(0)
_NOTHING = _Plan(0, Look(), None, None, 1.0, _NONE, _NONE, _NONE, 0.0)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Gaussians of one visual."""

    gaussians: Gaussians
    points: Floats
    plan: _Plan


def _plans(
    assets: SceneAssets, trajectory: Trajectory, cameras: Sequence[CameraPath], settings: RenderSettings
) -> list[_Plan]:
    views = views_of(cameras)
    plans = []
    forms = {motion.part: motion.form for motion in trajectory.particles}
    for k, part in enumerate(assets.parts):
        if forms.get(k) == "loose":
            continue  # they get Gaussians of their own at every time
        closed = once(is_closed, tuple(v.mesh for v in part.visuals if v.mesh is not None))
        size = _extent(part)
        for visual in part.visuals:
            if visual.mesh is None:
                plans.append(_Plan(k, visual.look, visual.capture, None, 1.0, _NONE, _NONE, _NONE, size))
                continue
            mesh = once(_made_ready, visual.mesh, visual.look, size)
            centers, normals, areas = once(face_geometry, mesh)
            pixel = finest_pixel(centers, normals if closed else None, trajectory.poses[:, k], views)
            wanted = np.minimum(settings.detail_px * pixel, np.where(np.isfinite(pixel), size / FEWEST_ACROSS, np.inf))
            finest = float(wanted.min(initial=np.inf))
            if float(areas.sum()) / finest**2 <= ONE_GROUP or k in forms:
                wanted = np.full(len(wanted), finest)
            cover = once(_own_cover, visual.mesh, visual.look)
            one_sided = closed and cover == 1 and not once(looks_inwards, visual.mesh)
            back = once(_smoothing, visual.mesh) if one_sided else 1.0
            if k in forms:
                back = max(back, BENT_BACK)
            sheer = cover < 1 or once(is_sheer, visual.look, visual.mesh)
            unseen, most = np.isinf(wanted), np.full(len(wanted), np.inf)
            most[unseen] = UNSEEN_SHARE * nearest_eye_m(centers[unseen], trajectory.poses[:, k], views)
            plans.append(_Plan(k, visual.look, None, mesh, back, wanted, most, areas, size, sheer, cover))
    return plans


def _made_ready(mesh: Mesh, look: Look, size_m: float) -> Mesh:
    """The mesh of a part of a size [m] in the colours of its look, large faces divided."""
    return divided(facing_out(as_solid(dressed(mesh, look))), size_m / FACES_PER_SIDE)


def _own_cover(mesh: Mesh, look: Look) -> float:
    return cover_of(dressed(mesh, look))


def _fitted(plans: list[_Plan], most: int) -> list[_Plan]:
    """Give unseen faces a spacing, and make all coarser alike until ``most`` Gaussians suffice."""
    seen = [p.wanted_m[np.isfinite(p.wanted_m)] for p in plans]
    coarsest = max((float(s.max()) for s in seen if len(s)), default=0.01)
    filled = []
    for p in plans:
        unseen = np.maximum(np.minimum(p.unseen_m, min(UNSEEN_FACTOR * coarsest, p.size_m / FEWEST_ACROSS)), 1e-6)
        filled.append(replace(p, wanted_m=np.where(np.isfinite(p.wanted_m), p.wanted_m, unseen)))
    needed = sum(float((p.areas / spacing_of(level_of(p.wanted_m)) ** 2).sum()) for p in filled)
    steps = np.ceil(LEVELS_PER_OCTAVE / 2 * np.log2(max(needed / most, 1.0)))
    factor = 2 ** (steps / LEVELS_PER_OCTAVE)
    return [replace(p, wanted_m=p.wanted_m * factor) for p in filled]


def _piece(plan: _Plan, covering: Covering) -> _Piece:
    owner = plan.part + 1
    if plan.capture is not None:
        return _Piece(_owned(plan.capture, owner), plan.capture.means, plan)
    assert plan.mesh is not None
    cover: Cover = covering.cover(plan.mesh, plan.wanted_m)
    return _Piece(_owned(cover.gaussians, owner), cover.points, plan)


def _without_seams(pieces: list[_Piece]) -> list[_Piece]:
    """The pieces of one part, joined where their meshes touch; see ``seams``."""
    meshed = [p for p in pieces if p.plan.mesh is not None and len(p.gaussians)]
    if len(meshed) < 2:
        return pieces
    closed = {id(p): p.plan.mesh for p in meshed if p.plan.mesh is not None and once(is_closed, (p.plan.mesh,))}
    made, normals = {}, {}
    for p in meshed:
        others = [mesh for key, mesh in closed.items() if key != id(p)]
        n, r = _surface_of(p)
        kept = ~buried(p.points.astype(np.float64), n, r, others)
        made[id(p)], normals[id(p)] = _Piece(taken(p.gaussians, kept), p.points[kept], p.plan), n[kept]
    done = {}
    for key, p in made.items():
        rest = [(q.points.astype(np.float64), normals[other]) for other, q in made.items() if other != key]
        around = np.concatenate([a for a, _ in rest]), np.concatenate([b for _, b in rest])
        n, r = _surface_of(p)
        g = p.gaussians
        on, back = carried_on(g.means.astype(np.float64), p.points.astype(np.float64), n, r, around)
        moved = replace(g, means=np.where(on[:, None], g.means + back, g.means).astype(np.float32))
        done[key] = _Piece(moved, p.points, p.plan)
    return [done.get(id(p), p) for p in pieces]


def _surface_of(piece: _Piece) -> tuple[Array, Array]:
    """Unit normals [N, 3] and radii of the discs [N] of a mesh's Gaussians."""
    baked = np.zeros(len(piece.gaussians), np.bool_)
    normals = _normals(piece.gaussians, baked).astype(np.float64)
    return normals, _radii(piece.gaussians, baked).astype(np.float64)


def _without_hidden(pieces: list[_Piece], directions: Array, workers: Workers) -> list[_Piece]:
    """The pieces of one part without Gaussians that its own outside hides from everywhere; captures stay whole.

    Gaussians that would stand out of the part are lifted back to their surface.
    """
    meshed = [p for p in pieces if p.plan.mesh is not None and p.plan.back < 1 and len(p.gaussians)]
    if not meshed:
        return pieces
    splats = Gaussians.concatenate([p.gaussians for p in meshed])
    normals = _normals(splats, np.zeros(len(splats), np.bool_))
    points = np.concatenate([p.points for p in meshed])
    radii = _radii(splats, np.zeros(len(splats), np.bool_))
    closed = np.ones(len(splats), np.bool_)
    seen, out = visible_from_outside(Casters(points, normals, radii, closed), splats.means, directions, workers)
    borders = np.cumsum([len(p.gaussians) for p in meshed])[:-1]
    kept = {
        id(p): _Piece(taken(_raised(p, raised), mask), p.points[mask], p.plan)
        for p, mask, raised in zip(meshed, np.split(seen, borders), np.split(out, borders), strict=True)
    }
    return [kept.get(id(p), p) for p in pieces]


def _raised(piece: _Piece, rows: NDArray[np.bool_]) -> Gaussians:
    """Some Gaussians lifted to the plane of their surface; how far they are drawn back from its rim stays."""
    splats = piece.gaussians
    normals = _normals(splats, np.zeros(len(splats), np.bool_))
    sunk = ((piece.points - splats.means) * normals).sum(axis=1, keepdims=True)
    return replace(
        splats, means=np.where(rows[:, None], splats.means + sunk * normals, splats.means).astype(np.float32)
    )


def _smoothing(mesh: Mesh) -> float:
    """Sine of the angle by which vertex normals lean away from the faces (all but 1 %), and 0.05; 0 of polyhedra.

    Gaussians of a face that looks away by ever so little are drawn at its edge, in the light that falls on it, not on
    the face beside it that is seen: of a box beneath a lamp, as a bright line. What is round needs them for its
    outline, where their light is that of what is seen.
    """
    lean = 0.0
    _, flat, areas = face_geometry(mesh)
    solid = areas > 0
    if mesh.normals is not None and solid.any():
        cosine = np.einsum("fkd,fd->fk", mesh.normals[mesh.faces[solid]], flat[solid]).ravel()
        lean = float(np.percentile(np.sqrt(np.maximum(1 - cosine**2, 0)), 99))
    if lean < SHARP and is_polyhedron(mesh):
        return 0.0
    return float(np.clip(lean + 0.05, 0.05, 0.5))


def dressed(mesh: Mesh, look: Look) -> Mesh:
    """The mesh in the colours of its look.

    A procedural texture replaces the mesh's own colours and is tinted by ``base_color`` (or the mesh's plain colour).
    Without one, ``base_color`` tints an own texture and replaces plain and vertex colours; None changes nothing.
    """
    if look.texture != "plain":
        from simvid.assets.textures import textured

        color = look.base_color or mesh.base_color
        return textured(mesh, look.texture, tile_m=look.texture_size_m, base_color=color)
    if look.base_color is None:
        return mesh
    if mesh.texture is not None:
        return replace(mesh, base_color=look.base_color)
    return replace(mesh, base_color=look.base_color, vertex_colors=None)


def _owned(gaussians: Gaussians, owner: int) -> Gaussians:
    return replace(gaussians, owner=np.full(len(gaussians), owner, np.int32))


def _normals(splats: Gaussians, baked: NDArray[np.bool_]) -> Floats:
    """Local z axis; for captures the axis of the smallest scale."""
    axis = np.where(baked, np.argmin(splats.scales, axis=1), 2)
    w, x, y, z = splats.quats.T
    columns = np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], axis=-1),
            np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], axis=-1),
            np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=-1),
        ],
        axis=1,
    )
    return np.ascontiguousarray(columns[np.arange(len(axis)), axis], np.float32)


def _radii(splats: Gaussians, baked: NDArray[np.bool_]) -> Floats:
    """Disc in which a Gaussian is mostly opaque: 1.5 sigma of its wide axes; faint Gaussians of captures have none."""
    wide = np.sort(splats.scales, axis=1)[:, 1:]
    radius = 1.5 * np.sqrt(wide[:, 0] * wide[:, 1])
    return np.where(baked & (splats.opacities < 0.3), 0.0, radius).astype(np.float32)


def is_closed(meshes: Sequence[Mesh]) -> bool:
    """Whether meshes together (robots' are split by material) bound a solid, but for 5 % of their edges
    (patches of different material seldom share their border vertices).

    Corners at the same place are one; every directed edge of a closed surface has its opposite.
    """
    if not meshes:
        return False
    offsets = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    places = welded(np.concatenate([m.vertices for m in meshes]))
    corners = places[np.concatenate([m.faces + o for m, o in zip(meshes, offsets, strict=True)])]
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    edges = edges[edges[:, 0] != edges[:, 1]]
    n = len(places)
    forward, backward = np.unique(edges[:, 0] * n + edges[:, 1]), np.unique(edges[:, 1] * n + edges[:, 0])
    return bool(len(edges)) and len(np.intersect1d(forward, backward, assume_unique=True)) >= 0.95 * len(forward)


def _extent(part: PartAssets) -> float:
    """Longest side of the box around all meshes [m]."""
    boxes = [v.mesh.bounds for v in part.visuals if v.mesh is not None]
    if not boxes:
        return 0.0
    low, high = np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)
    return float((high - low).max())
