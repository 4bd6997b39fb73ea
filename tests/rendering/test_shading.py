"""Shading of single Gaussians against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import SplatArrays
from simvid.rendering.light.environment import environment_of
from simvid.rendering.light.lighting import Lighting
from simvid.rendering.light.shader import Shader
from simvid.rendering.splats.visible import Visible
from simvid.rendering.tone import BRIGHTEST
from simvid.scene import Camera, CameraPose, Light, PointLight, Scene, Sky, Sun

f = np.float32


def splats(normals: np.ndarray, albedo: float = 0.5, roughness: float = 1.0, metallic: float = 0.0) -> SplatArrays:
    n = len(normals)
    points = np.zeros((n, 3), f)
    return SplatArrays(
        points, np.tile([1, 0, 0, 0], (n, 1)).astype(f), normals.astype(f), np.full((n, 3), 0.01, f), np.ones(n, f),
        np.ones(n, np.int32), points.copy(), np.full(n, 0.01, f), np.ones(n, f), np.zeros(n, bool),
        np.full((n, 3), albedo, f), np.tile([roughness, metallic, 0.04, 0, 0, 0], (n, 1)).astype(f), np.zeros(n, bool),
    )  # fmt: skip


def shaded(
    arrays: SplatArrays,
    *lights: Light,
    eye: tuple[float, float, float] = (0, 0, 5),
    exposure: float = 1.0,
    shown: bool = False,
) -> np.ndarray:
    """Linear light of each Gaussian, [N]; through the tone curve if ``shown``."""
    camera = Camera(name="c", pose=CameraPose())
    world = Scene(simvid=1, duration_s=1, fps=1, cameras=(camera,), lights=lights)
    light = Lighting(environment_of(world), np.zeros(3), 1.0, 0.1, shadows=False).arrays
    n = len(arrays.means)
    features = np.full((n, 3), -1, f)
    seen = Visible(
        np.arange(n, dtype=np.int32),
        arrays.means,
        arrays.quats,
        arrays.scales,
        arrays.opacities,
        arrays.owner,
        features,
    )
    Shader(light, exposure, shown=shown).shade(seen, arrays, np.array(eye, f), Workers(1))
    srgb = features[:, 0].astype(np.float64)
    if not shown:
        return srgb
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def tilted(*degrees: float) -> np.ndarray:
    a = np.radians(degrees)
    return np.stack([np.sin(a), np.zeros_like(a), np.cos(a)], axis=-1)


SUN = Light(sun=Sun(direction=(0, 0, -1), strength=2, color=(1, 1, 1)))


def burley(nl: np.ndarray, nv: np.ndarray, along: np.ndarray, roughness: float) -> np.ndarray:
    """Burley 2012: (1 + (f90 - 1) (1 - nl)^5) (1 + (f90 - 1) (1 - nv)^5); ``along`` is l v."""
    f90 = 0.5 + roughness * (1 + along)
    return np.asarray((1 + (f90 - 1) * (1 - nl) ** 5) * (1 + (f90 - 1) * (1 - nv) ** 5))


@pytest.mark.parametrize("roughness", [0.5, 1.0])
def test_diffuse_light_is_burleys(roughness: float) -> None:
    """The sun stands behind the eye, at 80 degrees from the normal the most."""
    cosine = np.cos(np.radians([0, 30, 60, 80]))
    whole = shaded(splats(tilted(0, 30, 60, 80), roughness=roughness), SUN)
    gloss = shaded(splats(tilted(0, 30, 60, 80), albedo=0.0, roughness=roughness), SUN)
    factor = burley(cosine, cosine, np.ones(4), roughness)
    np.testing.assert_allclose(whole - gloss, 0.5 * 2 / np.pi * cosine * factor, rtol=0.01)


def test_a_surface_that_faces_away_from_the_sun_is_dark() -> None:
    out = shaded(splats(tilted(100.0)), SUN, eye=(5, 0, -2))
    np.testing.assert_allclose(out, 0, atol=1e-3)


def test_the_back_of_an_open_mesh_is_lit_like_its_front() -> None:
    front = shaded(splats(np.array([[0, 0, 1.0]])), SUN)
    back = shaded(splats(np.array([[0, 0, -1.0]])), SUN)
    np.testing.assert_allclose(front, back, rtol=1e-3)


def test_lamp_falls_off_with_the_square_of_the_distance() -> None:
    near = shaded(splats(tilted(0.0)), Light(point=PointLight(position_m=(0, 0, 1), strength=1, color=(1, 1, 1))))
    far = shaded(splats(tilted(0.0)), Light(point=PointLight(position_m=(0, 0, 2), strength=1, color=(1, 1, 1))))
    assert near[0] == pytest.approx(4 * far[0], rel=0.02)
    assert near[0] == pytest.approx(0.5 / np.pi, rel=0.06)


def test_gloss_has_its_peak_in_the_mirror_direction() -> None:
    glossy = splats(tilted(*np.linspace(-30, 30, 61)), albedo=0.0, roughness=0.3)
    at_45 = Light(sun=Sun(direction=(-1, 0, -1), strength=0.05, color=(1, 1, 1)))
    out = shaded(glossy, at_45, eye=(-5, 0, 5))
    assert np.argmax(out) == 30
    dull = shaded(splats(tilted(*np.linspace(-30, 30, 61)), albedo=0.0, roughness=0.8), at_45, eye=(-5, 0, 5))
    assert out[30] > 5 * dull[30]


def test_metal_has_no_diffuse_light_and_tints_its_gloss() -> None:
    sky = Light(sky=Sky(preset="overcast", strength=0.3))
    metal = shaded(splats(tilted(0.0), albedo=0.5, roughness=0.2, metallic=1.0), sky)
    plastic = shaded(splats(tilted(0.0), albedo=0.0, roughness=0.2), sky)
    assert metal[0] == pytest.approx(plastic[0] / 0.04 * 0.5, rel=0.25)


def test_captures_are_left_alone() -> None:
    arrays = splats(tilted(0.0, 0.0))
    arrays.baked[1] = True
    camera = Camera(name="c", pose=CameraPose())
    world = Scene(simvid=1, duration_s=1, fps=1, cameras=(camera,), lights=(SUN,))
    light = Lighting(environment_of(world), np.zeros(3), 1.0, 0.1).arrays
    features = np.full((2, 3), 7, f)
    seen = Visible(
        np.arange(2, dtype=np.int32),
        arrays.means,
        arrays.quats,
        arrays.scales,
        arrays.opacities,
        arrays.owner,
        features,
    )
    Shader(light, 1.0).shade(seen, arrays, np.array([0, 0, 5], f), Workers(1))
    assert (features[0] < 1).all()
    assert (features[1] == 7).all()


def test_exposure_and_the_tone_curve() -> None:
    out = shaded(splats(tilted(0.0)), SUN)
    assert shaded(splats(tilted(0.0)), SUN, exposure=2.0)[0] == pytest.approx(2 * out[0], rel=0.01)
    assert shaded(splats(tilted(0.0)), SUN, exposure=50.0)[0] == pytest.approx(BRIGHTEST)


def test_display_colours_go_through_the_tone_curve() -> None:
    dim = shaded(splats(tilted(0.0)), SUN, shown=True)
    np.testing.assert_allclose(dim, shaded(splats(tilted(0.0)), SUN), atol=2e-3)
    bright = [shaded(splats(tilted(0.0)), SUN, exposure=e, shown=True)[0] for e in (3.0, 6.0, 50.0)]
    assert 0.76 < bright[0] < bright[1] < bright[2] <= 1.0


def test_gloss_gives_back_what_its_integral_says() -> None:
    """The table against the sum over the half space of what suns and lamps are given back by."""
    from simvid.rendering.light.brdf_table import SIDE, brdf_table

    count = 400_000
    k = np.arange(count) + 0.5
    z, turn = 1 - k / count, np.pi * (1 + 5**0.5) * k
    light = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], axis=-1)
    for i, j in ((SIDE - 1, 8), (12, 12), (6, 20)):
        nv, roughness = i / (SIDE - 1), j / (SIDE - 1)
        eye = np.array([np.sqrt(1 - nv * nv), 0, nv])
        half = light + eye
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        a = roughness**2
        d = a * a / (np.pi * (half[:, 2] ** 2 * (a * a - 1) + 1) ** 2)
        smith = [c + np.sqrt(a * a + (1 - a * a) * c * c) for c in (z, nv)]
        v = 1 / (smith[0] * smith[1])
        edge = (1 - half @ eye) ** 5
        exact = [(w * d * v * z).mean() * 2 * np.pi for w in (1 - edge, edge)]
        matte = (burley(z, np.full(count, nv), light @ eye, roughness) * z).mean() * 2
        np.testing.assert_allclose(brdf_table()[i, j], [*exact, matte], atol=0.01)
