"""kill -9 at any moment leaves no broken clip, and the next run goes on from the last whole stage."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from simvid.clip import Clip
from simvid.clips.records import CLIP_FILE
from simvid.clips.stage_store import STORE
from simvid.errors import ClipError
from simvid.jobs.refine_clip import refine_clip
from simvid.pipeline import run

SCRIPT = """
import os, sys, time
from pathlib import Path
from simvid import registry
registry.BUILT_IN["physics"]["free_fall"] = "simvid.testing.free_fall:FreeFall"
import simvid.jobs.stage_inputs
simvid.jobs.stage_inputs.code_version = lambda stage: "the same"
from simvid.jobs.backends import ChosenRenderer
from simvid.testing.refining import sample_frames
import simvid, simvid.jobs.assembly, simvid.clips.folders, simvid.jobs.job
from simvid.progress import Silence

def frames(self, assets, trajectory, camera):  # quick pictures in place of real ones: what is killed is the writing
    for frame in sample_frames(trajectory.frame_count, camera.width, camera.height):
        yield frame
ChosenRenderer.frames = frames

where, marker = sys.argv[3], Path(sys.argv[4])
def stop():
    marker.touch()
    for _ in range(6000):  # a signal that comes just before a long sleep would be seen after it
        time.sleep(0.02)

class Log(Silence):
    def __init__(self): self.ran, self.reused = [], []
    def advance(self, stage, done):
        if where == f"in {stage}" and done == 2: stop()
    def begin(self, stage, total):
        if where == f"before {stage}": stop()
    def end(self, stage, wall_s, reused): (self.reused if reused else self.ran).append(stage)

if where == "at rename":
    simvid.clips.folders.sync_tree = lambda folder: stop() if "flying-" in folder.name else None
if where == "in the record":
    simvid.jobs.assembly.write_record = lambda path, record: (path.write_text('{"schema_version": 1'), stop())
if where == "in the trajectory":
    simvid.jobs.job.write_table = lambda *_: stop()
log = Log()
clip = simvid.run(sys.argv[1], sys.argv[2], reporter=log)
import json
print(json.dumps({"hash": clip.content_hash, "ran": log.ran, "reused": log.reused, "faults": clip.verify()}))
"""
STAGES = [
    "physics", "rendering front", "rendering side", "refining front", "refining side", "checking front", "checking side"
]  # fmt: skip
POINTS = {
    "in the trajectory": 0,
    "in rendering front": 1,
    "in rendering side": 2,
    "in refining side": 4,
    "before checking side": 6,
    "before writing": 7,
    "in the record": 7,
    "at rename": 7,
}
"""Where it is killed -> how many stages are whole by then."""


def start(file: Path, out: Path, where: str, marker: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(file), str(out), where, str(marker)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, object]:
    text, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    result: dict[str, object] = json.loads(text)
    return result


@pytest.fixture(scope="module")
def undisturbed(flying_file: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    out = tmp_path_factory.mktemp("undisturbed")
    return finish(start(flying_file, out, "nowhere", out / "marker"))["hash"]


def killed(file: Path, out: Path, where: str, marker: Path, how: signal.Signals = signal.SIGKILL) -> int:
    """Run until ``where``, then kill; the return code."""
    process = start(file, out, where, marker)
    deadline = time.monotonic() + 60
    while not marker.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"never came to {where!r}: {process.communicate()[1]}")
        time.sleep(0.02)
    process.send_signal(how)
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.parametrize("where", POINTS)
def test_kill_9_anywhere(flying_file: Path, tmp_path: Path, undisturbed: object, where: str) -> None:
    out = tmp_path / "out"
    assert killed(flying_file, out, where, tmp_path / "marker") == -signal.SIGKILL
    left = [*out.glob(".tmp-*"), *(out / STORE).glob(".tmp-*")]
    assert left or where.startswith("before"), "something was under way"
    assert list(out.glob("flying-*")) == [], "no folder that looks like a clip"
    again = finish(start(flying_file, out, "nowhere", tmp_path / "marker"))
    whole = POINTS[where]
    assert again["reused"] == STAGES[:whole]
    assert again["hash"] == undisturbed
    assert again["faults"] == []
    assert [*out.glob(".tmp-*"), *(out / STORE).glob(".tmp-*")] == [], "leftovers are swept"
    assert len(list(out.glob("flying-*"))) == 1


def test_ctrl_c_cleans_up_itself(flying_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert killed(flying_file, out, "in rendering front", tmp_path / "marker", signal.SIGINT) != 0
    assert [*out.glob(".tmp-*"), *(out / STORE).glob(".tmp-*")] == []
    assert [p.name.partition("-")[0] for p in (out / STORE).iterdir()] == ["physics"]


def test_two_runs_at_once_agree(flying_file: Path, tmp_path: Path, undisturbed: object) -> None:
    with ExitStack() as stack:
        both = [stack.enter_context(start(flying_file, tmp_path, "nowhere", tmp_path / "marker")) for _ in range(2)]
        assert [finish(p)["hash"] for p in both] == [undisturbed] * 2
    clips = list(tmp_path.glob("flying-*"))
    assert len(clips) == 1
    assert Clip.open(clips[0]).verify() == []
    assert [*tmp_path.glob(".tmp-*"), *(tmp_path / STORE).glob(".tmp-*")] == []


DIE = """
import os, signal, sys
from pathlib import Path
from simvid.jobs import changed_record, refine_clip
from simvid.clip import Clip

def die(path, record):
    Path(path).write_text("{")
    os.kill(os.getpid(), signal.SIGKILL)

changed_record.write_record = die  # clip.json; the refinement itself is in its place by then
refine_clip.refine_clip(Clip.open(sys.argv[1]))
"""


def test_refining_killed_before_it_is_named_leaves_the_clip_as_it_was(
    flying_clip: Clip, tmp_path: Path, free_fall: None
) -> None:
    clip = run(flying_clip.scene, tmp_path, until="rendering")
    done = subprocess.run([sys.executable, "-c", DIE, str(clip.path)], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (clip.path / "refined" / "identity").is_dir()
    assert Clip.open(clip.path).record == clip.record
    assert len(list(clip.path.glob(".tmp-*"))) == 1
    refined, _ = refine_clip(Clip.open(clip.path))
    assert refined.verify() == []
    assert [r.name for r in refined.record.refined] == ["identity"]
    assert list(clip.path.glob(".tmp-*")) == []


def test_a_cut_clip_json_is_no_clip(flying_clip: Clip, tmp_path: Path) -> None:
    text = (flying_clip.path / CLIP_FILE).read_text()
    (tmp_path / CLIP_FILE).write_text(text[: len(text) // 2])
    with pytest.raises(ClipError, match="not readable"):
        Clip.open(tmp_path)
