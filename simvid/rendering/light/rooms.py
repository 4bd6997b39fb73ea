"""The rooms behind ``interiors``: what stands where, and what shines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]
Rng: TypeAlias = np.random.Generator
Paint: TypeAlias = Callable[[Array, Array], Array]
"""Places [N, 3] and normals [N, 3] -> linear albedo [N, 3]."""


@dataclass(frozen=True, eq=False)
class Panel:
    """A rectangle that shines to one side: ``u`` x ``v`` points where its light goes."""

    center: Array
    u: Array
    """Half an edge [m]."""
    v: Array
    radiance: Array
    """Linear RGB."""

    @property
    def normal(self) -> Array:
        """Unit."""
        n = np.cross(self.u, self.v)
        return np.asarray(n / np.linalg.norm(n))

    @property
    def area(self) -> float:
        """[m^2]."""
        return float(4 * np.linalg.norm(np.cross(self.u, self.v)))


@dataclass(frozen=True, eq=False)
class Block:
    """A box that stands in the room."""

    low: Array
    high: Array
    albedo: Paint


@dataclass(frozen=True, eq=False)
class Room:
    """A box seen from inside, one corner at the origin."""

    size_m: Array
    eye: Array
    albedo: Paint
    panels: tuple[Panel, ...]
    blocks: tuple[Block, ...] = ()
    reflectance: float = 0.5
    """Mean albedo, for the light that goes round."""

    def ambient(self) -> Array:
        """Irradiance of light that has been reflected at least once: flux r / (area (1 - r)), [3]."""
        x, y, z = self.size_m
        surface = 2 * (x * y + y * z + z * x)
        flux = np.sum([p.radiance * np.pi * p.area for p in self.panels], axis=0)
        return np.asarray(flux * self.reflectance / (surface * (1 - self.reflectance)))


def painted(color: ArrayLike) -> Paint:
    """One colour."""
    return lambda places, _: np.tile(np.asarray(color, np.float64), (len(places), 1))


def planks(color: tuple[float, float, float], width_m: float, rng: Rng) -> Paint:
    """Boards along x, each with its own tone and a dark joint."""
    tones = rng.uniform(0.75, 1.2, 97)

    def paint(places: Array, _: Array) -> Array:
        across = places[:, 1] / width_m
        board = np.floor(across).astype(int)
        along = places[:, 0] / (14 * width_m) + 0.37 * board
        tone = tones[(board * 31 + np.floor(along).astype(int) * 17) % len(tones)]
        grain = 1 + 0.06 * np.sin(60 * places[:, 1] + 3 * np.sin(2 * places[:, 0] + board))
        joint = np.where((across % 1 < 0.03) | (along % 1 < 0.004), 0.35, 1.0)
        return np.asarray(np.array(color) * (tone * grain * joint)[:, None])

    return paint


def tiled(color: tuple[float, float, float], edge_m: float, rng: Rng) -> Paint:
    """Square tiles with grout on whatever side, each with its own tone."""
    tones = rng.uniform(0.9, 1.08, 89)

    def paint(places: Array, normals: Array) -> Array:
        axis = np.argmax(np.abs(normals), axis=1)
        every = np.arange(len(places))
        a, b = places[every, (axis + 1) % 3] / edge_m, places[every, (axis + 2) % 3] / edge_m
        tone = tones[(np.floor(a).astype(int) * 13 + np.floor(b).astype(int) * 29) % len(tones)]
        grout = (a % 1 < 0.04) | (b % 1 < 0.04)
        return np.where(grout[:, None], 0.42, np.array(color) * tone[:, None])

    return paint


def faced(floor: Paint, walls: Paint, ceiling: Paint) -> Paint:
    """A room's own surfaces by the way they face."""

    def paint(places: Array, normals: Array) -> Array:
        up = normals[:, 2:]
        beside = np.where(up < -0.5, ceiling(places, normals), walls(places, normals))
        return np.where(up > 0.5, floor(places, normals), beside)

    return paint


def block(center_m: tuple[float, float], size_m: tuple[float, float, float], paint: Paint, foot_m: float = 0) -> Block:
    """A box on the floor, or ``foot_m`` above it."""
    x, y = center_m
    half = np.array([size_m[0] / 2, size_m[1] / 2])
    low = np.array([x - half[0], y - half[1], foot_m])
    return Block(low, low + np.array(size_m), paint)


def above(center_m: tuple[float, float, float], size_m: tuple[float, float], radiance: Array) -> Panel:
    """A panel that shines down."""
    return Panel(np.array(center_m), np.array([0, size_m[1] / 2, 0.0]), np.array([size_m[0] / 2, 0, 0.0]), radiance)


