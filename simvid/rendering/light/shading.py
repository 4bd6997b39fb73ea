"""Light that a surface sends to the eye, of suns, lamps and sky.

The surface is Burley's diffuse (2012), which is Lambert's but for grazing angles, plus a microfacet layer: GGX with
Smith's visibility and Schlick's Fresnel for suns and lamps, and for the sky a lookup in the mirror direction, blurred
by roughness (the split sum of Karis 2013, "Real shading in Unreal Engine 4"). What is clear shows the sky, bent as
behind a ball; what is ``sheer`` does not: what is behind it is seen through it, see ``veil``.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.types import (
    HALF,
    NO_GROUND,
    ONE,
    PI,
    TWO,
    ZERO,
    Floats,
    Ints,
    Real,
    SplatArrays,
    Vec,
)
from simvid.rendering.light.brdf_table import environment_brdf
from simvid.rendering.light.lighting import (
    BOUNCE,
    GROUND,
    SkyArrays,
    map_radiance,
    open_sky,
    sky_radiance,
)

NEIGHBOURS = 6
"""Gaussians before and after in memory with which the share of the sky is averaged."""


class Surface(NamedTuple):
    """A point that is lit: its place [m], normal, unit direction to the eye, their cosine, and material."""

    p: Vec
    n: Vec
    v: Vec
    nv: Real
    matte: Vec
    """Diffuse albedo over pi."""
    f0: Vec
    """Reflectance head-on."""
    roughness: Real
    clear: Vec
    """Share of the light behind it that comes through."""
    index: Real
    """Of refraction, of what is clear."""
    sheen: Real
    coat: Real
    """Share of a reflection of 4 % head-on that a second, sharp gloss has."""


class Nearby(NamedTuple):
    """What bodies and ground do to a surface."""

    irradiance: Vec
    """That they throw on it; negative where that is not known, and is the same everywhere."""
    hidden: Real
    """Share of what is mirrored that is bodies; negative where that is not known."""
    mirrored: Vec
    """Their radiance, times that share."""


Finish: TypeAlias = tuple[Real, Real, Real, Real, Real, Real]
"""Roughness, metalness, reflectance head-on of what is no metal, transmission, sheen, clearcoat; see ``Look``."""
COAT_ROUGHNESS: Real = np.float32(0.1)


@inlined
def surface_point(i: int, splats: SplatArrays, eye: Floats) -> tuple[Vec, Vec, Vec, Real]:
    """Point of the surface of a Gaussian [m], normal turned to the eye, unit direction to the eye, their cosine."""
    x, y, z = splats.points[i, 0], splats.points[i, 1], splats.points[i, 2]
    nx, ny, nz = splats.normals[i, 0], splats.normals[i, 1], splats.normals[i, 2]
    vx, vy, vz = eye[0] - x, eye[1] - y, eye[2] - z
    far = ONE / np.sqrt(vx * vx + vy * vy + vz * vz)
    vx, vy, vz = vx * far, vy * far, vz * far
    nv = nx * vx + ny * vy + nz * vz
    if nv < ZERO and splats.back[i] >= ONE:  # the inside of an open mesh; of a closed one it is just past its outline
        nx, ny, nz, nv = -nx, -ny, -nz, -nv
    return (x, y, z), (nx, ny, nz), (vx, vy, vz), max(nv, np.float32(0.02))


@inlined
def surface_of(i: int, splats: SplatArrays, eye: Floats) -> Surface:
    """The surface above a Gaussian."""
    p, n, v, nv = surface_point(i, splats, eye)
    albedo = (splats.albedo[i, 0], splats.albedo[i, 1], splats.albedo[i, 2])
    g = splats.gloss
    s: Surface = made_of(p, n, v, nv, albedo, (g[i, 0], g[i, 1], g[i, 2], g[i, 3], g[i, 4], g[i, 5]))
    if splats.sheer[i]:
        none = (ZERO, ZERO, ZERO)
        return Surface(s.p, s.n, s.v, s.nv, s.matte, s.f0, s.roughness, none, s.index, s.sheen, s.coat)
    return s


@inlined
def made_of(p: Vec, n: Vec, v: Vec, nv: Real, albedo: Vec, finish: Finish) -> Surface:
    """A surface of a material; the first four are as in ``Surface``."""
    a0, a1, a2 = albedo
    roughness, metallic, head_on, transmission, sheen, coat = finish
    plain = ONE - metallic
    d, f, t = plain * (ONE - transmission) / PI, head_on * plain, plain * transmission
    root = np.sqrt(head_on)
    return Surface(
        p,
        n,
        v,
        nv,
        (a0 * d, a1 * d, a2 * d),
        (f + a0 * metallic, f + a1 * metallic, f + a2 * metallic),
        roughness,
        (a0 * t, a1 * t, a2 * t),
        (ONE + root) / max(ONE - root, np.float32(0.1)),
        sheen * plain,
        np.float32(0.25) * coat,
    )


@inlined
def smoothed(slot: int, rows: Ints, splats: SplatArrays, share: Floats) -> Real:
    """Mean of the shares of a Gaussian and of its neighbours in memory that are near it in space.

    Lighter ones count whichever way they face: a groove finer than the Gaussians would else be drawn as a row of black
    specks. Darker ones must face the same way: what is hidden in a joint does not darken the faces that meet there.
    """
    i = rows[slot]
    total, weight = share[slot], ONE
    reach = np.float32(9.0) * splats.radius[i] * splats.radius[i]
    at, n = splats.points, splats.normals
    own = share[slot]
    for other in range(max(slot - NEIGHBOURS, 0), min(slot + NEIGHBOURS + 1, len(rows))):
        j, theirs = rows[other], share[other]
        dx, dy, dz = at[i, 0] - at[j, 0], at[i, 1] - at[j, 1], at[i, 2] - at[j, 2]
        near = (other != slot) & (dx * dx + dy * dy + dz * dz < reach)
        alike = n[i, 0] * n[j, 0] + n[i, 1] * n[j, 1] + n[i, 2] * n[j, 2] > HALF
        counts = near & (alike | (theirs > own))  # no branch: nothing tells beforehand which ones count
        total += theirs if counts else ZERO
        weight += ONE if counts else ZERO
    return total / weight


@inlined
def many_bounces(share: Real, albedo: Real) -> Real:
    """Light in a corner whose walls light each other: more than the share of the sky that it sees.

    Fit of Jimenez et al. 2016, "Practical real-time strategies for accurate indirect occlusion", eq. 15.
    """
    a = np.float32(2.0404) * albedo - np.float32(0.3324)
    b = np.float32(0.6417) - np.float32(4.7951) * albedo
    c = np.float32(2.7552) * albedo + np.float32(0.6903)
    return max(share, ((share * a + b) * share + c) * share)


@inlined
def around(s: Surface, share: Real, near: Nearby, sky: SkyArrays) -> tuple[Vec, Vec]:
    """Light from all around: irradiance over pi times the factor of the matte part, and the radiance of what is
    mirrored.

    Args:
        s: the surface.
        share: of the light of its sky that reaches it.
        near: what bodies and ground do.
        sky: what is around.
    """
    bounced = near.irradiance
    e0, e1, e2 = open_sky(s.n, sky)
    if bounced[0] >= ZERO:
        e0, e1, e2 = e0 * share + bounced[0], e1 * share + bounced[1], e2 * share + bounced[2]
    else:
        bounce = bounce_share(s.p[2] - sky.ground_height, s.n[2], share)
        e0 = e0 * many_bounces(share, s.matte[0] * PI) + sky.colors[BOUNCE, 0] * bounce
        e1 = e1 * many_bounces(share, s.matte[1] * PI) + sky.colors[BOUNCE, 1] * bounce
        e2 = e2 * many_bounces(share, s.matte[2] * PI) + sky.colors[BOUNCE, 2] * bounce
    r = (TWO * s.nv * s.n[0] - s.v[0], TWO * s.nv * s.n[1] - s.v[1], TWO * s.nv * s.n[2] - s.v[2])
    m0, m1, m2 = mirrored(r, s.roughness, sky)
    blur = min(s.roughness * np.float32(1.2), ONE) if len(sky.map.levels) == 0 else ZERO
    dim = share + (ONE - share) * np.float32(0.25) * (ONE - s.roughness)
    clear = ONE - max(near.hidden, ZERO)
    if near.hidden >= ZERO:
        m0, m1, m2 = m0 * clear + near.mirrored[0], m1 * clear + near.mirrored[1], m2 * clear + near.mirrored[2]
        blur, dim = ZERO, ONE
    scale, bias, matte = environment_brdf(s.nv, s.roughness, sky.brdf)
    e0, e1, e2 = e0 / PI, e1 / PI, e2 / PI
    m0 = (m0 + (e0 - m0) * blur) * dim * (s.f0[0] * scale + bias)
    m1 = (m1 + (e1 - m1) * blur) * dim * (s.f0[1] * scale + bias)
    m2 = (m2 + (e2 - m2) * blur) * dim * (s.f0[2] * scale + bias)
    if s.sheen > ZERO:
        soft = s.sheen * sheen_share(s.nv)
        m0, m1, m2 = m0 + e0 * soft, m1 + e1 * soft, m2 + e2 * soft
    if s.coat > ZERO:
        c0, c1, c2 = mirrored(r, COAT_ROUGHNESS, sky)
        scale, bias, _ = environment_brdf(s.nv, COAT_ROUGHNESS, sky.brdf)
        sharp = s.coat * dim * (np.float32(0.04) * scale + bias)
        m0, m1, m2 = m0 + c0 * sharp, m1 + c1 * sharp, m2 + c2 * sharp
    if s.clear[1] > ZERO:
        t0, t1, t2 = mirrored(refracted(s), s.roughness, sky)
        through = ONE - (np.float32(s.f0[1]) * scale + bias)
        m0, m1, m2 = m0 + t0 * s.clear[0] * through, m1 + t1 * s.clear[1] * through, m2 + t2 * s.clear[2] * through
    return (e0 * matte, e1 * matte, e2 * matte), (m0, m1, m2)


@inlined
def sheen_share(nv: Real) -> Real:
    """Light from all around that sheen gives back: the integral of (1 - cos d)^5 cos l, d half the angle
    between eye and light; a fit, off by less than 0.003.
    """
    x = ONE - nv
    return np.float32(0.0005) + x * x * (np.float32(0.05) + np.float32(0.037) * x * x)


@inlined
def refracted(s: Surface) -> Vec:
    """Where a line of sight goes on behind a clear ball: it bends at both sides by the same angle (Snell's law)."""
    c = min(s.nv, np.float32(0.9999))
    side = np.sqrt(ONE - c * c)
    inner = side / s.index
    along = np.sqrt(ONE - inner * inner)
    cos1, sin1 = c * along + side * inner, side * along - c * inner  # of the angle by which it bends at one side
    cos2, sin2 = cos1 * cos1 - sin1 * sin1, TWO * sin1 * cos1
    a, b = c * cos2 + side * sin2, (side * cos2 - c * sin2) / side
    return (
        -a * s.n[0] - b * (s.v[0] - c * s.n[0]),
        -a * s.n[1] - b * (s.v[1] - c * s.n[1]),
        -a * s.n[2] - b * (s.v[2] - c * s.n[2]),
    )


@inlined
def reflected(s: Surface, d: Vec, cosine: Real) -> Vec:
    """Reflectance for light from direction ``d``: of the matte part, and the gloss."""
    (r, g, b), f = gloss(s, d, cosine), burley(s.v, s.nv, d, cosine, s.roughness)
    return s.matte[0] * f + r, s.matte[1] * f + g, s.matte[2] * f + b


@inlined
def burley(v: Vec, nv: Real, d: Vec, cosine: Real, roughness: Real) -> Real:
    """Burley's diffuse over Lambert's (2012, "Physically-based shading at Disney", in the form of his notes of 2015),
    for unit directions to eye and light and their cosines with the normal.
    """
    a, b = ONE - nv, ONE - cosine
    fo, fi = a * a * a * a * a, b * b * b * b * b
    rr = roughness * (ONE + d[0] * v[0] + d[1] * v[1] + d[2] * v[2])  # 2 r cos^2 of half the angle between the two
    return (ONE - HALF * fi) * (ONE - HALF * fo) + rr * (fi + fo + fi * fo * (rr - ONE))


@inlined
def gloss(s: Surface, d: Vec, cosine: Real) -> Vec:
    """Reflectance of the microfacets: GGX with Smith and Schlick (Karis 2013, eqs. 3 to 5), sheen and clearcoat."""
    hx, hy, hz = d[0] + s.v[0], d[1] + s.v[1], d[2] + s.v[2]
    norm = ONE / np.sqrt(max(hx * hx + hy * hy + hz * hz, np.float32(1e-12)))
    nh = max((s.n[0] * hx + s.n[1] * hy + s.n[2] * hz) * norm, ZERO)
    slant = max(ONE - max((s.v[0] * hx + s.v[1] * hy + s.v[2] * hz) * norm, ZERO), ZERO)
    square = slant * slant
    edge = square * square * slant
    gleam, soft = lobe(nh, s.nv, cosine, s.roughness), s.sheen * edge
    if s.coat > ZERO:
        sharp = lobe(nh, s.nv, cosine, np.float32(2.0) * COAT_ROUGHNESS)
        soft += s.coat * sharp * (np.float32(0.04) + np.float32(0.96) * edge)
    return (
        gleam * (s.f0[0] + (ONE - s.f0[0]) * edge) + soft,
        gleam * (s.f0[1] + (ONE - s.f0[1]) * edge) + soft,
        gleam * (s.f0[2] + (ONE - s.f0[2]) * edge) + soft,
    )


@inlined
def lobe(nh: Real, nv: Real, nl: Real, roughness: Real) -> Real:
    """Distribution and visibility of microfacets, for cosines of the normal with half vector, eye and light."""
    alpha = max(roughness * roughness, np.float32(0.02))
    a2 = alpha * alpha
    spread = nh * nh * (a2 - ONE) + ONE
    smith = (nl + np.sqrt(a2 + (ONE - a2) * nl * nl)) * (nv + np.sqrt(a2 + (ONE - a2) * nv * nv))
    return a2 / (PI * spread * spread) / smith


@inlined
def bounce_share(height: Real, up: Real, share: Real) -> Real:
    """Share of the ground's light that reaches a point: by how far its normal leans down, less in corners."""
    lean = HALF * (ONE - up)
    above = max(height, ZERO)
    free = (above + np.float32(0.01)) / (above + np.float32(0.05))
    return lean * free * (np.float32(0.3) + np.float32(0.7) * share)


@inlined
def mirrored(d: Vec, roughness: Real, sky: SkyArrays) -> Vec:
    """What a unit direction shows of sky and ground; their border is softened by roughness."""
    grounded = sky.ground_height >= np.float32(0.1 * NO_GROUND)
    s0, s1, s2 = above_ground(d, roughness, sky, grounded)
    if not grounded:
        return s0, s1, s2
    soft = np.float32(0.05) + np.float32(0.5) * roughness
    t = min(max(HALF - d[2] / (TWO * soft), ZERO), ONE)
    g = sky.colors
    return s0 + (g[GROUND, 0] - s0) * t, s1 + (g[GROUND, 1] - s1) * t, s2 + (g[GROUND, 2] - s2) * t


@inlined
def above_ground(d: Vec, roughness: Real, sky: SkyArrays, grounded: bool) -> Vec:
    """Radiance of sky or map in a unit direction; above a ground, not less high than the horizon."""
    up = max(d[2], ZERO) if grounded else d[2]
    if len(sky.map.levels):
        s0, s1, s2 = map_radiance((d[0], d[1], up), roughness, sky.map)
    else:
        s0, s1, s2 = sky_radiance(up, sky.colors, sky.falloff)
    return s0, s1, s2
