"""A job on a real Ray cluster of two nodes on this machine: a worker is killed, then the driver; nothing is lost."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from simvid.errors import JobError
from simvid.generating.generate import Options, generate
from simvid.generating.job_folder import JobFolder
from simvid.parsing import load_scene
from simvid.testing.killing import content_of

pytest.importorskip("ray")
COUNT = 6
WAIT_S = 240.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def cluster(plug_in: None) -> Iterator[str]:
    """Address of a cluster: a head of one core, and a second node that joined it."""
    address = f"127.0.0.1:{free_port()}"
    ray = [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        "--block",
        "--num-cpus=1",
        "--object-store-memory=80000000",
    ]
    # No token: one that lies in the home folder would be asked of the second node and not given by it.
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    with tempfile.TemporaryDirectory(prefix="ray") as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in quiet.items():
            patch.setenv(name, value)
        head = [*ray, "--head", f"--port={address.split(':')[1]}", "--include-dashboard=false", f"--temp-dir={folder}"]
        nodes: list[subprocess.Popen[bytes]] = []
        try:
            for command in (head, [*ray, f"--address={address}"]):
                path = Path(folder) / f"node{len(nodes)}.log"
                with path.open("wb") as log:
                    nodes.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
                wait_for(lambda path=path: b"runtime started" in path.read_bytes(), "a node")
            yield address
        finally:
            for node in reversed(nodes):
                children = psutil.Process(node.pid).children(recursive=True) if node.poll() is None else []
                for process in (*children, node):
                    with suppress(psutil.NoSuchProcess):  # it may have ended by itself meanwhile
                        process.kill()
                node.wait()


def wait_for(seen: object, what: str) -> None:
    assert callable(seen)
    deadline = time.monotonic() + WAIT_S
    while not seen():
        assert time.monotonic() < deadline, f"never saw {what}"
        time.sleep(0.1)


def ray_workers() -> list[psutil.Process]:
    """Processes of Ray that are at a task of ours."""
    processes = psutil.process_iter(["cmdline"])
    return [p for p in processes if any("ray::do" in word for word in p.info["cmdline"] or ())]


@pytest.mark.slow
def test_a_worker_and_then_the_driver_are_killed(cluster: str, tiny_file: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "cluster", tmp_path / "alone"
    command = [sys.executable, "-m", "simvid.cli", "generate", str(tiny_file), "--count", str(COUNT), "--out", str(out),
               "--min-free", "0", "--ray", cluster]  # fmt: skip
    driver = subprocess.Popen(command)
    wait_for(lambda: driver.poll() is not None or JobFolder(out).made(), "the first clip")
    wait_for(lambda: driver.poll() is not None or ray_workers(), "a worker at work")
    for worker in ray_workers()[:1]:
        worker.kill()
    before = len(JobFolder(out).made())
    wait_for(lambda: driver.poll() is not None or len(JobFolder(out).made()) > before, "a clip after that")
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert subprocess.run(command, timeout=WAIT_S, check=False).returncode == 0
    assert generate(load_scene(tiny_file), whole, COUNT, Options(min_free_gb=0.0)).made == COUNT
    assert content_of(out) == content_of(whole)


def test_no_cluster_there(plug_in: None, tiny_file: Path, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"--ray 127.0.0.1:1: no cluster there"):
        generate(load_scene(tiny_file), tmp_path / "job", 2, Options(ray="127.0.0.1:1"))
