"""A shape full of particles: where they stand, what each weighs. Every search is bounded, whatever the shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.lattice import lattice_tetrahedra
from simvid.assets.solidity import mesh_problems, welded
from simvid.assets.subdividing import with_short_edges
from simvid.assets.winding import winding_numbers
from simvid.errors import AssetError
from simvid.mesh import Mesh

Array: TypeAlias = NDArray[np.float64]
USUAL = {"volume": 8000, "elements": 2000, "sheet": 2500, "line": 64}
"""About how many particles a body gets where the scene does not say."""
MOST = 400_000
"""More particles than this for one body is taken for a mistake in the spacing."""
MOST_CELLS = 2_000_000
"""Most cells of the grid around a body."""
LOST_SHARE = 0.05
"""Largest share of the surface that may be farther than ``REACH`` spacings from every particle."""
REACH = 1.5
THIN_SHARE = 0.3
"""Largest share of the surface below which the body may be thinner than a spacing."""
JUDGED = 2000
"""Places of the surface at which thickness is looked at."""
FLAT = 0.2
"""A sheet is at most this share of its next side thick."""
JITTER = 0.4
"""How far grains and drops may stand from the grid's points along each axis, in steps of the grid."""
ROUNDS = 4
"""Of pushing apart what jitter has brought together."""


@dataclass(frozen=True, eq=False)
class Particles:
    """P particles.

    Attributes:
        places: [m], float64 [P, 3].
        shares: of the body's volume that each stands for; they sum to 1, [P].
        spacing_m: distance between neighbours.
        volume_m3: of the particles by their spacing, for shapes whose volume is not known otherwise; of sheets the area
            [m^2], of lines the length [m].
        triangles: of sheets, int32 [F, 3].
        step_m: of the grid that a volume is filled by, along each axis, [3].
        tetrahedra: where the particles are nodes of elements, int32 [N, 4].
        overlap: whether some of them lie in several solids, whose volumes then sum to more than what is filled.
    """

    places: Array
    shares: Array
    spacing_m: float
    volume_m3: float
    triangles: NDArray[np.int32] | None = None
    step_m: Array | None = None
    tetrahedra: NDArray[np.int32] | None = None
    overlap: bool = False


