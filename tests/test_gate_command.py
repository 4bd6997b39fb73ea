"""``simvid check --refined`` and ``simvid refine --retries``: verdicts, exit codes, what is written into the clip."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from simvid import cli, registry
from simvid.checking.gate import verdict
from simvid.checking.probe.files import shipped_limits
from simvid.clip import Clip
from simvid.clips.records import Backend, GateRecord, RefinedRecord
from simvid.commands.refine import _tried_before
from simvid.errors import ClipError
from simvid.frames import Frame
from simvid.jobs import gate_clip
from simvid.jobs.refine_clip import refine_clip
from simvid.refining.identity import IdentityRefiner
from simvid.scene import Refine

pytestmark = pytest.mark.usefixtures("free_fall")


class MirrorRefiner(IdentityRefiner):
    """Shows every scene in a mirror, under even seeds."""

    name = "mirror"

    def refine(self, frames: Iterable[Frame], *, look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        """As they are under odd seeds."""
        return (frame.rgb if seed % 2 else np.ascontiguousarray(frame.rgb[:, ::-1]) for frame in frames)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """On a busy machine two threads wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def larger_clip(free_fall: None, flying_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """The front camera large enough for its things to be judged."""
    import simvid

    changes = {"cameras.front.resolution_px": [176, 132], "labels": ["depth", "ids", "boxes"]}
    scene = simvid.load_scene(flying_file, changes)
    return simvid.run(scene, tmp_path_factory.mktemp("clips"))


@pytest.fixture
def clip(larger_clip: Clip, tmp_path: Path) -> Clip:
    """A copy that may be changed."""
    folder = tmp_path / "flying"
    shutil.copytree(larger_clip.path, folder)
    return Clip.open(folder)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Its entry."""
    refiners = {**registry.BUILT_IN["refining"], "mirror": f"{__name__}:MirrorRefiner"}
    monkeypatch.setattr(registry, "BUILT_IN", {**registry.BUILT_IN, "refining": refiners})
    real = registry.load
    monkeypatch.setattr(registry, "load", lambda group, name: MirrorRefiner if name == "mirror" else real(group, name))
    path = tmp_path / "mirror.yaml"
    path.write_text("backend: mirror\nsettings: {}\n")
    return path


@pytest.fixture
def simvid_(capsys: pytest.CaptureFixture[str]) -> Any:
    """The command line: its code, what it printed, and what it complained of."""

    def call(*arguments: object) -> tuple[int, str, str]:
        before = signal.getsignal(signal.SIGTERM)
        try:
            code = cli.main([str(a) for a in arguments])
        finally:
            signal.signal(signal.SIGTERM, before)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_identity_is_accepted_and_the_verdict_is_kept(simvid_: Any, clip: Clip) -> None:
    code, out, _ = simvid_("check", clip.path, "--refined", "identity", "-q", "--json")
    assert code == 0
    told = json.loads(out)
    now = Clip.open(clip.path)
    gate = now.refinement("identity").gate
    assert gate is not None
    assert gate.accepted
    assert gate.model_dump(mode="json") == {k: told[k] for k in gate.model_dump()}
    assert gate.weights_sha256 == shipped_limits().weights_sha256
    assert [camera.camera for camera in gate.cameras] == ["front", "side"]
    judged = {each.name for each in gate.cameras[0].instances}
    assert {"ground", "ball", "cube"} <= judged
    assert all(each.masks for camera in gate.cameras for each in camera.instances)
    assert now.content_hash == clip.content_hash, "a verdict is no content"
    assert now.verify() == []
    for path in told["charts"]:
        assert Path(path).read_text().startswith("<svg")
        assert "accepted" in Path(path).read_text()
    code, _, _ = simvid_("refine", clip.path, "--refiner", "identity", "-q")
    assert code == 0
    assert Clip.open(clip.path).refinement("identity").gate == gate, "the same refinement keeps its verdict"


def test_a_mirrored_video_is_rejected_with_10(simvid_: Any, clip: Clip, mirror: Path) -> None:
    assert simvid_("refine", clip.path, "--refiner", mirror, "--seed", 4, "-q")[0] == 0
    code, out, _ = simvid_("check", clip.path, "--refined", "mirror")
    assert code == 10
    assert "REJECTED" in out
    assert "BEYOND" in out
    gate = Clip.open(clip.path).refinement("mirror").gate
    assert gate is not None
    assert not gate.accepted
    assert {"mismatch", "instance_mismatch"} & set(gate.cameras[0].failed)
    assert any(each.masks is False for each in gate.cameras[0].instances)


def test_a_rejected_video_is_tried_again_with_the_next_seed(simvid_: Any, clip: Clip, mirror: Path) -> None:
    code, out, _ = simvid_("refine", clip.path, "--refiner", mirror, "--seed", 4, "--retries", 2, "--json", "-q")
    assert code == 0
    assert json.loads(out)["gate"]["rejected_seeds"] == [4]
    record = Clip.open(clip.path).refinement("mirror")
    assert record.seed == 5
    assert record.gate is not None
    assert record.gate.accepted
    assert simvid_("check", clip.path, "--refined", "mirror", "-q")[0] == 0
    assert Clip.open(clip.path).refinement("mirror") == record, "a second look forgets no seed"
    assert simvid_("refine", clip.path, "--refiner", mirror, "--seed", 4, "--retries", 2, "-q")[0] == 0
    assert Clip.open(clip.path).refinement("mirror") == record, "the same command again makes nothing new"
    code, out, _ = simvid_("refine", clip.path, "--refiner", mirror, "--seed", 4, "--retries", 0, "--force")
    assert code == 10
    assert "REJECTED" in out
    assert Clip.open(clip.path).refinement("mirror").seed == 4, "the last try stays, with its verdict"


def test_retries_go_on_after_they_were_stopped(
    simvid_: Any, clip: Clip, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from a later seed on, as long as it is one of those that were tried."""
    judged, calls = verdict.judge, iter(range(9))

    def stopped(*arguments: Any) -> Any:
        if next(calls) == len(clip.cameras):
            raise KeyboardInterrupt
        return judged(*arguments)

    arguments = ("refine", clip.path, "--refiner", mirror, "--retries", 2, "-q", "--seed")
    with monkeypatch.context() as patched:
        patched.setattr(gate_clip, "judge", stopped)
        assert simvid_(*arguments, 4)[0] == 130
    left = Clip.open(clip.path).refinement("mirror")
    assert (left.seed, left.gate) == (5, None)
    for first in (4, 5, 4):
        assert simvid_(*arguments, first)[0] == 0
        record = Clip.open(clip.path).refinement("mirror")
        assert record.gate is not None
        assert (record.seed, record.gate.rejected_seeds) == (5, ()), first


def test_seeds_are_tried_from_the_first_on() -> None:
    """Not those below it, and none that is no try before the one that is there."""
    gate = GateRecord(accepted=True, weights_sha256="", cameras=(), rejected_seeds=(4, 5, 8))
    tried = RefinedRecord(name="identity", refiner=Backend(backend="x", version="1"), look="as_rendered", seed=6,
                          cameras=(), keys={}, gate=gate)  # fmt: skip
    arguments = argparse.Namespace(refiner="identity", look=None, retries=3)

    def before(record: RefinedRecord, first: int) -> tuple[int, list[int]]:
        scene = SimpleNamespace(refine=Refine())
        clip: Any = SimpleNamespace(scene=scene, record=SimpleNamespace(refined=(record,)))
        return _tried_before(clip, arguments, first)

    assert [before(tried, first) for first in (2, 3, 4, 5, 6, 7)] == [
        (2, []), (6, [4, 5]), (6, [4, 5]), (6, [5]), (6, []), (7, [])]  # fmt: skip
    arguments.retries = 0
    assert [before(tried, first) for first in (3, 4)] == [(3, []), (6, [4, 5])], "fewer retries make nothing new"
    arguments.retries = 3
    unjudged = tried.model_copy(update={"gate": None})
    assert [before(unjudged, first) for first in (2, 3, 6, 7)] == [(2, []), (6, []), (6, []), (7, [])]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--refined", "nothing"), 6, "no refinement 'nothing'; there are identity"),
        (("--refined", ""), 6, "no refinement ''; there are identity"),
    ],
)
def test_what_cannot_be_judged_is_told(
    simvid_: Any, clip: Clip, arguments: tuple[str, ...], code: int, said: str
) -> None:
    got, _, err = simvid_("check", clip.path, *arguments)
    assert got == code
    assert said in err


