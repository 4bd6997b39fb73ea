"""Folders are whole or not there; what killed runs leave is removed, what living ones do is not."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from simvid.clips import folders
from simvid.clips.folders import (
    FOREIGN_AGE_S,
    alone_with,
    link_or_copy,
    new_file,
    new_folder,
    sweep,
    temporary_beside,
)
from simvid.errors import ClipError


def hidden(folder: Path) -> list[Path]:
    return sorted(folder.glob(".tmp-*"))


def test_it_appears_at_the_end(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "clip"
    with new_folder(final) as folder:
        (folder / "a").write_text("a")
        assert not final.exists()
    assert (final / "a").read_text() == "a"
    assert hidden(final.parent) == []


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def attempt() -> None:
        with new_folder(tmp_path / "clip") as folder:
            (folder / "a").write_text("a")
            raise KeyError("half-way")

    with pytest.raises(KeyError):
        attempt()
    assert list(tmp_path.iterdir()) == []


def test_the_faster_one_stays_unless_replaced(tmp_path: Path) -> None:
    final = tmp_path / "clip"
    for text, replace in (("first", False), ("second", False)):
        with new_folder(final, replace=replace) as folder:
            (folder / "a").write_text(text)
    assert (final / "a").read_text() == "first"
    with new_folder(final, replace=True) as folder:
        (folder / "a").write_text("third")
    assert (final / "a").read_text() == "third"
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("can_exchange", [True, False])
def test_two_that_replace_at_once_both_come_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
) -> None:
    final = tmp_path / "clip"
    final.mkdir()
    (final / "a").write_text("first")
    if not can_exchange:
        monkeypatch.setattr(folders, "_exchanged", lambda one, other: False)

    def asked() -> bool:
        if final.exists():
            shutil.rmtree(final)  # the other process puts it aside at this moment
        return True

    with new_folder(final, replace=asked) as folder:
        (folder / "a").write_text("second")
    assert (final / "a").read_text() == "second"
    assert hidden(tmp_path) == []


def test_what_is_replaced_is_there_at_any_time(tmp_path: Path) -> None:
    final, stop, gone = tmp_path / "clip", threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            if not (final / "a").is_file():
                gone.append(time.monotonic())

    with new_folder(final) as folder:
        (folder / "a").write_text("a")
    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(100):
        with new_folder(final, replace=True) as folder:
            (folder / "a").write_text("a")
    stop.set()
    thread.join()
    assert gone == []


def test_one_at_a_time_though_the_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")

    def add() -> None:
        for _ in range(20):
            with alone_with(path):
                now = int(path.read_text())
                with new_file(path) as temporary:
                    temporary.write_text(str(now + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() == "80"


def test_a_file_replaces_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "clip.json"
    path.write_text("old")

    def attempt() -> None:
        with new_file(path) as temporary:
            temporary.write_text("half")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        attempt()
    assert path.read_text() == "old"
    with new_file(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert hidden(tmp_path) == []


def test_a_full_disk_is_said_and_cleaned(tmp_path: Path) -> None:
    def fill() -> None:
        with new_folder(tmp_path / "clip") as folder:
            (folder / "a").write_text("a")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ClipError, match="disk is full"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_real_full_device_is_said(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")

    def fill() -> None:
        with new_folder(tmp_path / "clip"), Path("/dev/full").open("w") as file:
            file.write("x" * 100_000)

    with pytest.raises(ClipError, match="disk is full"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ClipError, match="cannot be written"), new_folder(tmp_path / "out" / "clip"):
        raise AssertionError("never here")


def test_leftovers_of_the_dead_are_swept_and_those_of_the_living_kept(tmp_path: Path) -> None:
    mine = temporary_beside(tmp_path / "clip")
    mine.mkdir()
    code = (
        "import sys; from pathlib import Path; from simvid.clips.folders import temporary_beside\n"
        "path = temporary_beside(Path(sys.argv[1]) / 'clip')\n"
        "path.mkdir(); (path / 'a').write_text('a'); print(path.name)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    dead = done.stdout.strip()
    assert (tmp_path / dead / "a").exists()
    assert sweep(tmp_path) == [dead]
    assert hidden(tmp_path) == [mine]


def test_a_process_id_used_again_does_not_protect(tmp_path: Path) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("start times of processes are read from /proc")
    mine = temporary_beside(tmp_path / "clip")
    host, pid, start, rest = mine.name.removeprefix(".tmp-").split("-", 3)
    other = tmp_path / f".tmp-{host}-{pid}-{int(start) - 1}-{rest}"
    other.mkdir()
    assert sweep(tmp_path) == [other.name]


def test_leftovers_of_other_hosts_are_swept_when_old(tmp_path: Path) -> None:
    fresh, old = (tmp_path / f".tmp-0000000a-1-1-{k}-clip" for k in (0, 1))
    for path in (fresh, old):
        path.mkdir()
        (path / "a").write_text("a")
    past = time.time() - FOREIGN_AGE_S - 60
    for path in (old / "a", old):
        os.utime(path, (past, past))
    assert sweep(tmp_path) == [old.name]
    assert fresh.exists()


def test_a_clock_that_was_set_wrong_sweeps_nothing_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = tmp_path / ".tmp-0000000a-1-1-0-clip"
    fresh.mkdir()
    ahead = time.time() + 365 * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: ahead)
    assert sweep(tmp_path) == []
    assert hidden(tmp_path) == [fresh]


def test_names_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".tmp-mine").mkdir()
    assert sweep(tmp_path) == []
    assert sweep(tmp_path / "nowhere") == []


def test_links_share_and_copies_serve_where_links_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "a"
    source.write_text("a")
    link_or_copy(source, tmp_path / "deep" / "b")
    assert (tmp_path / "deep" / "b").stat().st_ino == source.stat().st_ino

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    link_or_copy(source, tmp_path / "c")
    assert (tmp_path / "c").read_text() == "a"
    assert (tmp_path / "c").stat().st_ino != source.stat().st_ino
    assert (tmp_path / "c").stat().st_mtime_ns == source.stat().st_mtime_ns
