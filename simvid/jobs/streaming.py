"""A refiner in Python, as a stream: each picture comes before the next frame is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.errors import ClipError, SceneError
from simvid.frames import Frame
from simvid.jobs.backends import ChosenRefiner, refiner_of
from simvid.jobs.coarse import AS_RENDERED, CoarsePass, asked_of, pass_of_clip, told_of_clip


@dataclass(frozen=True, eq=False)
class StreamRefiner:
    """A refiner, and the camera of a clip that its frames come from. Made by ``load_refiner``."""

    chosen: ChosenRefiner
    clip: Clip | None = None
    camera: str | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """Labels that its frames must carry besides rgb."""
        return self.chosen.use.reads

    def stream(
        self, frames: Iterable[Frame] | None = None, *, look: str = AS_RENDERED, seed: int = 0
    ) -> Iterator[NDArray[np.uint8]]:
        """Refined pictures, sRGB uint8 [H, W, 3], one for one; memory does not grow with their number.

        Args:
            frames: with the labels in ``reads``, in order, such as those of ``Clip.stream`` or of a renderer at work.
                None takes the clip's: its own where they have all that is read, else drawn again from its motion, one
                by one as they are needed, and under the look where that reaches the refiner as light.
            look: one that the refiner knows.
            seed: equal seeds give equal pictures.

        Raises:
            SceneError: an unknown look; or frames are given that would have to be drawn under another light.
            ClipError: no frames, and no clip to take them from.
        """
        asked = asked_of(self.chosen, look, seed)
        if frames is not None and asked.light is not None:
            raise SceneError(f"look: the refiner {self.chosen.record.entry!r} takes {look!r} as light, and frames that "
                             "are there cannot be lit anew: leave out the frames")  # fmt: skip
        use, again = self.chosen.use, None
        if frames is None:
            clip, camera = self._place()
            again = pass_of_clip(clip, self.chosen, asked)
            frames = clip.stream(camera, labels=self.reads) if again is None else _drawn(clip, camera, again)
        if self.clip is not None:
            use, _ = told_of_clip(use, *self._place(), again)
        return use.refine(frames, look=asked.told, seed=seed)

    def _place(self) -> tuple[Clip, str]:
        if self.clip is None:
            raise ClipError("frames: expected some, or a clip to take them from: load_refiner(name, clip)")
        known = [c.name for c in self.clip.record.cameras]
        if not known:
            raise ClipError(f"{self.clip.path}: has no camera to refine; make one with  simvid render {self.clip.path}")
        if self.camera is not None and self.camera not in known:
            raise ClipError(f"{self.clip.path}: no camera {self.camera!r}; there are {', '.join(known)}")
        return self.clip, self.camera or known[0]


def load_refiner(name: str | Path, clip: Clip | None = None, camera: str | None = None) -> StreamRefiner:
    """A refiner to stream with.

    Args:
        name: an entry of the ``refiners/`` shelf, or the path of one.
        clip: what the frames are of. Its light, its motion and its description are told to refiners that listen; none
            of it is known for frames on their own.
        camera: of the clip; None is its first.

    Raises:
        SceneError: no such refiner.
        ClipError: the clip has no such camera.
    """
    made = StreamRefiner(refiner_of(str(name), Path()), clip, camera)
    if clip is not None:
        made._place()
    return made


def _drawn(clip: Clip, camera: str, again: CoarsePass) -> Iterator[Frame]:
    return again.renderer.frames(again.assets, clip.trajectory, clip.cameras[camera])
