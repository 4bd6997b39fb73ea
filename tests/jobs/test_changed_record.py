"""Processes that add to one clip do not take away from each other what they added."""

from __future__ import annotations

import shutil
from pathlib import Path

from simvid.clip import Clip
from simvid.jobs.changed_record import changed_record
from simvid.jobs.refine_clip import refine_clip


def test_two_refinements_at_once_both_stay(flying_clip: Clip, root: Path, tmp_path: Path) -> None:
    place = tmp_path / "clip"
    shutil.copytree(flying_clip.path, place)
    one, two = Clip.open(place), Clip.open(place)  # as two processes that begin at the same time
    for name, clip in (("first", one), ("second", two)):
        entry = tmp_path / f"{name}.yaml"
        shutil.copy(root / "refiners" / "identity.yaml", entry)
        refine_clip(clip, str(entry))
    now = Clip.open(place)
    assert [r.name for r in now.record.refined] == ["identity", "first", "second"]
    assert now.verify() == []


def test_a_change_sees_the_one_before(flying_clip: Clip, tmp_path: Path) -> None:
    place = tmp_path / "clip"
    shutil.copytree(flying_clip.path, place)
    changed_record(place, lambda record: record.model_copy(update={"seed": record.seed + 1}))
    clip = changed_record(place, lambda record: record.model_copy(update={"seed": record.seed + 1}))
    assert clip.record.seed == flying_clip.record.seed + 2
