"""ExporterContract: what every export format must hold; and a small clip with every label, a robot and contacts."""

from __future__ import annotations

import hashlib
import tarfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import simvid
from simvid.clip import Clip
from simvid.clips.records import CLIP_FILE, CameraGateRecord, GateRecord, InstanceGateRecord, write_record
from simvid.errors import CheckWarning, ClipError
from simvid.export.base import Exporter, ExportError
from simvid.export.job import NOTE_FILE, Choice, export, requested
from simvid.frames import LABELS
from simvid.jobs.preflight import prepared
from simvid.parsing import parse_scene
from simvid.testing.free_fall import FreeFall
from simvid.trajectory import Contacts, RobotMotion, Trajectory

SCENE = """\
simvid: 1
name: {name}
description: A ball and a box fly past a post.
duration_s: {seconds}
fps: 24
seed: 5
ground: {{}}
materials:
  red: {{look: {{base_color: [0.9, 0.2, 0.1]}}}}
bodies:
  - name: ball
    shape: {{sphere: {{radius_m: 0.1}}}}
    material: red
    pose: {{position_m: [0, 0, 0.3]}}
    velocity_m_s: [0.5, 0, 1]
  - {{name: cube, shape: {{box: {{size_m: 0.2}}}}, pose: {{position_m: [0.3, 0.2, 0.3]}}, velocity_m_s: [-0.5, 0, 0.5]}}
  - name: post
    shape: {{cylinder: {{radius_m: 0.05, length_m: 0.5}}}}
    pose: {{position_m: [-0.4, 0.3, 0.25]}}
    fixed: true
cameras:
  - {{name: front, resolution_px: [64, 48], pose: {{look_from_m: [0, -1.6, 0.7], look_at_m: [0, 0, 0.3]}}}}
  - name: side
    resolution_px: [48, 32]
    orbit: {{center_m: [0, 0, 0.3], radius_m: 1.6, height_m: 0.4, sweep_deg: 20}}
labels: all
"""
JOINTS = ("shoulder", "elbow")
CONTACT_ROWS = 3


