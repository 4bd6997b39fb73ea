"""The command line as a process of its own: speed, signals, pipes, terminals."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from simvid.clip import Clip
from simvid.commands.reporting import Bars, Lines, reporter_for

pytestmark = pytest.mark.usefixtures("free_fall")


def fresh(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run it as a user does."""
    command = [sys.executable, "-m", "simvid.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def test_help_is_quick() -> None:
    assert fresh("--help").returncode == 0
    walls = []
    for _ in range(4):
        start = time.perf_counter()
        fresh("--help")
        walls.append(time.perf_counter() - start)
    code = (
        "import time; t = time.process_time(); import simvid.cli as c; c.build_parser(); print(time.process_time() - t)"
    )
    spent = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    )
    assert spent < 0.15, "CPU seconds for the parser; a loaded machine may take longer in wall time"
    assert min(walls) < 2.0


def test_faults_of_a_run_have_no_traceback(broken: Path, tmp_path: Path) -> None:
    done = fresh("run", broken, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{broken}:5: fps" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    loud = fresh("run", broken, "--debug")
    assert "Traceback" in loud.stderr
    assert loud.returncode != 0


def test_ctrl_c_is_130_and_leaves_nothing(flying_file: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time; from simvid import cli, registry\n"
        "registry.BUILT_IN['physics']['free_fall'] = 'simvid.testing.free_fall:FreeFall'\n"
        "from simvid.testing import free_fall\n"
        "def slow(self, assets, progress):\n"
        "    print('here', flush=True)\n"
        "    for _ in range(3000): time.sleep(0.02)\n"
        "free_fall.FreeFall.simulate = slow\n"
        "sys.exit(cli.main(['run', sys.argv[1], '--out', sys.argv[2]]))"
    )
    for how, wanted in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        out = tmp_path / how.name
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(flying_file), str(out)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == wanted
        assert "Traceback" not in errors
        assert ("stopped" in errors) == (how == signal.SIGINT)
        assert [p for p in out.rglob("*") if p.is_file()] == []


def test_a_closed_pipe_is_quiet() -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "simvid.cli", "schema"], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == ""


def test_progress_suits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import argparse

    def chosen(**options: bool) -> object:
        return reporter_for(argparse.Namespace(**{"quiet": False, "json": False, **options}))[0]._then

    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(chosen(), Lines)
    assert not isinstance(chosen(quiet=True), Lines | Bars)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(chosen(), Bars)
    assert isinstance(chosen(json=True), Lines)


def test_bars_in_a_real_terminal(flying_clip: Clip, flying_file: Path) -> None:
    """A pseudo-terminal gets bars on stderr; stdout stays clean."""
    code = (
        "import sys; from simvid import cli, registry\n"
        "registry.BUILT_IN['physics']['free_fall'] = 'simvid.testing.free_fall:FreeFall'\n"
        "sys.exit(cli.main(['simulate', sys.argv[1], '--out', sys.argv[2], '--force']))"
    )
    master, slave = pty.openpty()
    command = [sys.executable, "-c", code, str(flying_file), str(flying_clip.path.parent / "bars")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=slave, text=True, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(slave)
        text = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # how Linux says that the other side has closed
                break
            if not chunk:
                break
            text += chunk
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(master)
    assert process.returncode == 0, text
    assert b"physics" in text
    assert "━".encode() in text
    assert "━" not in out
    assert out.startswith("clip ")
