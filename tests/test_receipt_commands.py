"""Receipts at the command line: told by show, refused and drawn by check, made for clips that are older than they."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from simvid.cli import main
from simvid.clip import Clip
from simvid.errors import ClipError


def test_show_tells_the_laws_and_check_draws_them(
    flying_clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(flying_clip.path)]) == 0
    shown = capsys.readouterr().out
    assert "physics receipt" in shown
    assert "momentum: passed" in shown
    assert "budget [J]: kinetic_first" in shown
    plot = tmp_path / "physics.svg"
    assert main(["check", str(flying_clip.path), "--plot", str(plot)]) == 0
    text = plot.read_text()
    assert text.startswith("<svg xmlns=")
    assert "physics: no law is broken" in text
    assert "jumps: Way between frames" in text


def test_check_refuses_a_clip_that_broke_physics(
    exported_clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its contacts are made up: impulses that change no momentum."""
    assert [law.name for law in exported_clip.broken_laws] == ["momentum"]
    plot = tmp_path / "physics.svg"
    assert main(["check", str(exported_clip.path), "--plot", str(plot)]) == ClipError.exit_code
    told = capsys.readouterr()
    (line,) = [line for line in told.out.splitlines() if "physics:" in line]
    assert "momentum: BROKEN; " in line
    assert "at 0.0" in line
    assert "m/s" in line
    assert "broke physics" in told.err
    assert "physics BROKEN: momentum" in plot.read_text()


def test_a_clip_without_a_receipt_gets_one(
    exported_clip: Clip, flying_clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for clip, code in ((flying_clip, 0), (exported_clip, ClipError.exit_code)):
        old = tmp_path / clip.path.name
        shutil.copytree(clip.path, old)
        tree = json.loads((old / "clip.json").read_text())
        del tree["receipt"]
        (old / "clip.json").write_text(json.dumps(tree))
        assert Clip.open(old).record.receipt is None
        assert main(["check", str(old)]) == code
        assert ("momentum: BROKEN" in capsys.readouterr().out) == (code != 0)


@pytest.mark.parametrize(("plot", "said"), [("physics.png", "ends in .svg"), ("", "ends in .svg")])
def test_a_plot_is_an_svg(flying_clip: Clip, plot: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(flying_clip.path), "--plot", plot]) == ClipError.exit_code
    assert said in capsys.readouterr().err


def test_a_folder_of_clips_has_no_plot(flying_clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["check", str(flying_clip.path.parent), "--plot", str(tmp_path / "physics.svg")]
    assert main(command) == ClipError.exit_code
    assert "expected a clip to draw" in capsys.readouterr().err
