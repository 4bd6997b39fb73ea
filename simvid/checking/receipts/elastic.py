"""Elastic energy of a deformable body, from its stored deformation gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import DeformableBody
from simvid.checking.receipts.evidence import Array
from simvid.trajectory import ParticleMotion

POISSON = 0.3
"""Of all cloth, in its plane (docs/thin.md)."""


def elastic_energy(body: DeformableBody, motion: ParticleMotion) -> Array | None:
    """Energy stored at each frame [J], [T]; None of what flows: F does not tell what it stores.

    Of cloth and rope that of stretch; what their bending stores is thousands of times less.

    Fixed corotated (Stomakhin et al. 2012): mu sum (s_i - 1)^2 + lambda / 2 (J - 1)^2; neo-Hookean (Bonet & Wood 2008):
    mu / 2 (tr F^T F - 3) - mu ln J + lambda / 2 (ln J)^2, per volume at rest.
    """
    if body.material.cloth is not None and motion.triangles is not None:
        return _membrane(motion, motion.triangles, body.material.cloth.stretch_n_m)
    if body.material.rope is not None:
        return _springs(motion, body.material.rope.young_modulus_pa * np.pi * body.radius_m**2)
    elastic = body.material.elastic
    if elastic is None:
        return None
    young, nu = elastic.young_modulus_pa, elastic.poisson_ratio
    if body.tetrahedra is not None:
        return _elements(body, motion, body.tetrahedra, young, nu, elastic.model)
    mu, lam = young / (2 * (1 + nu)), young * nu / ((1 + nu) * (1 - 2 * nu))
    out = np.empty(len(motion.positions))
    for t, gradient in enumerate(motion.deformation.astype(np.float64)):
        square = (gradient * gradient).sum(axis=(1, 2))
        volume = np.linalg.det(gradient)
        if elastic.model == "neo_hookean":
            log = np.log(np.maximum(volume, 1e-6))
            density = mu / 2 * (square - 3) - mu * log + lam / 2 * log**2
        else:
            density = mu * (square - 2 * stretch_sum(gradient) + 3) + lam / 2 * (volume - 1) ** 2
        out[t] = body.volumes_m3 @ density
    return out


def _elements(
    body: DeformableBody, motion: ParticleMotion, corners: NDArray[np.integer], young: float, nu: float, model: str
) -> Array:
    """Of linear tetrahedra at the stored places: fixed corotated, or stable Neo-Hookean (Smith et al. 2018),
    m / 2 (tr F^T F - 3) + k / 2 (J - a)^2 - m / 2 ln(tr F^T F + 1) with m = 4/3 mu, k = lambda + 5/6 mu,
    a = 1 + 3/4 m / k, less its value at rest."""
    mu, lam = young / (2 * (1 + nu)), young * nu / ((1 + nu) * (1 - 2 * nu))
    m, k = 4 / 3 * mu, lam + 5 / 6 * mu
    a = 1 + 0.75 * m / k

    def edges(places: Array) -> Array:
        x = places[corners]
        return np.stack([x[:, i] - x[:, 0] for i in (1, 2, 3)], axis=-1)

    frame = edges(motion.rest.astype(np.float64))
    inverse, volume = np.linalg.inv(frame), np.linalg.det(frame) / 6
    out = np.empty(len(motion.positions))
    for t, places in enumerate(motion.positions.astype(np.float64)):
        gradient = edges(places) @ inverse
        square, change = (gradient * gradient).sum(axis=(1, 2)), np.linalg.det(gradient)
        if model == "neo_hookean":
            density = m / 2 * (square - 3 - np.log((square + 1) / 4)) + k / 2 * ((change - a) ** 2 - (1 - a) ** 2)
        else:
            stretch = np.linalg.svd(gradient, compute_uv=False)
            stretch[:, 2] *= np.where(change < 0, -1.0, 1.0)
            density = mu * ((stretch - 1) ** 2).sum(axis=1) + lam / 2 * (change - 1) ** 2
        out[t] = volume @ density
    return out


def _membrane(motion: ParticleMotion, triangles: NDArray[np.integer], stretch_n_m: float) -> Array:
    """St. Venant and Kirchhoff in plane stress: area (lambda tr(E)^2 / 2 + mu E : E) of Green's strain E."""
    lam, mu = stretch_n_m * POISSON / (1 - POISSON**2), stretch_n_m / (2 * (1 + POISSON))
    rest = motion.rest.astype(np.float64)[triangles]
    one, two = rest[:, 1] - rest[:, 0], rest[:, 2] - rest[:, 0]
    normal = np.cross(one, two)
    area = np.linalg.norm(normal, axis=1) / 2
    along = one / np.linalg.norm(one, axis=1, keepdims=True)
    across = np.cross(normal / (2 * area[:, None]), along)
    axes = np.stack([along, across], axis=1)  # [F, 2, 3]
    inverse = np.linalg.inv(np.stack([axes @ e[:, :, None] for e in (one, two)], axis=-1)[:, :, 0])
    out = np.empty(len(motion.positions))
    for t, places in enumerate(motion.positions):
        x = places.astype(np.float64)[triangles]
        gradient = np.stack([x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]], axis=-1) @ inverse
        strain = (np.swapaxes(gradient, 1, 2) @ gradient - np.eye(2)) / 2
        trace = np.trace(strain, axis1=1, axis2=2)
        out[t] = area @ (lam / 2 * trace**2 + mu * (strain * strain).sum(axis=(1, 2)))
    return out


def _springs(motion: ParticleMotion, stiffness_n: float) -> Array:
    """E A L / 2 (l / L - 1)^2 of the segments of a rope."""
    rest = np.linalg.norm(np.diff(motion.rest.astype(np.float64), axis=0), axis=1)
    now = np.linalg.norm(np.diff(motion.positions.astype(np.float64), axis=1), axis=2)
    return np.asarray((stiffness_n / 2 * rest * (now / rest - 1) ** 2).sum(axis=1))


def stretch_sum(gradients: Array) -> Array:
    """Sum of the singular values of F, [..., 3, 3] -> [...], by the trigonometric roots of det(F^T F - x) = 0."""
    c = np.swapaxes(gradients, -1, -2) @ gradients
    mean = np.trace(c, axis1=-2, axis2=-1) / 3
    off = c - mean[..., None, None] * np.eye(3)
    p = np.sqrt((off * off).sum(axis=(-1, -2)) / 6)
    r = np.clip(np.linalg.det(off) / 2 / np.maximum(p**3, 1e-300), -1, 1)
    angle = np.arccos(r) / 3
    roots = (mean + 2 * p * np.cos(angle + shift) for shift in (0.0, 2 * np.pi / 3, -2 * np.pi / 3))
    return np.asarray(sum(np.sqrt(np.maximum(root, 0.0)) for root in roots))
