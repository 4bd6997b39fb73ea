"""Stages run when what they depend on has changed, and only then; equal inputs give equal clips."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import simvid
from simvid.clip import Clip
from simvid.clips.records import STAGE_FILE
from simvid.clips.stage_store import KEEP_S, STORE, StageStore
from simvid.errors import ClipError, RenderError, SceneError
from simvid.frames import Frame
from simvid.jobs.refine_clip import refine_clip
from simvid.parsing import parse_scene
from simvid.pipeline import first_frames, planned, refine, render, simulate
from simvid.progress import Silence
from simvid.refining.identity import IdentityRefiner
from simvid.scene import Scene

pytestmark = pytest.mark.usefixtures("free_fall")


class Log(Silence):
    """What was run, and what was found."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.reused: list[str] = []
        self.clip: Path | None = None

    def end(self, stage: str, wall_s: float, reused: bool) -> None:
        (self.reused if reused else self.ran).append(stage)

    def found(self, clip: Path) -> None:
        self.clip = clip


def scene(path: Path, **overrides: object) -> Scene:
    return simvid.load_scene(path, {k.replace("__", "."): v for k, v in overrides.items()})


def logged(value: Scene | Path, out: Path, **options: object) -> tuple[Clip, Log]:
    log = Log()
    clip = simvid.run(value, out, reporter=log, **options)  # type: ignore[arg-type]
    return clip, log


@pytest.fixture
def out(flying_clip: Clip, tmp_path: Path) -> Path:
    """An output folder in which the scene was run before."""
    return Path(shutil.copytree(flying_clip.path.parent, tmp_path / "out", copy_function=shutil.copy2))


STAGES = [
    "physics", "rendering front", "rendering side", "refining front", "refining side", "checking front", "checking side"
]  # fmt: skip


def test_an_unchanged_scene_is_found_at_once(flying_file: Path, out: Path, flying_clip: Clip) -> None:
    clip, log = logged(flying_file, out)
    assert log.clip == clip.path == out / flying_clip.path.name
    assert log.ran == ["assets"]
    assert clip.content_hash == flying_clip.content_hash


@pytest.mark.parametrize(
    ("change", "ran"),
    [
        ({"cameras.front.fov_y_deg": 50}, ["rendering front", "refining front", "checking front"]),
        ({"cameras.side.orbit.height_m": 0.5}, ["rendering side", "refining side", "checking side"]),
        ({"lights": [{"sun": {"direction": [0, 0.2, -1]}}]}, STAGES[1:]),
        ({"materials.red.look.base_color": [0.1, 0.9, 0.2]}, STAGES[1:]),
        ({"ground.look": {"texture": "tiles"}}, STAGES[1:]),
        ({"labels": ["depth"]}, [*STAGES[1:3], *STAGES[5:]]),
        ({"bodies.ball.velocity_m_s": [0.4, 0, 1]}, STAGES),
        ({"physics.gravity_m_s2": [0, 0, -1.6]}, STAGES),
        ({"materials.red.friction": 0.9}, ["physics"]),
        ({"description": "another"}, []),
    ],
    ids=lambda v: next(iter(v), "none") if isinstance(v, dict) else "",
)
def test_only_what_depends_on_a_change_runs(
    flying_file: Path, out: Path, change: dict[str, object], ran: list[str]
) -> None:
    clip, log = logged(simvid.load_scene(flying_file, change), out)
    assert [s for s in log.ran if s not in {"assets", "writing"}] == ran
    assert log.reused == [s for s in STAGES if s not in ran]
    assert clip.verify() == []
    assert len(list(out.glob("flying-*"))) == 2, "the first clip is still there"


def test_equal_inputs_give_equal_content_in_another_folder(
    flying_file: Path, tmp_path: Path, flying_clip: Clip
) -> None:
    clip, log = logged(flying_file, tmp_path)
    assert log.reused == []
    assert clip.content_hash == flying_clip.content_hash
    assert clip.path.name == flying_clip.path.name
    digests = {n: f.digest for n, f in clip.record.files.items()}
    assert digests == {n: f.digest for n, f in flying_clip.record.files.items()}
    different = scene(flying_file, bodies__ball__velocity_m_s=[0.4, 0, 1])
    assert simvid.run(different, tmp_path).content_hash != clip.content_hash


def test_force_runs_everything_again(flying_file: Path, out: Path, flying_clip: Clip) -> None:
    clip, log = logged(flying_file, out, force=True)
    assert log.ran == ["assets", *STAGES, "writing"]
    assert clip.content_hash == flying_clip.content_hash