def filled(
    solids: tuple[Mesh, ...],
    volume_m3: float,
    spacing_m: float | None,
    *,
    blocky: bool = False,
    loose: bool = False,
    usual: int = USUAL["volume"],
) -> Particles:
    """Particles on a grid, inside of meshes by their winding number, each for an equal share of the volume.

    The grid is fitted to the box around the meshes, so that a box is filled evenly to its faces. Loose particles stand
    beside its points: a heap of what once was a grid shows its rows, and yields along them.

    Args:
        solids: closed or nearly so; their insides count together.
        volume_m3: their volume, for the spacing where none is given; <= 0 where it is not known.
        spacing_m: as asked for.
        blocky: the meshes are made of cells about as large as the spacing: how thick they are is not judged.
        loose: grains or drops.
        usual: about how many where no spacing is given.

    Raises:
        AssetError: nothing is inside, or walls are too thin for the spacing, or there would be too many particles.
    """
    low = np.min([m.bounds[0] for m in solids], axis=0)
    size = np.maximum(np.max([m.bounds[1] for m in solids], axis=0) - low, 1e-9)
    known = volume_m3 if volume_m3 > 0 else 0.3 * float(size.prod())
    wanted = spacing_m if spacing_m is not None else float(np.cbrt(known / usual))
    fit = float(np.cbrt(max(known / MOST, size.prod() / MOST_CELLS)))
    if not wanted >= fit:
        raise AssetError(
            f"particle_spacing_m: expected at least {fit:.3g} for a body of {' x '.join(f'{s:.3g}' for s in size)} m "
            f"(at most {MOST:,} particles), got {wanted:.3g}"
        )
    counts = np.maximum(np.rint(size / wanted).astype(int), 1)
    if not loose and counts.min() < 2:
        raise AssetError(
            f"particle_spacing_m: {wanted:.3g} m is too coarse for a body of {' x '.join(f'{s:.3g}' for s in size)} m: "
            f"it would be one particle thick, and could not bend; expected at most half the thinnest side, try "
            f"{size.min() / 2:.3g}, or make it a cloth"
        )
    step = size / counts
    axes = [low[k] + (np.arange(counts[k]) + 0.5) * step[k] for k in range(3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    layers = np.zeros(tuple(counts), np.int16)
    for solid in solids:
        layers += _inside(solid, grid.reshape(*counts, 3), step)
    inside = layers > 0
    places = grid[inside.ravel()]
    spacing = float(np.cbrt(step.prod()))
    _check_walls(solids, places, spacing, blocky=blocky)
    count = len(places)
    placed = uneven(places, step) if loose else places
    volume, overlap = count * float(step.prod()), _thick(layers > 1)
    return Particles(placed, np.full(count, 1 / count), spacing, volume, step_m=step, overlap=overlap)


def meshed(cells: Particles) -> Particles:
    """Nodes of linear tetrahedra that fill the cells round the particles of a grid; each node has its share of them.

    Raises:
        AssetError: cells that do not hang together by faces.
    """
    assert cells.step_m is not None, "particles of ``filled``, not loose"
    places, corners = lattice_tetrahedra(cells.places, cells.step_m)
    shares = np.bincount(corners.ravel(), minlength=len(places)) / corners.size
    return replace(cells, places=places, shares=shares, tetrahedra=corners)


def uneven(places: Array, step: Array, seed: int = 0) -> Array:
    """Points of a grid [P, 3] moved at random, but evenly: about one in each cell, and none close to another.

    Jittered points are pushed apart a few times (blue noise; after Lagae and Dutre 2008, "A comparison of methods for
    generating Poisson disk distributions"), and held within ``JITTER`` steps of where they were; the outermost do not
    move outwards. They stand half a step inside of the shape, which is where contact keeps particles: what begins flush
    with a wall would else be pressed out of it, and jet.

    Args:
        places: of a grid [m].
        step: of the grid along each axis [m], [3].
        seed: of the jitter.
    """
    from scipy.spatial import cKDTree

    low, high = _free_ways(places, step)
    start = np.random.default_rng(seed).uniform(-JITTER, JITTER, places.shape)
    moved, apart = np.clip(start * step, low, high), float(np.cbrt(np.prod(step)))
    for _ in range(ROUNDS):
        now = places + moved
        pairs = cKDTree(now).query_pairs(apart, output_type="ndarray")
        away = now[pairs[:, 0]] - now[pairs[:, 1]]
        length = np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12 * apart)
        push = away / length * np.maximum(apart - length, 0.0) * 0.5
        for column, sign in ((0, 1.0), (1, -1.0)):
            for axis in range(3):
                moved[:, axis] += sign * 0.5 * np.bincount(pairs[:, column], push[:, axis], len(places))
        moved = np.clip(moved, low, high)
    return np.asarray(places + moved)


def _free_ways(places: Array, step: Array) -> tuple[Array, Array]:
    """How far points of a grid may go down and up along each axis [m], [P, 3] each: outwards not at all."""
    index = np.rint((places - places.min(axis=0)) / step).astype(int) + 1
    taken = np.zeros(tuple(index.max(axis=0) + 2), np.bool_)
    taken[tuple(index.T)] = True
    low, high = np.zeros_like(places), np.zeros_like(places)
    for axis in range(3):
        one = np.eye(3, dtype=int)[axis]
        low[:, axis] = -JITTER * step[axis] * taken[tuple((index - one).T)]
        high[:, axis] = JITTER * step[axis] * taken[tuple((index + one).T)]
    return low, high


def shell(particles: Particles, surface: Array) -> Particles:
    """The particles within ``REACH`` spacings of some points of a surface [N, 3].

    Raises:
        AssetError: none is.
    """
    from scipy.spatial import cKDTree

    near = cKDTree(surface).query(particles.places)[0] <= REACH * particles.spacing_m
    count = int(np.count_nonzero(near))
    if not count:
        raise AssetError("fill: shell leaves no particles; give a larger particle_spacing_m, or say solid")
    volume = particles.volume_m3 * count / len(near)
    return replace(particles, places=particles.places[near], shares=np.full(count, 1 / count), volume_m3=volume)


def _check_walls(solids: tuple[Mesh, ...], places: Array, spacing: float, *, blocky: bool) -> None:
    """Refuse what the particles miss: a wall thinner than about a spacing, or a shape that has no inside."""
    if not len(places):
        raise AssetError(
            f"expected a shape with an inside for a deformable body, but no point of a grid of {spacing:.3g} m is in "
            "it: it is open, inside out, or thinner than that; give a smaller particle_spacing_m, close the mesh, or "
            "make it a cloth"
        )
    from scipy.spatial import cKDTree

    tree = cKDTree(places)
    lost = thin = total = 0.0
    for solid in solids:
        fine = with_short_edges(solid, 2 * spacing)
        corners = fine.vertices[fine.faces].astype(np.float64)
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        areas = np.linalg.norm(cross, axis=1)
        middles = corners.mean(axis=1)
        away = tree.query(middles)[0]
        some = np.unique(np.linspace(0, len(areas) - 1, JUDGED).astype(int))
        below = middles[some] - spacing * cross[some] / np.maximum(areas[some], 1e-30)[:, None]
        through = winding_numbers(solid, below) < 0.5 if not blocky else np.zeros(len(some), np.bool_)
        share = float((areas[some] * through).sum() / max(areas[some].sum(), 1e-30))
        lost += float(areas[away > REACH * spacing].sum())
        thin += share * float(areas.sum())
        total += float(areas.sum())
    if lost > LOST_SHARE * total or thin > THIN_SHARE * total:
        what = f"{lost / total:.0%} of the surface has no particle near it"
        if thin > THIN_SHARE * total:
            what = f"under {thin / total:.0%} of its surface the body is thinner than that"
        raise AssetError(
            f"particle_spacing_m: {spacing:.3g} m is too coarse: {what}; expected at most half the thinnest wall, "
            f"try {spacing / 2:.3g}, or make it a cloth"
        )


def _thick(cells: NDArray[np.bool_]) -> bool:
    """Whether some cells of a grid make a block of two along each axis: in a face that two solids share lies one."""
    from scipy import ndimage

    return bool(ndimage.binary_erosion(cells, np.ones((2, 2, 2), np.bool_)).any())


def _inside(solid: Mesh, grid: Array, step: Array) -> NDArray[np.bool_]:
    """Which points of a grid [X, Y, Z, 3] are inside a mesh.

    Between the cells that its surface may touch, cells that hang together are inside or outside together; one point of
    each such region is looked at. A mesh with holes has no such regions: all its points are looked at.
    """
    shape = grid.shape[:3]
    if mesh_problems(solid):
        return winding_numbers(solid, grid.reshape(-1, 3)).reshape(shape) > 0.5
    from scipy import ndimage

    fine = with_short_edges(solid, float(step.min()))
    index = np.floor((fine.vertices - grid[0, 0, 0]) / step + 0.5).astype(int)
    touched = np.zeros(shape, np.bool_)
    touched[tuple(np.clip(index, 0, np.array(shape) - 1).T)] = True
    touched = ndimage.binary_dilation(touched, np.ones((3, 3, 3), bool))
    regions, count = ndimage.label(~touched)
    flat = regions.ravel()
    asked = np.flatnonzero(flat == 0)
    first = np.unique(flat, return_index=True)[1][-count:] if count else np.zeros(0, int)
    found = winding_numbers(solid, grid.reshape(-1, 3)[np.concatenate([asked, first])]) > 0.5
    inside = np.concatenate([[False], found[len(asked) :]])[flat]
    inside[asked] = found[: len(asked)]
    return np.asarray(inside.reshape(shape))


def box_sheet(size_m: tuple[float, ...], spacing_m: float | None) -> Particles:
    """The middle sheet of a thin box as rows of particles.

    Raises:
        AssetError: the box is not thin, or there would be too many particles.
    """
    size = np.array(size_m, np.float64)
    thin = int(np.argmin(size))
    a, b = (k for k in range(3) if k != thin)
    if size[thin] > FLAT * min(size[a], size[b]):
        raise AssetError(
            f"a cloth of a box: expected one side at most {FLAT:g} of the others (the thickness), got "
            f"{' x '.join(f'{s:g}' for s in size)} m; give a thinner box, or an elastic material"
        )
    wanted = spacing_m if spacing_m is not None else float(np.sqrt(size[a] * size[b] / USUAL["sheet"]))
    if size[a] * size[b] / wanted**2 > MOST:
        raise AssetError(f"particle_spacing_m: {wanted:.3g} would make more than {MOST:,} particles of this cloth")
    flat, faces = _staggered(float(size[a]), float(size[b]), wanted)
    places = np.zeros((len(flat), 3))
    places[:, [a, b]] = flat
    if thin == 1:  # x, z and y are left-handed: the sheet's normal is to be +y
        faces = np.ascontiguousarray(faces[:, ::-1])
    weights = _lumped(places, faces)
    area = float(size[a] * size[b])
    edge = float(np.sqrt(4 * area / np.sqrt(3) / len(faces)))  # of equilateral triangles
    return Particles(places, weights / weights.sum(), edge, area, faces)


def _staggered(width: float, height: float, spacing: float) -> tuple[Array, NDArray[np.int32]]:
    """A rectangle about the origin as rows of nearly equilateral triangles: alike in all directions, as a weave's bias
    is not its business. Every other row is half a step off, but for its ends, whose gaps share what is left over.

    Returns:
        Points [P, 2] and triangles, counter-clockwise [F, 3].
    """
    across, up = max(round(width / spacing), 2), max(round(height / (spacing * np.sqrt(0.75))), 1)
    step = width / across
    even = np.linspace(-width / 2, width / 2, across + 1)
    middle = -width / 2 + (np.arange(across) + 0.5) * step
    middle[0], middle[-1] = middle[0] + step / 4, middle[-1] - step / 4
    odd = np.concatenate([even[:1], middle, even[-1:]])
    rows = [odd if r % 2 else even for r in range(up + 1)]
    first = np.cumsum([0] + [len(r) for r in rows])
    y = np.linspace(-height / 2, height / 2, up + 1)
    points = np.concatenate([np.stack([r, np.full(len(r), h)], axis=1) for r, h in zip(rows, y, strict=True)])
    k, e = np.arange(across), np.arange(across + 1)
    faces = []
    for r in range(up):
        low, high = first[r], first[r + 1]
        if r % 2 == 0:
            faces += [np.stack([low + k, low + k + 1, high + k + 1], 1), np.stack([low + e, high + e + 1, high + e], 1)]
        else:
            faces += [np.stack([low + e, low + e + 1, high + e], 1), np.stack([low + k + 1, high + k + 1, high + k], 1)]
    return points, np.concatenate(faces).astype(np.int32)


def _lumped(places: Array, faces: NDArray[np.int32]) -> Array:
    """A third of the area of its triangles for each vertex [m^2], [P]."""
    areas, weights = _areas(places, faces), np.zeros(len(places))
    for k in range(3):
        np.add.at(weights, faces[:, k], areas / 3)
    return weights


def mesh_sheet(mesh: Mesh, spacing_m: float | None) -> Particles:
    """An open mesh as a sheet, its vertices the particles, with edges no longer than 1.5 spacings.

    Raises:
        AssetError: no area, or too many particles.
    """
    places, faces = welded(mesh)
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    joined = Mesh(places, faces[distinct].astype(np.int32))
    area = float(_areas(joined.vertices.astype(np.float64), joined.faces).sum())
    if not area > 0:
        raise AssetError("a cloth of a mesh: expected triangles with an area, got none")
    wanted = spacing_m if spacing_m is not None else float(np.sqrt(area / USUAL["sheet"]))
    if area / wanted**2 > MOST or len(places) > MOST:
        raise AssetError(f"particle_spacing_m: {wanted:.3g} would make more than {MOST:,} particles of this cloth")
    fine = with_short_edges(joined, 1.5 * wanted)
    used, index = np.unique(fine.faces, return_inverse=True)
    places64 = fine.vertices[used].astype(np.float64)
    corners = index.reshape(-1, 3).astype(np.int32)
    weights = _lumped(places64, corners)
    if not (weights > 0).all():
        raise AssetError("a cloth: expected every vertex in a triangle with an area")
    return Particles(places64, weights / weights.sum(), float(np.sqrt(area / len(used))), area, corners)


def line(length_m: float, spacing_m: float | None) -> Particles:
    """Points along the z axis, from end to end; the outermost stand for half as much.

    Raises:
        AssetError: too many points.
    """
    wanted = spacing_m if spacing_m is not None else length_m / (USUAL["line"] - 1)
    if length_m / wanted > MOST:
        raise AssetError(f"particle_spacing_m: {wanted:.3g} would make more than {MOST:,} particles of this rope")
    count = max(round(length_m / wanted), 2) + 1
    places = np.zeros((count, 3))
    places[:, 2] = np.linspace(-length_m / 2, length_m / 2, count)
    shares = np.ones(count)
    shares[[0, -1]] = 0.5
    return Particles(places, shares / shares.sum(), length_m / (count - 1), length_m)


def _areas(places: Array, faces: NDArray[np.int32]) -> Array:
    a, b, c = (places[faces[:, k]] for k in range(3))
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)