def window(room: Array, side: int, span_m: tuple[float, float], sill_m: float, radiance: Array) -> list[Panel]:
    """A window of two by two panes in the wall at x = 0 (side 0), y = 0 (1), the far x (2) or the far y (3).

    The upper panes show the sky, the lower ones what is in front of the house, at half its brightness.
    """
    axis, far = side % 2, side >= 2
    middle, top = (span_m[0] + span_m[1]) / 2, min(sill_m + 1.4, room[2] - 0.2)
    half_w, half_h = (span_m[1] - span_m[0]) / 4 - 0.03, (top - sill_m) / 4 - 0.03
    along, up = np.zeros(3), np.array([0, 0, half_h])
    along[1 - axis] = half_w
    inward = np.zeros(3)
    inward[axis] = -1.0 if far else 1.0
    if np.cross(along, up) @ inward < 0:
        along = -along
    panes = []
    for i in (-1, 1):
        for j in (-1, 1):
            center = np.zeros(3)
            center[axis] = room[axis] - 0.01 if far else 0.01
            center[1 - axis] = middle + i * (half_w + 0.03)
            center[2] = (sill_m + top) / 2 + j * (half_h + 0.03)
            panes.append(Panel(center, along, up, radiance if j > 0 else 0.5 * radiance))
    return panes


def softbox(center_m: Array, aim_m: Array, size_m: tuple[float, float], radiance: Array) -> Panel:
    """A panel that shines at a point."""
    n = aim_m - center_m
    n = n / np.linalg.norm(n)
    u = np.cross([0, 0, 1.0], n)
    u = u / np.linalg.norm(u)
    return Panel(center_m, u * size_m[0] / 2, np.cross(n, u) * size_m[1] / 2, radiance)


def studio_softboxes(rng: Rng) -> Room:
    """A dark grey studio with a large key, a cooler fill, a strip from behind and a soft ceiling."""
    size, eye = np.array([8.0, 7.0, 3.6]), np.array([4.0, 3.5, 1.1])
    turn = rng.uniform(-0.25, 0.25)
    boxes = []
    for azimuth, height, edges, radiance in (
        (0.7, 2.5, (1.6, 1.1), (26, 25, 23)),
        (2.6, 2.1, (1.2, 1.6), (9, 10, 11.5)),
        (-1.9, 1.7, (0.35, 1.9), (17, 17, 18)),
    ):
        place = eye + np.array([2.5 * np.cos(azimuth + turn), 2.5 * np.sin(azimuth + turn), height - eye[2]])
        boxes.append(softbox(place, eye, edges, np.array(radiance, float)))
    boxes.append(above((4.0, 3.5, 3.5), (2.6, 2.6), np.array([3.0, 3.0, 3.1])))
    stands = tuple(
        block((p.center[0] + 0.1, p.center[1] + 0.1), (0.06, 0.06, p.center[2] - 0.5), painted((0.05, 0.05, 0.05)))
        for p in boxes[:3]
    )
    paint = faced(planks((0.16, 0.15, 0.145), 1.6, rng), painted((0.2, 0.2, 0.21)), painted((0.12, 0.12, 0.12)))
    return Room(size, eye, paint, tuple(boxes), stands, 0.25)


def workshop(rng: Rng) -> Room:
    """A large hall with tubes under the ceiling, high windows on one side, benches, racks and crates."""
    size, eye = np.array([12.0, 9.0, 4.6]), np.array([6.0, 4.5, 1.2])
    tubes = [above((x, y, 4.3), (1.4, 0.16), np.array([60, 62, 60.0])) for x in (2.5, 6.0, 9.5) for y in (2.2, 6.8)]
    lights = [*tubes, *window(size, 3, (1.5, 5.0), 2.3, np.array([11, 12.5, 15.0]))]
    lights += window(size, 3, (7.0, 10.5), 2.3, np.array([11, 12.5, 15.0]))
    steel, wood = painted((0.13, 0.16, 0.2)), planks((0.42, 0.28, 0.16), 0.12, rng)
    things = [block((2.0, 0.6), (3.2, 0.8, 0.06), wood, 0.86), block((9.3, 0.6), (3.4, 0.8, 0.06), wood, 0.86)]
    things += [block((x, 0.6), (0.1, 0.7, 0.86), steel) for x in (0.6, 3.4, 7.8, 10.8)]
    things += [block((0.35, 5.5), (0.6, 3.0, 0.05), steel, z) for z in (0.3, 1.1, 1.9, 2.6)]
    for _ in range(14):
        edge = rng.uniform(0.2, 0.6, 3)
        color = [(0.5, 0.1, 0.07), (0.08, 0.2, 0.42), (0.55, 0.38, 0.1), (0.2, 0.22, 0.2), (0.4, 0.27, 0.15)]
        wall = rng.integers(2)
        place = (
            (rng.uniform(0.6, 11.4), rng.uniform(7.9, 8.6))
            if wall
            else (rng.uniform(10.9, 11.6), rng.uniform(1.5, 8.5))
        )
        things.append(block(place, (edge[0], edge[1], edge[2]), painted(color[rng.integers(5)])))
    paint = faced(tiled((0.3, 0.3, 0.29), 3.0, rng), tiled((0.5, 0.5, 0.47), 0.4, rng), painted((0.45, 0.45, 0.45)))
    return Room(size, eye, paint, tuple(lights), tuple(things), 0.4)