def test_clips_share_their_files_with_the_store(flying_file: Path, tmp_path: Path) -> None:
    clip = simvid.run(flying_file, tmp_path)
    for name in ("trajectory.npz", "cameras/front/depth.npz", "refined/identity/side.npz"):
        assert (clip.path / name).stat().st_nlink == 2


def test_the_whole_clip_of_a_faster_run_stays(
    flying_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def overtaken(folder: Path) -> None:
        if "flying-" in folder.name and not made:
            made.append(0)  # only the outer run is overtaken
            made[0] = simvid.run(flying_file, tmp_path).path.stat().st_ino

    monkeypatch.setattr("simvid.clips.folders.sync_tree", overtaken)
    assert simvid.run(flying_file, tmp_path).path.stat().st_ino == made[0]


def test_a_damaged_clip_is_made_again_from_its_stages(flying_file: Path, out: Path, flying_clip: Clip) -> None:
    path = out / flying_clip.path.name / "cameras/front/depth.npz"
    path.unlink()
    clip, log = logged(flying_file, out)
    assert log.clip is None
    assert log.reused == STAGES
    assert clip.verify() == []


def test_an_edited_file_is_noticed_in_clip_and_store(flying_file: Path, tmp_path: Path, flying_clip: Clip) -> None:
    """A hard link means that whoever edits a clip's file in place edits the store's."""
    clip = simvid.run(flying_file, tmp_path)
    path = clip.path / "cameras/front/depth.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    time.sleep(0.02)
    with path.open("r+b") as file:
        file.write(data)
    again, log = logged(flying_file, tmp_path)
    assert log.ran == ["assets", "rendering front", "writing"]
    assert again.verify() == []
    assert again.content_hash == flying_clip.content_hash


@pytest.mark.parametrize("damage", ["cut", "gone", "record", "other key"])
def test_a_damaged_stage_is_run_again(flying_file: Path, out: Path, flying_clip: Clip, damage: str) -> None:
    shutil.rmtree(out / flying_clip.path.name)
    stage = next((out / STORE).glob("frames-*-front"))
    if damage == "cut":
        data = (stage / "ids.npz").read_bytes()
        (stage / "ids.npz").write_bytes(data[:-1])
    elif damage == "gone":
        (stage / "ids.npz").unlink()
    elif damage == "record":
        (stage / STAGE_FILE).write_text("{")
    else:
        (stage / STAGE_FILE).write_text((stage / STAGE_FILE).read_text().replace('"key": "', '"key": "0'))
    clip, log = logged(flying_file, out)
    assert log.ran == ["assets", "rendering front", "writing"]
    assert clip.content_hash == flying_clip.content_hash


def test_what_no_clip_holds_is_dropped_after_a_week(flying_file: Path, tmp_path: Path) -> None:
    clip = simvid.run(flying_file, tmp_path)
    stages = set((tmp_path / STORE).iterdir())
    long_ago = time.time() - KEEP_S - 60
    for path in stages:
        os.utime(path, (long_ago, long_ago))
    StageStore(tmp_path)
    assert set((tmp_path / STORE).iterdir()) == stages, "the clip holds them"
    kept = next(p for p in stages if p.name.startswith("physics"))
    inputs = json.loads((kept / STAGE_FILE).read_text())["inputs"]
    assert StageStore(tmp_path).find("physics", inputs) is not None
    shutil.rmtree(clip.path)
    StageStore(tmp_path)
    assert set((tmp_path / STORE).iterdir()) == {kept}, "used lately"


def test_until_physics_and_on_from_there(flying_file: Path, tmp_path: Path, flying_clip: Clip) -> None:
    first, log = logged(flying_file, tmp_path, until="physics")
    assert log.ran == ["assets", "physics", "writing"]
    assert first.record.cameras == ()
    assert set(first.record.files) == {"trajectory.npz", "contacts.csv"}
    second, log = logged(first.scene, tmp_path, until="rendering", trajectory=first.trajectory)
    assert "rendering front" in log.ran
    assert second.record.refined == ()
    depth, wanted = (c.frames("front", ["depth"]).depth for c in (second, flying_clip))
    assert depth is not None
    assert wanted is not None
    assert np.array_equal(depth, wanted)
    assert len({first.path, second.path, simvid.run(flying_file, tmp_path).path}) == 3


def test_a_trajectory_of_another_scene_is_refused(flying_file: Path, flying_clip: Clip, tmp_path: Path) -> None:
    bodies = list(scene(flying_file).bodies)
    fewer = scene(flying_file).model_copy(update={"bodies": tuple(bodies[:2])})
    with pytest.raises(ClipError, match="parts"):
        simvid.run(fewer, tmp_path, until="rendering", trajectory=flying_clip.trajectory)
    with pytest.raises(ClipError, match="4 frames"):
        simvid.run(flying_file, tmp_path, frames=2, until="rendering", trajectory=flying_clip.trajectory)
    assert not list(tmp_path.glob("flying*"))


def test_a_clip_seen_again_keeps_its_physics(flying_file: Path, flying_clip: Clip, tmp_path: Path) -> None:
    def again(*overrides: str) -> None:
        text, base = json.dumps(flying_clip.record.scene), flying_clip.scene._base
        seen = parse_scene(text, "clip.json", base, overrides)
        planned(seen, tmp_path, None, None, "rendering", flying_clip)

    again("seed=7", "look=kitchen", "labels=[ids]", "bodies.cube.look={base_color: [1, 0, 0]}")
    with pytest.raises(SceneError, match=r"^physics.gravity_m_s2: cannot be changed without new physics"):
        again("physics.gravity_m_s2=[0, 0, -1.6]")
    with pytest.raises(SceneError, match=rf"^bodies.ball.velocity_m_s: .* is that of {flying_clip.path.name}"):
        again("bodies.ball.velocity_m_s=[0, 0, 1]")


def test_the_first_frames_are_those_of_the_whole(flying_file: Path, flying_clip: Clip, tmp_path: Path) -> None:
    orbit = {"center_m": [0, 0, 0.3], "radius_m": 1.5, "height_m": 0.4, "sweep_deg": 90}
    camera = {"name": "front", "resolution_px": [64, 48], "orbit": orbit}
    turning = simvid.load_scene(flying_file, {"cameras": [camera]})
    whole, short = simvid.run(turning, tmp_path), simvid.run(turning, tmp_path, frames=3)
    assert short.frame_count == 3
    a, b = whole.frames("front", indices=range(3)), short.frames("front")
    assert np.allclose(a.camera.world_from_camera, b.camera.world_from_camera)
    assert a.ids is not None
    assert b.ids is not None
    assert (a.ids == b.ids).mean() > 0.995  # the detail follows how near the camera comes in the whole clip
    for count in (0, 1, 5):
        with pytest.raises(SceneError, match=f"expected 2 to 4, all that the scene has, got {count}"):
            first_frames(turning, count)
    assert first_frames(turning, 4) is turning


def test_samples_differ_and_are_recorded(flying_file: Path, tmp_path: Path) -> None:
    varied = simvid.load_scene(flying_file, {"randomize": {"bodies.ball.velocity_m_s[0]": {"uniform": [0.1, 0.9]}}})
    clips = [simvid.run(varied, tmp_path, sample_index=k, until="physics") for k in (0, 1, 0)]
    drawn = [c.record.sampled["bodies.ball.velocity_m_s[0]"] for c in clips]
    assert drawn[0] == drawn[2] != drawn[1]
    assert clips[0].path == clips[2].path != clips[1].path
    assert clips[1].record.sample_index == 1
    assert clips[0].scene.bodies[0].velocity_m_s[0] == drawn[0]
    assert clips[0].scene.randomize == {}


def test_the_first_frames_of_a_sample_need_not_hold_the_whole_story(flying_file: Path, tmp_path: Path) -> None:
    """What comes later, such as a kick at the end, is checked against the whole scene."""
    vary = {"randomize": {"bodies.cube.velocity_m_s[0]": {"uniform": [0.1, 0.9]}}}
    kicked = simvid.load_scene(flying_file, {**vary, "bodies.ball.impulses": [{"t_s": 0.1, "impulse_n_s": [0, 0, 1]}]})
    clip = simvid.run(kicked, tmp_path, sample_index=3, frames=2, until="physics")
    assert clip.frame_count == 2


def test_stages_alone_agree_with_the_clip(flying_file: Path, flying_clip: Clip) -> None:
    trajectory = simulate(flying_file)
    assert np.array_equal(trajectory.poses, flying_clip.trajectory.poses)
    frames = render(flying_file, trajectory, "side")
    assert np.array_equal(frames.rgb, flying_clip.frames("side").rgb)
    assert np.array_equal(refine(frames), frames.rgb)
    with pytest.raises(SceneError, match="expected one of front, side, got 'back'"):
        render(flying_file, trajectory, "back")
    with pytest.raises(SceneError, match="dreamy"):
        refine(frames, look="dreamy")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cameras.front.pose.look_from_m": [-0.4, 0.3, 0.3]}, "inside 'post'"),
        ({"cameras.front.pose.look_from_m": [0, -1, -0.5]}, "below the ground"),
        ({"bodies.ball.shape": {"mesh": "nothing.obj"}}, "nothing.obj"),
        ({"refine.look": "dreamy"}, "dreamy"),
    ],
)
def test_faults_are_told_before_anything_runs(
    flying_file: Path, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    log = Log()
    with pytest.raises(SceneError, match=said):
        simvid.run(simvid.load_scene(flying_file, change), tmp_path, reporter=log)
    assert log.ran == []
    assert list(tmp_path.iterdir()) == []


def test_all_faults_are_told_together(flying_file: Path, tmp_path: Path) -> None:
    changes = {"cameras.front.pose.look_from_m": [0, -1, -0.5], "cameras.side.orbit.height_m": -0.5,
               "refine.look": "dreamy"}  # fmt: skip
    with pytest.raises(SceneError) as caught:
        simvid.run(simvid.load_scene(flying_file, changes), tmp_path)
    lines = [line for line in str(caught.value).splitlines() if not line.startswith("  hint:")]
    assert [line.split(": ")[1].split(" ")[0] for line in lines] == ["cameras[0]", "cameras[1]", "refine.look"]


def test_a_camera_that_meets_a_body_later_is_told_before_rendering(flying_file: Path, tmp_path: Path) -> None:
    at = [0.3 - 0.5 * 0.125, 0.2, 0.3 + 0.5 * 0.125 - 9.81 * 0.125**2 / 2]  # where the cube is in the last frame
    away = {"cameras.front.pose": {"look_from_m": at, "look_at_m": [0, -3, 0.3]}}
    small = {"bodies.cube.shape.box.size_m": 0.03}
    log = Log()
    with pytest.raises(SceneError, match=r"inside 'cube' at t = 0.125 s \(frame 3\)"):
        simvid.run(simvid.load_scene(flying_file, {**away, **small}), tmp_path, reporter=log)
    assert log.ran == ["assets", "physics"]


class Failing(IdentityRefiner):
    """Gives up half-way, or gives wrong pictures."""

    how = "raise"

    def refine(self, frames: Iterable[Frame], *, look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        def pictures() -> Iterator[NDArray[np.uint8]]:
            for k, frame in enumerate(frames):
                if self.how == "raise" and k == 2:
                    raise RenderError("out of ideas")
                if self.how == "few" and k == 2:
                    return
                yield frame.rgb[:-1] if self.how == "small" else frame.rgb

        return pictures()


@pytest.mark.parametrize(
    ("how", "said"),
    [("raise", "out of ideas"), ("few", "gave 2 pictures; expected 4"), ("small", r"expected uint8 \(48, 64, 3\)")],
)
def test_a_failing_stage_leaves_the_others_and_nothing_half(
    flying_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, said: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("simvid.refining.identity.IdentityRefiner", Failing)
        patch.setattr(Failing, "how", how)
        with pytest.raises(RenderError, match=said):
            simvid.run(flying_file, tmp_path)
    names = sorted(p.name.partition("-")[0] for p in (tmp_path / STORE).iterdir())
    assert names == ["frames", "frames", "physics"]
    assert [p.name for p in tmp_path.iterdir()] == [STORE]
    _, log = logged(flying_file, tmp_path)
    assert log.reused == STAGES[:3]


def test_refining_a_clip_adds_to_it(flying_file: Path, tmp_path: Path) -> None:
    clip = simvid.run(flying_file, tmp_path, until="rendering")
    before = clip.content_hash
    refined, record = refine_clip(clip)
    assert (record.name, record.cameras, record.seed) == ("identity", ("front", "side"), 5)
    assert refined.content_hash != before
    assert refined.verify() == []
    assert np.array_equal(refined.refined("identity", "side"), clip.frames("side").rgb)
    log = Log()
    again, _ = refine_clip(refined, reporter=log)
    assert log.clip == clip.path / "refined" / "identity"
    with pytest.raises(ClipError, match="is there already, made with other settings; replace it with --force"):
        refine_clip(again, seed=9)
    forced, record = refine_clip(again, seed=9, force=True)
    assert record.seed == 9
    assert [r.seed for r in forced.record.refined] == [9]
    assert forced.verify() == []


def test_refining_needs_cameras_and_a_known_look(flying_file: Path, flying_clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="has no camera to refine"):
        refine_clip(simvid.run(flying_file, tmp_path, until="physics"))
    with pytest.raises(SceneError, match="dreamy"):
        refine_clip(flying_clip, look="dreamy")


def test_a_full_disk_is_said_and_leaves_nothing_half(
    flying_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("simvid.clips.arrays.ArrayWriter.append", full)
        with pytest.raises(ClipError, match="disk is full"):
            simvid.run(flying_file, tmp_path)
    assert [p.name.partition("-")[0] for p in (tmp_path / STORE).iterdir()] == ["physics"]
    assert simvid.run(flying_file, tmp_path).verify() == []
