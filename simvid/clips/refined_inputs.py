"""What a refinement was made from, as its record says: the clip's own frames, or others that were drawn for it."""

from __future__ import annotations

from simvid.clip import Clip
from simvid.clips.records import RefinedRecord

LIT = ("coarse", "light_diffuse", "light_specular", "light_ambient", "light_reflected", "light_emitted", "traced")
"""Arrays that hold light: the pictures, light buffers, and paths. All others stay as they are when it changes."""


def drawn_for(clip: Clip, record: RefinedRecord) -> tuple[object, object] | None:
    """Look and renderer of what was drawn for a refinement; None where the clip's own frames are the same."""
    if record.coarse is None:
        return None
    made = record.coarse.look, record.coarse.renderer
    if record.look == record.coarse.look and clip.scene.lights:
        return made  # that look alone
    return None if all(made == (clip.scene.look, camera.renderer) for camera in clip.record.cameras) else made


def not_refined(clip: Clip, record: RefinedRecord) -> tuple[str, ...]:
    """Arrays of the clip that are no inputs of a refinement, as it was made from others: of ``LIT``, all or none."""
    return () if drawn_for(clip, record) is None else LIT


def input_record(clip: Clip, record: RefinedRecord | None) -> dict[str, object]:
    """For data sets: the look that was asked for, what was drawn, and the arrays that are left out beside it."""
    if record is None:
        return {"look": None, "coarse": None, "left_out": []}
    coarse = None if record.coarse is None else record.coarse.model_dump(mode="json")
    return {"look": record.look, "coarse": coarse, "left_out": list(not_refined(clip, record))}
