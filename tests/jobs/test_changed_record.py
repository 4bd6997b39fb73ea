"""Processes that add to one clip do not take away from each other what they added."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from simvid.clip import Clip
from simvid.clips import folders
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


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_clip_is_whole_wherever_a_replacement_is_killed(
    flying_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Before the new folder takes the place of the old one, and after it."""
    place, real = tmp_path / "clip", folders._put
    shutil.copytree(flying_clip.path, place)

    def killed(temporary: Path, final: Path, replace: bool) -> None:
        swapped = final.parent.name == "refined"
        if not swapped or when == "after":
            real(temporary, final, replace)
        if swapped:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(folders, "_put", killed)
        with pytest.raises(KeyboardInterrupt):
            refine_clip(Clip.open(place), seed=123456, force=True)
    clip = Clip.open(place)
    assert clip.verify() == []
    assert [r.name for r in clip.record.refined] == []
    clip, record = refine_clip(clip, seed=123456)
    assert clip.verify() == []
    assert clip.record.refined == (record,)
