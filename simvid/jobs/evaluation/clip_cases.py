"""Cameras of a clip beside their path-traced reference: another clip of the same motion, or a folder of pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from simvid.clip import Clip
from simvid.clips.records import CLIP_FILE, TRAJECTORY_FILE, RefinedRecord
from simvid.errors import ClipError
from simvid.evaluating.table import Motion
from simvid.jobs.evaluation.cases import Case, Pictures
from simvid.jobs.evaluation.given import Given, given_of
from simvid.progress import SILENCE, Reporter

PICTURES = "*.png"
TRACED = "pathtrace"


def clip_cases(
    clip: Clip, reference: Path | None = None, refined: Sequence[RefinedRecord] = (), reporter: Reporter = SILENCE
) -> list[Case]:
    """One case per camera.

    Args:
        clip: with one camera or more.
        reference: a clip of the same scene, path-traced; or a folder with PNG pictures, ``CAMERA/*.png`` or, for a clip
            of one camera, ``*.png``. None looks beside the clip for a path-traced one of the same motion and light.
        refined: what will be compared: the coarse pictures are those that it was made from, and the reference must be
            in its light.
        reporter: told of pictures that are drawn again.

    Raises:
        ClipError: no reference, or one of other frames, sizes, cameras or light; or refinements of different lights.
    """
    names = [camera.name for camera in clip.record.cameras]
    if not names:
        raise ClipError(f"{clip.path}: has no camera; render it first")
    given = given_of(clip, refined)
    place = reference or _beside(clip, given)
    if (place / CLIP_FILE).is_file():
        other = Clip.open(place)
        given.check_shown(other)
        true = {name: _rendered(clip, other, name) for name in names}
    else:
        given.check_folder(place)
        true = {name: _pictures(clip, place, name) for name in names}
    coarse = given.coarse(reporter)
    return [_case(clip, name, given.asked, coarse[name], true[name]) for name in names]


def _beside(clip: Clip, given: Given) -> Path:
    """The one other path-traced clip of the same motion and light in the folder that the clip lies in."""
    found = []
    for path in sorted(clip.path.resolve().parent.glob(f"*/{CLIP_FILE}")):
        try:
            if not path.parent.samefile(clip.path) and _is_twin(Clip.open(path.parent), given):
                found.append(path.parent)
        except ClipError:
            continue
    if len(found) == 1:
        return found[0]
    if found:
        raise ClipError(f"{clip.path}: several path-traced clips of this motion lie beside it; name one with "
                        f"--reference: {', '.join(str(path) for path in found)}")  # fmt: skip
    raise ClipError(f"{clip.path}: no path-traced clip of this motion and light lies beside it; make one with  "
                    f"{given.command}  or name one with --reference")  # fmt: skip


def _is_twin(other: Clip, given: Given) -> bool:
    """Whether a clip is path-traced, of the same motion, and shows the same in the wanted light."""
    traced = all(camera.renderer.backend == TRACED for camera in other.record.cameras)
    mine, theirs = (clip.record.files[TRAJECTORY_FILE].digest for clip in (given.clip, other))
    if not other.record.cameras or not traced or theirs != mine:
        return False
    given.check_shown(other)
    return True


def _rendered(clip: Clip, other: Clip, camera: str) -> Pictures:
    """A camera's pictures of the reference, after a check that they show the same."""
    if camera not in other.cameras:
        raise ClipError(f"{other.path}: expected the camera {camera!r} of {clip.path}, got {', '.join(other.cameras)}")
    mine, theirs = clip.cameras[camera], other.cameras[camera]
    same = mine.world_from_camera.shape == theirs.world_from_camera.shape and np.allclose(
        mine.world_from_camera, theirs.world_from_camera, atol=1e-6
    )
    if not same or not np.allclose(mine.K, theirs.K) or (mine.width, mine.height) != (theirs.width, theirs.height):
        raise ClipError(f"{other.path}: camera {camera!r} is not that of {clip.path}: expected {clip.frame_count} "
                        f"frames of {mine.width} x {mine.height} px from the same places, got {other.frame_count} of "
                        f"{theirs.width} x {theirs.height}")  # fmt: skip
    if not np.allclose(clip.trajectory.poses, other.trajectory.poses, atol=1e-6):
        raise ClipError(f"{other.path}: its parts move otherwise than in {clip.path}; render the clip itself again")
    return other.frames(camera, labels=()).rgb


def _pictures(clip: Clip, folder: Path, camera: str) -> Pictures:
    """Pictures of a folder in the order of their names."""
    from PIL import Image

    home = folder / camera if (folder / camera).is_dir() else folder
    if home == folder and len(clip.record.cameras) > 1:
        raise ClipError(f"{folder}: expected a folder of pictures for each camera; {camera!r} has none")
    files = sorted(home.glob(PICTURES))
    path = clip.cameras[camera]
    shape = (clip.frame_count, path.height, path.width, 3)
    if len(files) != clip.frame_count:
        raise ClipError(f"{home}: expected {clip.frame_count} pictures ({PICTURES}) or a clip, got {len(files)}")
    found = []
    for file in files:
        try:
            with Image.open(file) as picture:
                found.append(np.asarray(picture.convert("RGB")))
        except OSError as error:
            raise ClipError(f"{file}: cannot be read as a picture ({error})") from error
        if found[-1].shape != shape[1:]:
            raise ClipError(f"{file}: expected {path.width} x {path.height} px, got {found[-1].shape[1]} x "
                            f"{found[-1].shape[0]}")  # fmt: skip
    return np.stack(found)


def _case(clip: Clip, camera: str, look: str, coarse: Callable[[], Pictures], true: Pictures) -> Case:
    path, arrays = clip.cameras[camera], clip.arrays(camera)

    def motion() -> Motion | None:
        needed = ("flow_backward", "occluded_backward")
        if not {*needed} <= {*arrays}:
            return None
        found = clip.frames(camera, labels=needed)
        assert found.flow_backward is not None, "it was asked for"
        assert found.occluded_backward is not None, "it was asked for"
        return Motion(found.flow_backward, found.occluded_backward)

    return Case(
        camera, clip.name, look, clip.fps, (clip.frame_count, path.height, path.width),
        coarse, lambda: true, motion,
    )  # fmt: skip
