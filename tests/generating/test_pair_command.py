"""``simvid pairs`` over what is there already: made with other values, left half-written, given up."""

from __future__ import annotations

import errno
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simvid import cli
from simvid.commands import pairs
from simvid.errors import JobError
from simvid.generating import pair_job
from simvid.generating.pair_job import PairOutcome, PairTask, run_pairs
from simvid.generating.pool import Ended, Pool, Task
from simvid.refining.pair_sets import open_pairs
from simvid.refining.pairs import write_pair

SAME = {"--seed": "3", "--size": "32", "--frames": "2", "--samples": "5"}


def there(out: Path, name: str = "drop_00000", **about: Any) -> None:
    """A pair as ``SAME`` asks for it."""
    given = {"seeds": {"set": 3, "number": 0}, "samples": 5, "name": name, "family": "drop", "fps": 24.0, **about}
    black = np.zeros((2, 32, 32, 3), np.uint8)
    write_pair(out / name, black, black, {}, **given)


def asked(out: Path, **changed: str) -> list[str]:
    options = SAME | {f"--{name}": value for name, value in changed.items()}
    return ["pairs", "--out", str(out), "--count", "1", *(word for pair in options.items() for word in pair)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": "4"}, "made with seed 3; got seed 4"),
        ({"size": "48", "samples": "6"}, "made with 32 px, 5 samples; got 48 px, 6 samples"),
        ({"frames": "3"}, "made with 2 frames; got 3 frames"),
    ],
)
def test_other_values_are_refused(
    tmp_path: Path, changed: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there(tmp_path)
    assert cli.main(asked(tmp_path)) == 0
    assert "1 were there" in capsys.readouterr().out
    for family in ("drop", "jelly"):  # whether it is the pair that is asked for or only lies beside it
        assert cli.main([*asked(tmp_path, **changed), "--family", family]) == 2
        assert f"drop_00000: {said}; give the same values, or another --out" in capsys.readouterr().err


def test_what_is_not_recorded_is_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there(tmp_path, samples=None)
    there(tmp_path, "mine", samples=None, seeds={})
    about = json.loads((tmp_path / "drop_00000" / "pair.json").read_text())
    assert "samples" not in about, "as pairs were before samples were recorded"
    assert cli.main(asked(tmp_path, samples="6")) == 0
    (tmp_path / "drop_00000" / "pair.json").unlink()
    assert cli.main(asked(tmp_path, seed="4", size="48")) == 6
    assert "drop_00000/pair.json: expected the record of a training pair" in capsys.readouterr().err


def test_scenes_that_were_given_up_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(wanted: Any, out: Path, workers: int, told: Any) -> None:
        for task, state in zip(wanted, ("made", "failed"), strict=True):
            told(PairOutcome(task.name, state))

    monkeypatch.setattr(pairs, "run_pairs", run)
    assert cli.main(["pairs", "--out", str(tmp_path), "--count", "2", "--quiet"]) == 9


def test_leftovers_of_a_killed_run_are_no_clips(tmp_path: Path) -> None:
    there(tmp_path)
    code = ("import os, sys; from pathlib import Path; from simvid.clips.folders import temporary_beside\n"
            "os.rename(sys.argv[1], path := temporary_beside(Path(sys.argv[1]))); print(path)")  # fmt: skip
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path / "drop_00000")], capture_output=True, text=True,
                          check=True)  # fmt: skip
    left = Path(said.stdout.strip())
    assert (left / "pair.json").is_file()
    there(tmp_path)
    assert [clip.folder.name for clip in open_pairs(tmp_path)] == ["drop_00000"]
    assert cli.main(asked(tmp_path)) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["drop_00000"]


def test_a_place_that_cannot_be_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file.txt"
    file.touch()
    assert cli.main(asked(file)) == 2
    assert f"--out: expected a folder, got the file {file}; choose another place" in capsys.readouterr().err
    assert cli.main(asked(file / "in it")) == 6
    assert "cannot be written (Not a directory); choose another place" in capsys.readouterr().err


WANTED = [PairTask("drop", k, 3, 32, 5, 2) for k in range(3)]


def playing(monkeypatch: pytest.MonkeyPatch, *outcomes: dict[str, str] | None) -> list[str]:
    """Workers that answer so, task after task; names of the tasks that they were given."""
    given: list[str] = []

    def run(self: Pool, tasks: Iterator[Task]) -> Iterator[Ended]:
        for task, outcome in zip(tasks, outcomes, strict=False):
            given.append(task.name)
            yield Ended(
                task, outcome and {"name": task.name, **outcome}, "" if outcome else "the worker died: signal 9"
            )

    monkeypatch.setattr(Pool, "run", run)
    return given


def test_a_full_disk_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = playing(monkeypatch, {"state": "storage", "reason": "the disk is full"}, {"state": "made"})
    with pytest.raises(JobError, match="the disk is full\nWhat is whole is kept; run it again to go on"):
        run_pairs(WANTED, tmp_path, 1)
    assert given == ["drop_00000"]
    assert not list(tmp_path.iterdir()), "no pair is to blame"


def test_a_pair_whose_worker_died_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    playing(monkeypatch, None, {"state": "made"}, {"state": "made"})
    assert [o.state for o in run_pairs(WANTED, tmp_path, 1)] == ["failed", "made", "made"]
    known = json.loads((tmp_path / "failed" / "drop_00000.json").read_text())
    assert known == {"seed": 3, "reasons": ["the worker died: signal 9"]}


def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes and pictures at once."""
    black = np.zeros((2, 32, 32, 3), np.uint8)
    made = SimpleNamespace(coarse=SimpleNamespace(rgb=black), target=black)
    monkeypatch.setitem(sys.modules, "simvid.generating.pair_making", SimpleNamespace(make=lambda *_, **__: made))
    monkeypatch.setattr(pair_job, "pair_scene", lambda *_, **__: None)
    monkeypatch.setattr(pair_job, "_labels", lambda _: {})
    monkeypatch.setattr(pair_job, "_about", lambda *_: {"family": "drop", "fps": 24.0})


def test_a_pair_that_succeeds_has_no_failure_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn(monkeypatch)
    record = tmp_path / "failed" / "drop_00000.json"
    record.parent.mkdir()
    record.touch()
    assert pair_job.make_pair(WANTED[0], tmp_path).state == "made"
    assert not record.exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_worker_tells_the_disk_from_the_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, "played")

    drawn(monkeypatch)
    monkeypatch.setattr(Path, "write_bytes", fail)
    outcome = pair_job.maker("pair", {"out": str(tmp_path)})(asdict(WANTED[0]))
    assert outcome["state"] == "storage"
    assert "drop_00000" in outcome["reason"]


def test_the_disks_own_words_reach_the_writer_of_a_pair(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as error:
            there(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.errno == errno.EFBIG, "NumPy's own error has no number, and a full disk would go unnoticed"