def kitchen(rng: Rng) -> Room:
    """A bright room with one large window, warm spots over a worktop, cupboards and a table."""
    size, eye = np.array([5.2, 4.4, 2.6]), np.array([2.6, 2.2, 1.15])
    lights = [above((x, 3.9, 2.58), (0.14, 0.14), np.array([120, 96, 66.0])) for x in (0.8, 2.0, 3.2, 4.4)]
    lights += [above((2.9, 2.0, 2.1), (0.4, 0.4), np.array([14, 11.5, 8.5]))]
    lights += window(size, 0, (1.0, 3.4), 0.95, np.array([13, 14.5, 17.0]))
    front = (float(rng.uniform(0.6, 0.72)),) * 3
    oak = planks((0.5, 0.34, 0.2), 0.1, rng)
    things = [block((2.6, 4.1), (5.0, 0.6, 0.88), painted(front)), block((2.6, 4.08), (5.1, 0.64, 0.04), oak, 0.88)]
    things += [block((x, 4.22), (0.76, 0.34, 0.7), painted(front), 1.5) for x in (0.6, 1.4, 3.8, 4.6)]
    things += [block((4.85, 1.0), (0.6, 0.65, 1.9), painted((0.35, 0.36, 0.37)))]
    for _ in range(9):
        edge = rng.uniform(0.06, 0.2, 3)
        color = painted(rng.uniform(0.06, 0.65, 3))
        things.append(block((rng.uniform(0.4, 4.8), rng.uniform(3.9, 4.2)), (edge[0], edge[1], edge[2]), color, 0.92))
    paint = faced(
        planks((0.36, 0.25, 0.15), 0.14, rng), tiled((0.7, 0.69, 0.66), 0.15, rng), painted((0.8, 0.79, 0.77))
    )
    return Room(size, eye, paint, tuple(lights), tuple(things), 0.58)


def office(rng: Rng) -> Room:
    """A wide room with a grid of ceiling panels, a band of windows, desks with screens, and shelves."""
    size, eye = np.array([9.0, 7.0, 2.8]), np.array([4.5, 3.5, 1.15])
    lights = [
        above((x, y, 2.78), (1.15, 0.28), np.array([20, 21, 21.5])) for x in (1.5, 4.5, 7.5) for y in (1.4, 3.5, 5.6)
    ]
    for span in ((0.6, 3.0), (3.3, 5.7), (6.0, 8.4)):
        lights += window(size, 1, span, 0.9, np.array([9, 10, 12.0]))
    top, dark = painted((0.62, 0.6, 0.56)), painted((0.04, 0.04, 0.045))
    things: list[Block] = []
    for x in (1.4, 7.4):
        for y in (1.6, 3.6, 5.6):
            turn = float(rng.uniform(-0.15, 0.15))
            things += [
                block((x, y), (1.5, 0.75, 0.03), top, 0.72),
                block((x + turn, y + 0.2), (0.6, 0.04, 0.36), dark, 0.85),
            ]
            things += [block((x - 0.7, y), (0.04, 0.7, 0.72), dark), block((x + 0.7, y), (0.04, 0.7, 0.72), dark)]
    for k in range(26):
        color = painted(rng.uniform(0.08, 0.6, 3))
        things.append(
            block((0.9 + 0.28 * k, 6.85), (0.2, 0.24, float(rng.uniform(0.2, 0.34))), color, 0.9 + 0.4 * (k % 3))
        )
    things += [block((4.5, 6.85), (7.6, 0.3, 0.03), painted((0.5, 0.42, 0.33)), z) for z in (0.87, 1.27, 1.67)]
    paint = faced(tiled((0.2, 0.22, 0.26), 0.5, rng), painted((0.72, 0.71, 0.68)), tiled((0.78, 0.78, 0.77), 0.6, rng))
    return Room(size, eye, paint, tuple(lights), tuple(things), 0.52)


