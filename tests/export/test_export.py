"""The command: what is found, refused, replaced, said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from simvid.cli import main
from simvid.clip import Clip
from simvid.errors import ClipError, MissingExtraError
from simvid.export.base import ExportError
from simvid.export.job import NOTE_FILE, Choice, export, exporter_of, find_clips
from simvid.testing.exporting import judge, tree_digest


def test_a_folder_of_clips_as_a_user_types_it(
    exported_clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "coco"
    folder = exported_clip.path.parent
    assert main(["export", str(folder), "--format", "coco", "--out", str(out), "--camera", "front"]) == 0
    said = capsys.readouterr()
    assert f"{out}: coco 1.0" in said.out
    assert "flying" in said.err
    note = json.loads((out / NOTE_FILE).read_text())
    assert note["clips"][0]["content_hash"] == exported_clip.content_hash
    assert note["labels"] == ["ids"]
    assert main(["export", str(folder), "--format", "coco", "--out", str(out)]) == 6
    assert "is there already; choose another folder, or say --force" in capsys.readouterr().err
    words = ["export", str(folder), "--format", "coco", "--out", str(out), "--force", "--json", "--camera", "side"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 3
    assert not any("front" in name for name in tree_digest(out))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "cocoa"], "did you mean 'coco'?"),
        (["--format", "coco", "--labels", "depth"], "cannot hold depth; these can: "),
        (["--format", "coco", "--labels", "deep"], "expected names of"),
        (["--format", "coco", "--camera", "rear"], "has front, side, got 'rear'"),
        (["--format", "coco", "--refined", "vivid"], "no refinement 'vivid'"),
        (["--format", "coco", "--option", "quality"], "expected KEY=VALUE, got 'quality'"),
        (
            ["--format", "coco", "--option", "quality=500"],
            "--option quality: Input should be less than or equal to 100",
        ),
        (["--format", "coco", "--option", "size=5"], "options of coco: pictures, quality"),
    ],
)
def test_bad_requests(
    exported_clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["export", str(exported_clip.path), "--out", str(tmp_path / "x"), *words]) != 0
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_clips_are_found_once_and_in_order(exported_clip: Clip, tmp_path: Path) -> None:
    folder = exported_clip.path.parent
    assert [c.path for c in find_clips([folder, exported_clip.path])] == sorted(
        p.parent for p in folder.glob("*/clip.json")
    )
    with pytest.raises(ClipError, match="expected a clip folder, or a folder of clips"):
        find_clips([tmp_path])


def test_force_replaces_exports_alone(exported_clip: Clip, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mine.txt").write_text("mine")
    with pytest.raises(ClipError, match="replaces earlier exports alone"):
        export([exported_clip.path], "coco", tmp_path / "letters", replace=True)
    assert (tmp_path / "letters" / "mine.txt").read_text() == "mine"


def test_refined_pictures(exported_clip: Clip, tmp_path: Path) -> None:
    """The bundled identity refinement gives the rendered pictures."""
    name = exported_clip.record.refined[0].name
    export([exported_clip.path], "coco", tmp_path / "a")
    export([exported_clip.path], "coco", tmp_path / "b", choice=Choice(refined=name))
    first, second = tree_digest(tmp_path / "a"), tree_digest(tmp_path / "b")
    assert first.pop(NOTE_FILE) != second.pop(NOTE_FILE)
    assert first == second


def test_a_damaged_clip_is_refused(exported_clip: Clip, tmp_path: Path) -> None:
    copy = tmp_path / "clip"
    shutil.copytree(exported_clip.path, copy)
    (copy / "cameras/front/ids.npz").write_bytes(b"")
    with pytest.raises(ClipError, match=r"ids\.npz: expected"):
        export([copy], "coco", tmp_path / "x")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simvid.export.job.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"format 'lerobot' needs the package 'pyarrow'.*formats"):
        exporter_of("lerobot")


def test_two_clips_of_one_name(exported_clip: Clip, tmp_path: Path) -> None:
    for place in ("a", "b"):
        shutil.copytree(exported_clip.path, tmp_path / place / "clip")
    export([tmp_path / "a", tmp_path / "b"], "coco", tmp_path / "x", choice=Choice(("side",)))
    stems = [c["stem"] for c in json.loads((tmp_path / "x" / NOTE_FILE).read_text())["clips"]]
    assert stems == ["clip_000000", "clip_000001"]


def test_a_clip_without_labels_says_how_to_get_them(exported_clip: Clip, tmp_path: Path) -> None:
    bare = exported_clip.record.cameras[0].model_copy(update={"arrays": ("rgb",)})
    from simvid.export.coco import Coco, PictureSettings
    from simvid.export.job import requested

    clip = Clip(exported_clip.path, exported_clip.record.model_copy(update={"cameras": (bare,)}))
    with pytest.raises(ExportError, match="made without ids, which coco needs; make it again:  simvid render"):
        requested(Coco(PictureSettings()), [clip], Choice())


def judged(clip: Clip, to: Path, *, accepted: bool | None) -> Clip:
    """A copy of a clip whose refinement the gate has judged."""
    shutil.copytree(clip.path, to)
    return judge(Clip.open(to), accepted=accepted)


def test_the_note_has_the_verdicts(exported_clip: Clip, tmp_path: Path) -> None:
    """Of the gate, of its instances, of the self-checks and of the receipt."""
    name = exported_clip.record.refined[0].name
    for accepted, verdict in ((True, "accepted"), (None, "not judged"), (False, "rejected")):
        clip = judged(exported_clip, tmp_path / verdict, accepted=accepted)
        export([clip.path], "coco", tmp_path / f"{verdict}.coco", choice=Choice(refined=name, rejected="keep"))
        (noted,) = json.loads((tmp_path / f"{verdict}.coco" / NOTE_FILE).read_text())["clips"]
        assert noted["gate"]["verdict"] == verdict
        assert noted["broken_laws"] == [f"{law.name} {law.part}".strip() for law in clip.broken_laws]
        assert noted["broken_laws"], "its motion is made up"
        assert noted["failed_checks"] == [f"{check.name} {check.camera}" for check in clip.failed_checks]
    assert [c["failed"] for c in noted["gate"]["cameras"]] == [[], ["instance_mismatch"]]
    ball = {"instance_id": 2, "name": "ball", "masks": False, "depth": None, "colour": None}
    assert noted["gate"]["cameras"][1]["instances"] == [ball]
    export([clip.path], "coco", tmp_path / "rendered")
    assert json.loads((tmp_path / "rendered" / NOTE_FILE).read_text())["clips"][0]["gate"] is None


def test_rejected_refinements_are_refused(
    exported_clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged(exported_clip, tmp_path / "clips/bad", accepted=False)
    said = ["export", str(tmp_path / "clips"), "--format", "coco", "--out", str(tmp_path / "x")]
    said += ["--refined", exported_clip.record.refined[0].name]
    assert main([*said, "--rejected", "leave_out"]) == 2, "nothing would be left"
    judged(exported_clip, tmp_path / "clips/good", accepted=True)
    judged(exported_clip, tmp_path / "clips/open", accepted=None)
    capsys.readouterr()
    assert main(said) == 2
    told = capsys.readouterr().err
    assert f"the gate rejected it in 1 of 3 clips, {tmp_path}/clips/bad: labels do not hold" in told
    assert "without --refined" in told
    assert "simvid refine CLIP --retries 3" in told
    assert "--rejected leave_out" in told
    assert "--rejected keep" in told
    assert not (tmp_path / "x").exists()
    assert main([*said, "--camera", "front"]) == 0, "only the other camera was rejected"
    for rejected, stems in (("leave_out", ["good", "open"]), ("keep", ["bad", "good", "open"])):
        assert main([*said, "--force", "--rejected", rejected]) == 0
        assert ("clips/bad: left out" in capsys.readouterr().err) == (rejected == "leave_out")
        assert [c["stem"] for c in json.loads((tmp_path / "x" / NOTE_FILE).read_text())["clips"]] == stems
    wrong: Any = "kep"
    with pytest.raises(ExportError, match="--rejected: expected one of refuse, leave_out, keep, got 'kep'"):
        export([exported_clip.path], "coco", tmp_path / "y", choice=Choice(rejected=wrong))
