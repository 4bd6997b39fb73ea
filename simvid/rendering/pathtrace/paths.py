"""Paths of light, many at once: Mitsuba's path integrator (Veach 1997; Pharr et al. 2016, ch. 14) as one Dr.Jit loop.

A lane is a pixel that follows one path after the other, so that lanes whose path ends early go on with the next one and
do not wait, and sums are in the same order in every run. The first surface's albedo, normal and depth, which the
denoiser and the labels need, come along without rays of their own, and rays may come from any lens.

Caustics are not followed, for they would be drawn as specks: light that falls through glass on something else goes
straight on, tinted, and holes in textures let it pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import drjit as dr
import mitsuba as mi  # noqa: TID253  part of the path tracer, which is loaded only when it is asked for
import numpy as np
from numpy.typing import NDArray

from simvid.rendering.pathtrace.rays import number_of

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
ROULETTE_FROM = 4
"""Bounces after which paths may end by chance."""
BRIGHTEST = 10.0
"""What one path may bring of light that has been reflected twice: a little less light for far fewer specks."""
EVEN = 7
"""Random numbers of each path that are spread evenly over the samples of a pixel: its place in the pixel, and what its
first bounce draws."""
MOST_PANES = 8
"""Surfaces that light goes straight through before it counts as blocked."""


class Sums(NamedTuple):
    """Means over the samples of each pixel, [N], [N, 3].

    Attributes:
        radiance: linear, of what is not sky.
        alpha: share of samples that met something.
        z: mean z of what they met, times alpha [m].
        albedo, normals: of what they met, in the world, times alpha.
    """

    radiance: Floats
    alpha: Floats
    z: Floats
    albedo: Floats
    normals: Floats


class RayTable:
    """Rays of a camera through the corners of its pixels, from which those between are interpolated."""

    def __init__(self, origins: Array, slopes: Array) -> None:
        """Keep the table.

        Args:
            origins: (x0, y0) [m] of the lines (x0 + z a, y0 + z b, z) in the camera's frame, [H + 1, W + 1, 2].
            slopes: (a, b), NaN where there is no ray, [H + 1, W + 1, 2].
        """
        self.height, self.width = int(slopes.shape[0]) - 1, int(slopes.shape[1]) - 1
        seen = np.asarray(np.isfinite(slopes).all(axis=-1))
        whole = seen[:-1, :-1] & seen[1:, :-1] & seen[:-1, 1:] & seen[1:, 1:]
        table = np.nan_to_num(np.concatenate([origins, slopes], axis=-1).astype(np.float32))
        self._parallel = bool(np.ptp(table[..., 2:]) == 0)
        self._columns = [mi.Float(np.ascontiguousarray(table[..., k].ravel())) for k in range(4)]
        self._whole = mi.Bool(np.ascontiguousarray(whole.ravel()))

    def __len__(self) -> int:
        return self.height * self.width

    def at(self, pixel: Any, u: Any, v: Any) -> tuple[list[Any], Any]:
        """(x0, y0, a, b) at a place within a pixel, and whether a ray is there.

        Args:
            pixel: its number, row by row.
            u, v: place within it, 0 to 1.
        """
        row = pixel // self.width
        corner = pixel + row
        found = []
        for column in self._columns:
            a, b = dr.gather(mi.Float, column, corner), dr.gather(mi.Float, column, corner + 1)
            below = corner + self.width + 1
            c, d = dr.gather(mi.Float, column, below), dr.gather(mi.Float, column, below + 1)
            found.append(dr.lerp(dr.lerp(a, b, u), dr.lerp(c, d, u), v))
        return found, dr.gather(mi.Bool, self._whole, pixel)


class Eye(NamedTuple):
    """Where the rays of a table start in the world, as values that a kernel reads."""

    place: Any
    right: Any
    down: Any
    forward: Any
    near_m: Any
    far_m: Any

    @staticmethod
    def of(world_from_camera: Array, near_m: float, far_m: float) -> Eye:
        """At a pose of a camera, [4, 4]."""
        x, y, z, place = (mi.Point3f(*map(float, world_from_camera[:3, k])) for k in range(4))
        eye = Eye(place, mi.Vector3f(x), mi.Vector3f(y), mi.Vector3f(z), mi.Float(near_m), mi.Float(far_m))
        dr.make_opaque(*eye)
        return eye

    def ray(self, lines: list[Any]) -> Any:
        """The ray of a line (x0, y0, a, b), from the near plane on."""
        x0, y0, a, b = lines
        along = self.right * a + self.down * b + self.forward
        start = self.place + self.right * x0 + self.down * y0 + along * self.near_m
        length = dr.norm(along)
        return mi.Ray3f(start, along / length, self.far_m, mi.Float(0), mi.Color0f())


class _Spread:
    """Points of a Kronecker sequence (Roberts 2018, "The unreasonable effectiveness of quasirandom sequences"), shifted
    by chance in every pixel: even over few samples, which takes noise away."""

    def __init__(self, sampler: Any) -> None:
        base = 1.5
        for _ in range(64):
            base = (1 + base) ** (1 / (EVEN + 1))
        self._steps = [base ** -(k + 1) for k in range(EVEN)]
        self._shifts = [sampler.next_1d() for _ in range(EVEN)]
        dr.eval(*self._shifts)

    def at(self, index: Any, k: int) -> Any:
        """Number k of a sample."""
        value = self._shifts[k] + dr.fma(mi.Float(index), self._steps[k], 0)
        return value - dr.floor(value)

    def pair(self, index: Any, k: int) -> Any:
        """Numbers k and k + 1."""
        return mi.Point2f(self.at(index, k), self.at(index, k + 1))


class Panes:
    """What of a light goes straight through each shape."""

    def __init__(self, scene: Any, tints: Mapping[str, Floats]) -> None:
        """Look up shapes.

        Args:
            scene: Mitsuba's.
            tints: of shapes that light goes through, [3], by name.
        """
        numbers = {shape.id(): int(number_of(mi.ShapePtr(shape))[0]) for shape in scene.shapes()}
        table = np.zeros((max(numbers.values(), default=0) + 1, 3), np.float32)
        for name, tint in tints.items():
            table[numbers[name]] = tint
        self._columns = [mi.Float(np.ascontiguousarray(column)) for column in table.T]

    def tint(self, shape: Any) -> Any:
        """Of a shape, by pointer."""
        number = dr.reinterpret_array(mi.UInt32, shape)
        return mi.Color3f(*(dr.gather(mi.Float, column, number) for column in self._columns))


def traced(
    scene: Any, table: RayTable, eye: Eye, panes: Panes | None, *, samples: int, max_depth: int, seed: int
) -> Sums:
    """Follow paths from every pixel.

    Args:
        scene: Mitsuba's, under a variant that traces many rays at once.
        table, eye: the camera.
        panes: None where nothing lets light through.
        samples: paths per pixel.
        max_depth: most bounces.
        seed: of the noise; equal seeds give equal bits.
    """
    sampler = mi.load_dict({"type": "independent"})
    sampler.seed(seed, len(table))
    spread = _Spread(sampler)
    limits = mi.UInt32(samples), mi.UInt32(max_depth)
    dr.make_opaque(*limits)
    radiance, alpha, z, albedo, normals = _loop(scene, table, eye, panes, (sampler, spread), *limits)
    dr.eval(radiance, alpha, z, albedo, normals)
    share = np.float32(1 / samples)
    return Sums(*(np.array(value, np.float32).T * share for value in (radiance, alpha, z, albedo, normals)))


@dr.syntax  # type: ignore[untyped-decorator]
def _loop(  # noqa: PLR0915  one loop is one kernel
    scene: Any, table: RayTable, eye: Eye, panes: Panes | None, chance: Any, samples: Any, max_depth: Any
) -> Any:
    """Sums over the samples: radiance, alpha, z, albedo, normals."""
    context = mi.BSDFContext()
    pixel = dr.arange(mi.UInt32, len(table))
    radiance, albedo, normals = mi.Color3f(0), mi.Color3f(0), mi.Normal3f(0)
    alpha, z = mi.Float(0), mi.Float(0)
    sampler, spread = chance
    u, v = spread.at(samples, 0), spread.at(samples, 1)
    lines, there = table.at(pixel, u, v)
    ray = eye.ray(lines)
    left = dr.select(there, samples, 0)
    throughput, eta, depth = mi.Color3f(1), mi.Float(1), mi.UInt32(0)
    before, before_pdf, before_delta = dr.zeros(mi.Interaction3f), mi.Float(0), mi.Bool(True)
    met, scattered = mi.Bool(False), mi.Bool(False)
    while left > 0:
        si = scene.ray_intersect(ray, mi.RayFlags.All, mi.Bool(False))
        # light that the ray runs into; the camera's own rays do not see it, the sky is put behind them later
        shining = si.emitter(scene)
        ds = mi.DirectionSample3f(scene, si, before)
        light_pdf = dr.select(before_delta, 0, scene.pdf_emitter_direction(before, ds, ~before_delta))
        found = throughput * shining.eval(si) * _share(before_pdf, light_pdf)
        radiance += dr.select(depth > 0, _held(found, depth > 1), 0)
        on = si.is_valid() & (depth + 1 < max_depth)
        bsdf = si.bsdf(ray)
        # light from a lamp, sun or piece of sky that is drawn by chance
        smooth = on & mi.has_flag(bsdf.flags(), mi.BSDFFlags.Smooth)
        early = depth == 0
        for_light = dr.select(early, spread.pair(left, 2), sampler.next_2d())
        for_lobe = dr.select(early, spread.at(left, 4), sampler.next_1d())
        for_bounce = dr.select(early, spread.pair(left, 5), sampler.next_2d())
        lit, weight = scene.sample_emitter_direction(si, for_light, panes is None, smooth)
        smooth &= lit.pdf != 0
        through = mi.Bool(False)
        if dr.hint(panes is not None, mode="scalar"):
            passing, through = _unblocked(scene, panes, si, bsdf, lit, smooth)
            weight *= passing
        toward = si.to_local(lit.d)
        value, pdf, drawn, gain = bsdf.eval_pdf_sample(context, si, toward, for_lobe, for_bounce, on | smooth)
        share = dr.select(lit.delta | through, 1, _share(lit.pdf, pdf))
        radiance[smooth] += _held(throughput * value * weight * share, depth > 0)
        # the first surface that is more than a hole
        passes = mi.has_flag(drawn.sampled_type, mi.BSDFFlags.Null)
        first = si.is_valid() & ~met & (~passes | ~on)
        alpha[first] += 1
        z[first] += dr.dot(si.p - eye.place, eye.forward)
        albedo[first] += bsdf.eval_diffuse_reflectance(si, first)
        normals[first] += si.sh_frame.n
        met |= first
        # the next bounce
        throughput *= gain
        eta *= drawn.eta
        ray = si.spawn_ray(si.to_world(drawn.wo))
        before[~passes] = mi.Interaction3f(si)
        before_pdf = dr.select(passes, before_pdf, drawn.pdf)
        before_delta = dr.select(passes, before_delta, mi.has_flag(drawn.sampled_type, mi.BSDFFlags.Delta))
        depth[si.is_valid() & ~passes] += 1
        if dr.hint(panes is not None, mode="scalar"):
            on &= ~(scattered & mi.has_flag(drawn.sampled_type, mi.BSDFFlags.GlossyTransmission))
            scattered |= mi.has_flag(drawn.sampled_type, mi.BSDFFlags.Diffuse)
        brightest = dr.max(throughput)
        survival = dr.minimum(brightest * eta * eta, 0.95)
        chancy = depth >= ROULETTE_FROM
        ends = chancy & (sampler.next_1d() >= survival)
        throughput[chancy] *= dr.rcp(survival)
        on &= (brightest != 0) & ~ends
        # where the path has ended, the next one
        if ~on:
            left -= 1
            lines, _ = table.at(pixel, spread.at(left, 0), spread.at(left, 1))
            ray = eye.ray(lines)
            throughput, eta, depth = mi.Color3f(1), mi.Float(1), mi.UInt32(0)
            before, before_pdf, before_delta = dr.zeros(mi.Interaction3f), mi.Float(0), mi.Bool(True)
            met, scattered = mi.Bool(False), mi.Bool(False)
    return radiance, alpha, z, albedo, normals


@dr.syntax  # type: ignore[untyped-decorator]
def _unblocked(scene: Any, panes: Panes, si: Any, bsdf: Any, lit: Any, active: Any) -> Any:
    """What of a light arrives, and whether it comes through a pane, which paths do not."""
    opaque = mi.has_flag(bsdf.flags(), mi.BSDFFlags.GlossyTransmission)
    arriving, through, left = mi.Color3f(1), mi.Bool(False), mi.UInt32(MOST_PANES)
    end = si.p + lit.d * lit.dist
    ray = si.spawn_ray_to(end)
    active = mi.Bool(active)
    while active:
        hit = scene.ray_intersect(ray, active)
        active &= hit.is_valid()
        holes = hit.bsdf(ray).eval_null_transmission(hit, active)
        tint = dr.select(opaque, 0, panes.tint(hit.shape))
        arriving[active] *= dr.select(left > 0, dr.maximum(holes, tint), 0)
        through |= active & (dr.max(tint) > 0)
        left -= 1
        active &= dr.max(arriving) > 0
        ray = hit.spawn_ray_to(end)
    return arriving, through


def _held(light: Any, indirect: Any) -> Any:
    """The light, but no more than ``BRIGHTEST`` of it where it is indirect."""
    return light * dr.select(indirect, dr.minimum(1, BRIGHTEST / dr.max(light)), 1)


def _share(one: Any, other: Any) -> Any:
    """Weight of a sample that could have been drawn in two ways (power heuristic)."""
    a, b = one * one, other * other
    return dr.select(a > 0, a / (a + b), dr.select(b > 0, 0, 1))
