"""A contact sheet of what a scene's ``randomize`` makes of it: the first frame of many samples, without physics."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simvid.assets.once import remembering
from simvid.clips.contact_sheet import FAINT, INK, PAPER, SMALL_PX, TEXT_PX, TITLE_PX, fitted, font, scaled, tile_size
from simvid.clips.pictures import Picture
from simvid.errors import SceneError, SimvidError
from simvid.jobs.backends import renderer_of
from simvid.jobs.preflight import at_start, prepared
from simvid.physics.kinematic import start_pose
from simvid.randomize import sample
from simvid.rendering.camera import camera_path
from simvid.rotations import pose_vector
from simvid.scene import Scene

MARGIN, GAP, LINE = 20, 14, 17
SAID = 4
"""Lines of drawn values under a picture; further ones are counted."""


@dataclass(frozen=True, eq=False)
class FirstFrame:
    """One sample: its number, its values, and its first frame, or why there is none."""

    index: int
    values: Mapping[str, Any]
    picture: Picture | None
    reason: str = ""


def first_frames(
    scene: Scene, indices: Sequence[int], camera: str | None = None, told: Callable[[int], None] = lambda _: None
) -> list[FirstFrame]:
    """Draw samples and render their first frames, everything where it starts.

    Args:
        scene: with ``randomize``.
        indices: which samples.
        camera: None is the first.
        told: how many are done.

    Raises:
        SceneError: the scene randomizes nothing, has no such camera, or no sample can be.
    """
    if not scene.randomize:
        raise SceneError(f"{scene._file}: randomizes nothing, so all samples are alike; add  randomize:  to it")
    made = []
    with remembering():
        for index in indices:
            made.append(first_frame(scene, index, camera))
            told(len(made))
    if made and all(one.picture is None for one in made):
        raise SceneError(f"{scene._file}: none of these {len(made)} samples can be: {made[0].reason}")
    return made


def first_frame(scene: Scene, index: int, camera: str | None = None) -> FirstFrame:
    """One sample; a scene that cannot be is said in its ``reason``."""
    values: dict[str, Any] = {}
    try:
        drawn, values = sample(scene, index)
        name = drawn.views[0].name if camera is None else camera
        view = drawn.view(name)
        if view is None:
            raise SceneError(f"camera: expected one of {', '.join(c.name for c in drawn.views)}, got {name!r}")
        assets = prepared(drawn)
        still = at_start(assets, 1)
        still.poses[0] = [pose_vector(start_pose(part)) for part in assets.parts]
        path = camera_path(view, drawn, still)
        frame = next(iter(renderer_of(drawn).use.frames(assets, still, path, ())))
    except SimvidError as error:
        return FirstFrame(index, values, None, str(error))
    return FirstFrame(index, values, frame.rgb)


def sheet(title: str, samples: Sequence[FirstFrame]) -> Picture:
    """All first frames with their numbers and values, uint8 sRGB [H, W, 3]."""
    from PIL import Image, ImageDraw

    known = next((s.picture for s in samples if s.picture is not None), np.full((240, 320, 3), 200, np.uint8))
    width, height = tile_size(known.shape[1], known.shape[0])
    lines = min(SAID + 1, max(len(s.values) for s in samples))
    across = min(len(samples), max(1, round(math.sqrt(len(samples) * 4 / 3))))
    step_x, step_y = width + GAP, height + GAP + (lines + 1) * LINE
    down = math.ceil(len(samples) / across)
    size = (2 * MARGIN + across * step_x - GAP, 2 * MARGIN + TITLE_PX + GAP + down * step_y)
    page = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, MARGIN), fitted(title, size[0] - 2 * MARGIN, TITLE_PX), INK, font(TITLE_PX))
    for k, one in enumerate(samples):
        x, y = MARGIN + k % across * step_x, MARGIN + TITLE_PX + GAP + k // across * step_y
        if one.picture is not None:
            page.paste(scaled(one.picture, width, height, smooth=True), (x, y))
        pen.text((x, y + height + 2), f"sample {one.index}", INK, font(TEXT_PX))
        said = [f"{path}  {brief(value)}" for path, value in one.values.items()] if one.picture is not None else []
        said = said or one.reason.replace("\n", " ").split(": ")
        if len(said) > SAID:
            said = [*said[:SAID], f"and {len(said) - SAID} more"]
        for n, text in enumerate(said):
            pen.text((x, y + height + 4 + (n + 1) * LINE), fitted(text, width, SMALL_PX), FAINT, font(SMALL_PX))
    return np.asarray(page)


def brief(value: object) -> str:
    """A drawn value in few letters: numbers with four digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {brief(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(brief(v) for v in value) + "]"
    return value if isinstance(value, str) else json.dumps(value)