def small_clip(out: Path, name: str = "flying", frames: int = 3) -> Clip:
    """A clip of two cameras with every label. Its two-jointed robot and its contacts are made up, and nothing shows
    them: they are there to be written and read."""
    text = SCENE.format(name=name, seconds=(frames - 1) / 24)
    scene = parse_scene(text, f"{name}.yaml", ".", [])
    trajectory = planted(FreeFall().simulate(prepared(scene)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckWarning)  # made up motion breaks the laws of physics
        return simvid.run(scene, out, trajectory=trajectory)


def planted(trajectory: Trajectory) -> Trajectory:
    """With joints that follow a formula, and one contact that begins, goes on and ends."""
    t = np.arange(trajectory.frame_count) / trajectory.fps
    ways = np.stack([np.sin(3 * t), 0.5 - t], axis=1)
    speeds = np.stack([3 * np.cos(3 * t), -np.ones_like(t)], axis=1)
    robot = RobotMotion("arm", JOINTS, ways, speeds, 0.1 * ways, ways + 0.01)
    c = CONTACT_ROWS
    contacts = Contacts(
        frame=np.arange(c, dtype=np.int32), time_s=np.arange(c) / trajectory.fps, id_a=np.full(c, 2, np.int32),
        id_b=np.full(c, 3, np.int32), point_m=np.arange(3.0 * c).reshape(c, 3), normal=np.tile([0.0, 0.0, 1.0], (c, 1)),
        impulse_n_s=np.array([[0.0, 0.0, 0.5], [0.0, 0.1, 0.25], [0.0, 0.0, 0.0]]), depth_m=np.array([1e-4, 2e-4, 0.0]),
        event=np.array([0, 1, 2], np.uint8),
    )  # fmt: skip
    return replace(trajectory, robots=(robot,), contacts=contacts)


def judge(clip: Clip, *, accepted: bool | None) -> Clip:
    """Write into a clip what a gate might say of its first refinement: in its last camera the ball's mask holds or not;
    None is no verdict."""
    refined = clip.record.refined[0]
    ball = InstanceGateRecord(instance_id=2, name="ball", frames=3, masks=accepted, depth=None)

    def of(camera: str, said: bool) -> CameraGateRecord:
        failed = () if said else ("instance_mismatch",)
        return CameraGateRecord(camera=camera, accepted=said, measured={}, limits={}, failed=failed, worst_frame=0,
                                worst_px=(1, 2), instances=(ball,))  # fmt: skip

    *sound, last = refined.cameras
    cameras = (*(of(camera, True) for camera in sound), of(last, bool(accepted)))
    gate = None if accepted is None else GateRecord(accepted=accepted, weights_sha256="0" * 64, cameras=cameras)
    told = (refined.model_copy(update={"gate": gate}), *clip.record.refined[1:])
    write_record(clip.path / CLIP_FILE, clip.record.model_copy(update={"refined": told}))
    return Clip.open(clip.path)


def tree_digest(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 of every file in a folder, and of the members of those that are tar."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        if path.suffix == ".tar":
            with tarfile.open(path) as archive:
                read = {m.name: archive.extractfile(m) for m in archive.getmembers()}
                found |= {f"{name}/{m}": hashlib.sha256(f.read()).hexdigest() for m, f in read.items() if f}
    return found


class ExporterContract:
    """Inherit as ``class TestMine(ExporterContract)``; the fixture ``exported_clip`` gives a ``small_clip``."""

    options: ClassVar[dict[str, Any]] = {}
    """Settings to test with."""
    cameras: ClassVar[tuple[str, ...]] = ()
    """Cameras to test with; none is all."""

    kind: ClassVar[type[Exporter]]
    """The class, registered under its name."""

    def written(self, clip: Clip, out: Path) -> dict[str, Any]:
        """Export a clip."""
        return export([clip.path], self.kind.name, out, choice=Choice(self.cameras), options=self.options)

    def test_it_says_what_it_is(self) -> None:
        """Name, version, one line, and labels that exist."""
        kind = self.kind
        assert kind.name
        assert kind.version
        assert kind.summary
        assert "\n" not in kind.summary
        assert kind.needs <= kind.holds <= set(LABELS)

    def test_equal_clips_give_equal_files(self, exported_clip: Clip, tmp_path: Path) -> None:
        """Nothing depends on the time or the place.

        Of three, two: x264 itself, on one thread, gives other bytes for the same pictures up to four times in a
        thousand (a level's difference in some blocks; why is not known).
        """
        self.written(exported_clip, tmp_path / "a")
        self.written(exported_clip, tmp_path / "b")
        first, second = tree_digest(tmp_path / "a"), tree_digest(tmp_path / "b")
        assert len(first) > 1
        if first != second:
            self.written(exported_clip, tmp_path / "c")
            third = tree_digest(tmp_path / "c")
            assert third in (first, second), {n for n in first if not first[n] == second.get(n) == third.get(n)}
        assert NOTE_FILE in first

    def test_it_is_there_whole_or_not_at_all(
        self, exported_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A fault after everything was written leaves nothing."""
        real = self.kind.write

        def failing(*arguments: Any) -> None:
            real(*arguments)
            raise RuntimeError("planted")

        monkeypatch.setattr(self.kind, "write", failing)
        with pytest.raises(RuntimeError, match="planted"):
            self.written(exported_clip, tmp_path / "out")
        assert list(tmp_path.iterdir()) == []

    def test_it_does_not_write_over_things(self, exported_clip: Clip, tmp_path: Path) -> None:
        """A folder that is there stays."""
        (tmp_path / "out").mkdir()
        with pytest.raises(ClipError, match="is there already"):
            self.written(exported_clip, tmp_path / "out")

    def test_a_label_that_it_cannot_hold_is_refused(self, exported_clip: Clip, tmp_path: Path) -> None:
        """With the names of formats that can."""
        for label in sorted(set(LABELS) - self.kind.holds)[:3]:
            with pytest.raises(ExportError, match=f"cannot hold {label}"):
                requested(self.kind(self.kind.Settings()), [exported_clip], Choice(labels=(label,)))

    def test_an_unknown_option_is_refused(self, exported_clip: Clip, tmp_path: Path) -> None:
        """With the names of those that there are."""
        with pytest.raises(ExportError, match="--option sighs"):
            export([exported_clip.path], self.kind.name, tmp_path / "out", options={"sighs": 1})
