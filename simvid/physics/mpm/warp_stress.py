"""Constitutive laws as Warp functions: Kirchhoff stress and return mappings of one particle.

tau is the Kirchhoff stress, J times Cauchy's. F = V R with V = sqrt(F F^T) = U diag(sigma) U^T; all laws here are
isotropic, so tau shares the axes U, and a return mapping that only changes sigma is F <- U diag(new / old) U^T F.

Sources: fixed corotated energy: Stomakhin et al. 2012, "Energetically consistent invertible elasticity". Neo-Hookean:
Bonet and Wood 2008, eq. 6.27. Hencky strain and von Mises: Gao et al. 2017, "An adaptive generalized interpolation
material point method". Sand: Klar et al. 2016, "Drucker-Prager elastoplasticity for sand animation", with the volume
correction of Tampubolon et al. 2017. Snow: Stomakhin et al. 2013. Liquid: Tait's equation, as in Tampubolon et al.
2017. Polar decomposition: Newton's iteration, Higham 1986.
"""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the MPM solver, which is loaded only when it is asked for

from simvid.physics.mpm.materials import MODELS, TAIT_POWER

wp.set_module_options({"enable_backward": False, "optimization_level": 2})

FIXED_COROTATED = wp.constant(MODELS.index("fixed_corotated"))
NEO_HOOKEAN = wp.constant(MODELS.index("neo_hookean"))
VON_MISES = wp.constant(MODELS.index("von_mises"))
DRUCKER_PRAGER = wp.constant(MODELS.index("drucker_prager"))
SNOW = wp.constant(MODELS.index("snow"))
FLUID = wp.constant(MODELS.index("fluid"))
TAIT = wp.constant(wp.float32(TAIT_POWER))
SMALLEST = wp.constant(wp.float32(0.05))
"""Principal stretches count as at least this in logarithms."""
SWEEPS = wp.constant(6)
IDENTITY = wp.constant(wp.mat33(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


@wp.struct
class Principal:
    """V = U diag(sigma) U^T; the smallest sigma is negative where F is inverted."""

    U: wp.mat33
    sigma: wp.vec3


@wp.struct
class Plastic:
    """What a return mapping leaves: elastic F, stress and the memory of the particle."""

    F: wp.mat33
    tau: wp.mat33
    memory: wp.float32


@wp.func
def cofactor(A: wp.mat33) -> wp.mat33:
    """det(A) A^-T."""
    a, b, c = (
        wp.vec3(A[0, 0], A[0, 1], A[0, 2]),
        wp.vec3(A[1, 0], A[1, 1], A[1, 2]),
        wp.vec3(A[2, 0], A[2, 1], A[2, 2]),
    )
    return wp.matrix_from_rows(wp.cross(b, c), wp.cross(c, a), wp.cross(a, b))


@wp.func
def rotation_of(F: wp.mat33) -> wp.mat33:
    """R of F = V R by Newton's iteration; six runs reach float32 where principal stretches differ less than tenfold."""
    J = wp.determinant(F)
    R = F * (1.0 / wp.pow(wp.max(J, 1e-6), 1.0 / 3.0))
    for _ in range(6):
        R = 0.5 * (R + cofactor(R) * (1.0 / wp.determinant(R)))
    return R


@wp.func
def turned(A: wp.mat33, V: wp.mat33, p: wp.int32, q: wp.int32):
    """One rotation of Jacobi's eigenvalue method: A and V after it has put A[p, q] to nothing."""
    c, s = wp.float32(1.0), wp.float32(0.0)
    if wp.abs(A[p, q]) > 1e-12:
        theta = (A[q, q] - A[p, p]) / (2.0 * A[p, q])
        t = wp.where(theta < 0.0, -1.0, 1.0) / (wp.abs(theta) + wp.sqrt(theta * theta + 1.0))
        c = 1.0 / wp.sqrt(t * t + 1.0)
        s = t * c
    r = 3 - p - q
    app, aqq, apq, apr, aqr = A[p, p], A[q, q], A[p, q], A[p, r], A[q, r]
    B = wp.mat33(A)
    B[p, p] = c * c * app - 2.0 * s * c * apq + s * s * aqq
    B[q, q] = s * s * app + 2.0 * s * c * apq + c * c * aqq
    B[p, q] = 0.0
    B[q, p] = 0.0
    B[p, r] = c * apr - s * aqr
    B[r, p] = B[p, r]
    B[q, r] = s * apr + c * aqr
    B[r, q] = B[q, r]
    W = wp.mat33(V)
    for i in range(3):
        vp, vq = V[i, p], V[i, q]
        W[i, p] = c * vp - s * vq
        W[i, q] = s * vp + c * vq
    return B, W


@wp.func
def principal(F: wp.mat33) -> Principal:
    """Principal axes and stretches of F, by Jacobi's method on F F^T."""
    A = F * wp.transpose(F)
    U = wp.identity(n=3, dtype=wp.float32)
    for _ in range(SWEEPS):
        off = A[0, 1] * A[0, 1] + A[0, 2] * A[0, 2] + A[1, 2] * A[1, 2]
        if off > 1e-14 * (A[0, 0] * A[0, 0] + A[1, 1] * A[1, 1] + A[2, 2] * A[2, 2]):
            A, U = turned(A, U, 0, 1)
            A, U = turned(A, U, 0, 2)
            A, U = turned(A, U, 1, 2)
    out = Principal()
    out.U = U
    s = wp.vec3(wp.sqrt(wp.max(A[0, 0], 0.0)), wp.sqrt(wp.max(A[1, 1], 0.0)), wp.sqrt(wp.max(A[2, 2], 0.0)))
    if wp.determinant(F) < 0.0:
        smallest = wp.argmin(s)
        s[smallest] = -s[smallest]
    out.sigma = s
    return out


@wp.func
def along(U: wp.mat33, d: wp.vec3) -> wp.mat33:
    """U diag(d) U^T."""
    return U * wp.diag(d) * wp.transpose(U)


@wp.func
def logarithm(s: wp.vec3) -> wp.vec3:
    """Hencky strain of principal stretches."""
    return wp.vec3(wp.log(wp.max(s[0], SMALLEST)), wp.log(wp.max(s[1], SMALLEST)), wp.log(wp.max(s[2], SMALLEST)))


@wp.func
def exponential(e: wp.vec3) -> wp.vec3:
    """Principal stretches of a Hencky strain."""
    return wp.vec3(wp.exp(e[0]), wp.exp(e[1]), wp.exp(e[2]))


@wp.func
def trace(e: wp.vec3) -> wp.float32:
    """Sum of the three."""
    return e[0] + e[1] + e[2]


@wp.func
def evenly(a: wp.float32) -> wp.vec3:
    """The same three times."""
    return wp.vec3(a, a, a)


@wp.func
def neo_hookean(F: wp.mat33, mu: wp.float32, lam: wp.float32) -> wp.mat33:
    """tau = mu (F F^T - 1) + lam ln J."""
    J = wp.max(wp.determinant(F), SMALLEST)
    return mu * (F * wp.transpose(F) - IDENTITY) + (lam * wp.log(J)) * IDENTITY


@wp.func
def fixed_corotated(F: wp.mat33, mu: wp.float32, lam: wp.float32) -> wp.mat33:
    """tau = 2 mu (F - R) F^T + lam J (J - 1)."""
    J = wp.determinant(F)
    R = rotation_of(F)
    return (2.0 * mu) * ((F - R) * wp.transpose(F)) + (lam * J * (J - 1.0)) * IDENTITY


@wp.func
def fixed_corotated_stretches(s: wp.vec3, mu: wp.float32, lam: wp.float32) -> wp.vec3:
    """Principal values of the fixed corotated tau."""
    J = s[0] * s[1] * s[2]
    return 2.0 * mu * (wp.cw_mul(s, s) - s) + evenly(lam * J * (J - 1.0))


@wp.func
def hencky(e: wp.vec3, mu: wp.float32, lam: wp.float32) -> wp.vec3:
    """Principal values of tau = 2 mu eps + lam tr(eps)."""
    return 2.0 * mu * e + evenly(lam * trace(e))


@wp.func
def elastic(model: wp.int32, F: wp.mat33, mu: wp.float32, lam: wp.float32) -> wp.mat33:
    """tau of the two elastic models, inverted F included."""
    if model == NEO_HOOKEAN:
        return neo_hookean(F, mu, lam)
    if wp.determinant(F) > 1e-3:
        return fixed_corotated(F, mu, lam)
    P = principal(F)
    return along(P.U, fixed_corotated_stretches(P.sigma, mu, lam))


@wp.func
def mapped(F: wp.mat33, P: Principal, after: wp.vec3, stress: wp.vec3, memory: wp.float32) -> Plastic:
    """F with other principal stretches."""
    out = Plastic()
    before = wp.vec3(wp.max(P.sigma[0], SMALLEST), wp.max(P.sigma[1], SMALLEST), wp.max(P.sigma[2], SMALLEST))
    out.F = along(P.U, wp.cw_div(after, before)) * F
    out.tau = along(P.U, stress)
    out.memory = memory
    return out


@wp.func
def von_mises(F: wp.mat33, mu: wp.float32, lam: wp.float32, give: wp.vec4, memory: wp.float32) -> Plastic:
    """Radial return to |dev tau| = sqrt(2/3) (yield + hardening times plastic strain); ``memory`` is that strain."""
    P = principal(F)
    e = logarithm(P.sigma)
    mean = evenly(trace(e) / 3.0)
    dev = e - mean
    size = wp.length(dev)
    limit = wp.sqrt(2.0 / 3.0) * (give[0] + give[1] * memory)
    excess = 2.0 * mu * size - limit
    if excess <= 0.0:
        return mapped(F, P, P.sigma, hencky(e, mu, lam), memory)
    slip = excess / (2.0 * mu + 2.0 / 3.0 * give[1])
    e = mean + dev * (1.0 - slip / size)
    return mapped(F, P, exponential(e), hencky(e, mu, lam), memory + wp.sqrt(2.0 / 3.0) * slip)


@wp.func
def drucker_prager(F: wp.mat33, mu: wp.float32, lam: wp.float32, give: wp.vec4, memory: wp.float32) -> Plastic:
    """Klar's three cases: apart, elastic, sliding; ``memory`` is the volume gained by coming apart (log)."""
    P = principal(F)
    e = logarithm(P.sigma) + evenly(memory / 3.0)
    tr = trace(e)
    dev = e - evenly(tr / 3.0)
    size = wp.length(dev)
    if tr >= 0.0:
        return mapped(F, P, evenly(1.0), evenly(0.0), memory + trace(logarithm(P.sigma)))
    slip = size + (3.0 * lam + 2.0 * mu) / (2.0 * mu) * tr * give[0]
    if slip > 0.0:
        e = e - dev * (slip / size)
    gained = memory + trace(logarithm(P.sigma)) - trace(e)
    return mapped(F, P, exponential(e), hencky(e, mu, lam), gained)


@wp.func
def snow(F: wp.mat33, mu: wp.float32, lam: wp.float32, give: wp.vec4, memory: wp.float32) -> Plastic:
    """Stretches are kept within [1 - give.x, 1 + give.y]; what is lost multiplies J_p, whose log is ``memory``.

    Moduli grow by exp(xi (1 - J_p)), xi = give.z, within [1 / give.w, give.w].
    """
    P = principal(F)
    s = P.sigma
    after = wp.vec3(
        wp.clamp(s[0], 1.0 - give[0], 1.0 + give[1]),
        wp.clamp(s[1], 1.0 - give[0], 1.0 + give[1]),
        wp.clamp(s[2], 1.0 - give[0], 1.0 + give[1]),
    )
    most = wp.log(give[3])
    Jp = memory + trace(logarithm(s)) - trace(logarithm(after))
    Jp = wp.clamp(Jp, wp.log(SMALLEST), 1.0)
    harder = wp.exp(wp.clamp(give[2] * (1.0 - wp.exp(Jp)), -most, most))
    return mapped(F, P, after, fixed_corotated_stretches(after, mu * harder, lam * harder), Jp)


@wp.func
def fluid(J: wp.float32, bulk: wp.float32) -> wp.float32:
    """Pressure by Tait's equation, K / 7 (J^-7 - 1) [Pa]."""
    r = 1.0 / J
    r3 = r * r * r
    return bulk / TAIT * (r3 * r3 * r - 1.0)
