"""What refinements of a clip began from, and the light that they and their true pictures are in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from simvid.clip import Clip
from simvid.clips.arrays import ArrayFile
from simvid.clips.records import RefinedRecord
from simvid.clips.refined_inputs import drawn_for
from simvid.clips.stage_store import StageStore
from simvid.errors import ClipError
from simvid.jobs.coarse import AS_RENDERED, LOOKS, drawn_of_clip, pass_of_refinement
from simvid.jobs.evaluation.cases import Pictures
from simvid.jobs.stage_inputs import picture_changes
from simvid.progress import Reporter
from simvid.scene import Light


@dataclass(frozen=True, eq=False)
class Given:
    """What one refinement or several were made from.

    Attributes:
        clip: that they are of.
        asked: the look that they were asked for.
        look, lights: of a scene in that light.
        drawn: one of them, where the coarse pictures were drawn for it; None where they are the clip's own frames.
    """

    clip: Clip
    asked: str
    look: str | None
    lights: tuple[Light, ...]
    drawn: RefinedRecord | None

    @property
    def command(self) -> str:
        """Makes the true pictures."""
        light = "" if self.asked == AS_RENDERED else f" --set look={self.look} --set 'lights=[]'"
        return f"simvid render {self.clip.path} --renderer pathtrace{light}"

    def check_shown(self, other: Clip) -> None:
        """See that a reference shows the same things through the same lenses, in the same light.

        Raises:
            ClipError: it does not.
        """
        if other.scene.look != self.look:
            differs = f"look: expected {self.look}, got {other.scene.look}"
        elif other.scene.lights != self.lights:
            differs = f"lights: expected {_plain(self.lights)}, got {_plain(other.scene.lights)}"
        elif changed := picture_changes(self.clip.scene, other.scene):
            differs = f"{', '.join(changed[:5])}: not as in {self.clip.path}"
        else:
            return
        raise ClipError(f"{other.path}: {differs}; true pictures show the same in the light of what is compared with "
                        f"them: make them with  {self.command}")  # fmt: skip

    def check_folder(self, folder: Path) -> None:
        """See that pictures may be compared with that have no record of their light: with the clip's own light alone.

        Raises:
            ClipError: another look was asked for.
        """
        if self.asked != AS_RENDERED:
            raise ClipError(f"{folder}: expected a clip, as pictures alone do not tell whether they are under the look "
                            f"{self.asked}; make it with  {self.command}")  # fmt: skip

    def coarse(self, reporter: Reporter) -> Mapping[str, Callable[[], Pictures]]:
        """Reads each camera's coarse pictures, which are drawn first where the clip does not have them.

        Raises:
            SceneError: the scene's files are no longer there, or it cannot be drawn.
        """
        names = [camera.name for camera in self.clip.record.cameras]
        again = None if self.drawn is None else pass_of_refinement(self.clip, self.drawn)
        if again is None:
            return {name: partial(self._own, name) for name in names}
        store = StageStore(self.clip.path.resolve().parent)
        stages = {name: drawn_of_clip(self.clip, name, store, again, reporter) for name in names}
        return {name: ArrayFile(stage.path / "rgb.npz").stack for name, stage in stages.items()}

    def _own(self, camera: str) -> Pictures:
        return self.clip.frames(camera, labels=()).rgb


def given_of(clip: Clip, refined: Sequence[RefinedRecord] = ()) -> Given:
    """What refinements of a clip were made from; without any, the clip's own frames.

    Raises:
        ClipError: they were made from different pictures, or have a look that no scene has.
    """
    for one in refined[1:]:
        if (one.look, drawn_for(clip, one)) != (refined[0].look, drawn_for(clip, refined[0])):
            raise ClipError(
                f"{clip.path}: refined/{one.name} (look {one.look}) was not made from the pictures that "
                f"refined/{refined[0].name} (look {refined[0].look}) was made from; compare one after the other"
            )
    asked = refined[0].look if refined else AS_RENDERED
    drawn = refined[0] if refined and drawn_for(clip, refined[0]) is not None else None
    if asked == AS_RENDERED:
        return Given(clip, asked, clip.scene.look, clip.scene.lights, drawn)
    if asked not in LOOKS:
        raise ClipError(f"{clip.path}: refined/{refined[0].name} has the look {asked!r}, which no true picture can "
                        f"have; expected {AS_RENDERED}, {', '.join(LOOKS)}")  # fmt: skip
    return Given(clip, asked, asked, (), drawn)


def _plain(lights: Sequence[Light]) -> str:
    return json.dumps([light.model_dump(mode="json", exclude_unset=True) for light in lights])