def warehouse(rng: Rng) -> Room:
    """A high hall with rows of round lamps, a band of skylights, and racks full of boxes along the walls."""
    size, eye = np.array([20.0, 14.0, 7.0]), np.array([10.0, 7.0, 1.3])
    lights = [above((x, y, 6.5), (0.7, 0.7), np.array([58, 57, 54.0])) for x in (3.5, 10, 16.5) for y in (3.5, 10.5)]
    lights += [above((x, 7.0, 6.95), (4.4, 0.9), np.array([9, 10, 11.5])) for x in (4.0, 10.0, 16.0)]
    steel, beam = painted((0.1, 0.16, 0.32)), painted((0.55, 0.2, 0.04))
    things: list[Block] = []
    for y in (0.8, 13.2):
        for x in np.arange(1.2, 19, 2.8):
            things += [block((x - 1.3, y), (0.1, 1.0, 4.6), steel)]
            things += [block((x, y), (2.6, 1.0, 0.1), beam, z) for z in (1.5, 3.0)]
            for z in (0.0, 1.6, 3.1):
                edge = rng.uniform([0.5, 0.6, 0.5], [1.1, 0.9, 1.2])
                tone = rng.uniform(0.75, 1.15) * np.array([0.36, 0.25, 0.15])
                place = (x + float(rng.uniform(-0.5, 0.5)), y)
                things.append(block(place, (edge[0], edge[1], edge[2]), painted(tone), z))
    for _ in range(8):
        edge = rng.uniform(0.5, 1.1, 3)
        things.append(
            block((19.2, rng.uniform(3, 11)), (edge[0], edge[1], edge[2]), planks((0.4, 0.29, 0.17), 0.14, rng))
        )
    paint = faced(tiled((0.34, 0.34, 0.33), 4.0, rng), tiled((0.46, 0.47, 0.48), 1.0, rng), painted((0.3, 0.31, 0.32)))
    return Room(size, eye, paint, tuple(lights), tuple(things), 0.36)


def night_lab(rng: Rng) -> Room:
    """A dark laboratory: screens, a warm desk lamp, a strip above a bench, and the night in the window."""
    size, eye = np.array([7.0, 6.0, 2.8]), np.array([3.5, 3.0, 1.15])
    dark = painted((0.05, 0.055, 0.065))
    lights = [
        above((3.5, 0.62, 1.75), (2.6, 0.1), np.array([12, 14.5, 18.0])),
        above((5.6, 5.2, 1.6), (0.3, 0.3), np.array([95, 62, 32.0])),
    ]
    lights += window(size, 0, (1.6, 4.4), 0.9, np.array([0.5, 0.75, 1.5]))
    for x in (1.6, 2.6, 4.4):
        screen = np.array([4.0, 7.0, 10.0]) * rng.uniform(0.7, 1.2)
        lights.append(Panel(np.array([x, 5.5, 1.15]), np.array([-0.27, 0, 0]), np.array([0, 0, 0.17]), screen))
    lights.append(
        Panel(np.array([6.98, 1.2, 2.2]), np.array([0, -0.18, 0.0]), np.array([0, 0, 0.07]), np.array([0.6, 9.0, 2.5]))
    )
    top, grey = painted((0.3, 0.3, 0.31)), painted((0.16, 0.17, 0.19))
    things = [block((3.5, 0.4), (6.4, 0.7, 0.06), top, 0.86), block((3.5, 0.3), (6.4, 0.36, 0.7), grey, 1.8)]
    things += [block((3.5, 5.6), (6.4, 0.7, 0.06), top, 0.74)]
    things += [block((x, 0.4), (0.06, 0.6, 0.86), dark) for x in (0.4, 2.4, 4.6, 6.6)]
    for _ in range(14):
        edge = rng.uniform(0.06, 0.3, 3)
        side = 0.35 if rng.integers(2) else 5.72
        color = painted(rng.uniform(0.04, 0.5, 3))
        things.append(
            block(
                (rng.uniform(0.4, 6.6), side), (edge[0], min(edge[1], 0.2), edge[2]), color, 0.93 if side < 1 else 0.81
            )
        )
    paint = faced(planks((0.15, 0.155, 0.165), 0.9, rng), painted((0.26, 0.28, 0.31)), painted((0.32, 0.33, 0.34)))
    return Room(size, eye, paint, tuple(lights), tuple(things), 0.25)


ROOMS: dict[str, Callable[[Rng], Room]] = {
    "studio_softboxes": studio_softboxes,
    "workshop": workshop,
    "kitchen": kitchen,
    "office": office,
    "warehouse": warehouse,
    "night_lab": night_lab,
}
