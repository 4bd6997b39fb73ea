"""Elastic energy of a deformable body, from its stored deformation gradients."""

from __future__ import annotations

import numpy as np

from simvid.assets.parts import DeformableBody
from simvid.checking.receipts.evidence import Array
from simvid.trajectory import ParticleMotion


def elastic_energy(body: DeformableBody, motion: ParticleMotion) -> Array | None:
    """Energy stored at each frame [J], [T]; None of what flows: F does not tell what it stores.

    Fixed corotated (Stomakhin et al. 2012): mu sum (s_i - 1)^2 + lambda / 2 (J - 1)^2; neo-Hookean (Bonet & Wood 2008):
    mu / 2 (tr F^T F - 3) - mu ln J + lambda / 2 (ln J)^2, per volume at rest.
    """
    elastic = body.material.elastic
    if elastic is None:
        return None
    young, nu = elastic.young_modulus_pa, elastic.poisson_ratio
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
