"""How fine the viewer's splats are where the clip's cameras do not look."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.rendering.splats.detail import views_of
from simvid.viewing import looks
from simvid.viewing.content import Content
from simvid.viewing.looks import EYES, around, covered


@pytest.fixture
def content(flying_clip: Clip) -> Content:
    return Content(flying_clip)


def widths(clip: Clip, name: str) -> Iterator[float]:
    """Median width [m] of a part's splats whose normals point to the front camera, and from it."""
    assets, look = covered(clip, 200_000)
    k = next(k for k, part in enumerate(assets.parts) if part.part.name == name)
    rows = slice(int(look.starts[k]), int(look.starts[k + 1]))
    toward = clip.cameras["front"].world_from_camera[0, :3, 3] - clip.trajectory.poses[0, k, :3]
    facing = look.normals[rows] @ (toward / np.linalg.norm(toward))
    for side in (facing > 0.5, facing < -0.5):
        yield float(np.median(look.gaussians.scales[rows][side, 0]))


def test_all_sides_are_as_fine_as_someone_sees_who_walks_about(
    content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixel = 2 * np.tan(looks.EYE_FOV_RAD / 2) * looks.EYES_AWAY * content.size_m / looks.EYE_PX
    assert max(widths(content.clip, "post")) < 1.1 * pixel
    monkeypatch.setattr(looks, "around", lambda _: [])
    assert min(widths(content.clip, "post")) > 2 * pixel, "the clip's camera has 40 pixels"


@pytest.mark.parametrize("frames", [1, 5, 12, 13, 133])
def test_every_eye_is_looked_through_however_short_the_clip(content: Content, frames: int) -> None:
    few: Any = SimpleNamespace(
        bounds_m=content.bounds_m, size_m=content.size_m, trajectory=SimpleNamespace(frame_count=frames)
    )
    cameras = around(few)
    assert all(len(c.world_from_camera) == frames for c in cameras)
    eyes: NDArray[np.float64] = np.unique(np.concatenate([view.eyes for view in views_of(cameras)]).round(6), axis=0)
    assert len(eyes) == EYES
    middle = content.bounds_m.mean(axis=0)
    assert (eyes[:, 2] > middle[2]).all()
    np.testing.assert_allclose(np.linalg.norm(eyes - middle, axis=1), looks.EYES_AWAY * content.size_m, rtol=1e-4)