def test_a_verdict_does_not_land_on_other_pictures(clip: Clip, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that another process puts there while these are judged."""
    clip, _ = refine_clip(clip, str(mirror), seed=3)
    judged = verdict.judge

    def slow(*arguments: Any) -> Any:
        refine_clip(Clip.open(clip.path), str(mirror), seed=9, force=True)
        return judged(*arguments)

    monkeypatch.setattr(gate_clip, "judge", slow)
    with pytest.raises(ClipError, match="refinement 'mirror' vanished or was replaced while it was judged; run again"):
        gate_clip.judge_clip(clip, "mirror")
    assert Clip.open(clip.path).refinement("mirror").gate is None


def test_tiny_pictures_are_not_judged(flying_file: Path, tmp_path: Path, simvid_: Any) -> None:
    import simvid

    changes = {"cameras.side.resolution_px": [49, 31], "labels": ["depth", "ids"]}
    clip = simvid.run(simvid.load_scene(flying_file, changes), tmp_path)
    code, _, err = simvid_("check", clip.path, "--refined", "identity")
    assert code == 6
    assert "expected pictures of 32 px or more, got 49 x 31 px of camera 'side'" in err


def test_options_for_whole_folders_do_not_go_with_a_refinement(clip: Clip, simvid_: Any) -> None:
    for option in (("--plot", "p.svg"), ("--workers", "2")):
        code, _, err = simvid_("check", clip.path, "--refined", "identity", *option)
        assert code == 2
        assert f"{option[0]}: " in err


def test_a_clip_without_depth_is_told(simvid_: Any, flying_file: Path, tmp_path: Path) -> None:
    import simvid

    clip = simvid.run(simvid.load_scene(flying_file, {"labels": ["ids"]}), tmp_path)
    code, _, err = simvid_("check", clip.path, "--refined", "identity")
    assert code == 6
    assert "has no depth; make the clip with  --labels depth,ids" in err


def test_flow_that_was_not_stored_is_the_same(flying_file: Path, tmp_path: Path, flying_clip: Clip) -> None:
    import simvid
    from simvid.checking.gate.of_clip import gate_frames

    bare = simvid.run(simvid.load_scene(flying_file, {"labels": ["depth", "ids"]}), tmp_path)
    for a, b in zip(gate_frames(bare, "front", "identity"), gate_frames(flying_clip, "front", "identity"), strict=True):
        np.testing.assert_allclose(a.flow_backward, b.flow_backward, atol=2e-3)
        assert np.isnan(a.flow_backward).all() or (a.hidden == b.hidden).mean() > 0.99
