"""Folders of clips: faults are found and nothing is repaired; trajectories are seen again; pages tell all of it."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import simvid
from simvid.cli import main
from simvid.clip import Clip
from simvid.errors import ClipError, JobError, SceneError
from simvid.generating import check_task, replay_task
from simvid.generating.dataset_check import check_folder
from simvid.generating.generate import Options, generate
from simvid.generating.job_folder import FailedRecord, JobFolder, number
from simvid.generating.replay import Passes, refine_all, replay
from simvid.generating.soundness import clip_faults
from simvid.parsing import load_scene
from simvid.testing.browser import HOW, Browser, installed
from simvid.viewing.dataset_report import chosen, clips_per_hour, dataset_report
from simvid.viewing.distributions import chart, drawn_values

TOP = {"name": "top", "resolution_px": [24, 20], "pose": {"look_from_m": [0, 0.1, 2], "look_at_m": [0, 0, 0]}}
ROOM = Options(min_free_gb=0.0)
LEFT = ' style="text-align:left"'
"""Of cells of tables."""


@pytest.fixture(scope="module")
def job(plug_in: None, tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job of three clips; do not change it."""
    out = tmp_path_factory.mktemp("jobs") / "tiny"
    assert generate(load_scene(tiny_file), out, 3, ROOM).made == 3
    return out


@pytest.fixture
def copy(job: Path, tmp_path: Path) -> Path:
    shutil.copytree(job, tmp_path / "copy", copy_function=shutil.copy2)
    return tmp_path / "copy"


def clips(folder: Path) -> list[Path]:
    return [folder / record.clip for record in JobFolder(folder).made().values()]


def listed(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


class TestCheck:
    def test_sound(self, job: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = listed(job)
        assert main(["check", str(job), "--workers", "2"]) == 0
        assert capsys.readouterr().out == "3 clips, all sound\n"
        assert listed(job) == before

    def test_every_kind_of_damage_is_listed_and_nothing_is_changed(
        self, copy: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        one, two, three = clips(copy)
        data = bytearray((one / "cameras/front/depth.npz").read_bytes())
        data[len(data) // 2] ^= 1
        (one / "cameras/front/depth.npz").write_bytes(data)
        (two / "trajectory.npz").unlink()
        shutil.rmtree(three)
        before = listed(copy)
        assert main(["check", str(copy), "--json", "--quiet"]) == ClipError.exit_code
        told = capsys.readouterr()
        found = json.loads(told.out)
        assert found["clips"] == 2
        assert set(found["faults"]) == {one.name, two.name}
        assert "depth.npz" in found["faults"][one.name][0]
        assert "trajectory.npz: missing" in found["faults"][two.name][0]
        assert found["missing"] == {number(2): "not yet"}
        assert "2 of 2 clips are damaged" in told.err
        assert listed(copy) == before, "nothing is repaired silently"

    @pytest.mark.parametrize(
        ("place", "words"),
        [("cameras/front/rgb.mp4", "expected .* bytes|not a readable video"), ("clip.json", "not readable"),
         ("contact_sheet.png", "expected"), ("refined/identity/front.npz", "front.npz")],
    )  # fmt: skip
    def test_files_that_are_cut(self, copy: Path, place: str, words: str) -> None:
        clip = clips(copy)[0]
        data = (clip / place).read_bytes()
        (clip / place).write_bytes(data[: len(data) // 2])
        faults = clip_faults(clip)
        assert faults
        assert any(part in faults[0] for part in ("expected", "not readable", "front.npz")), faults

    def test_a_video_of_too_few_pictures(self, copy: Path) -> None:
        from simvid.clips.video import read_video, write_video

        clip = clips(copy)[0]
        path = clip / "cameras/front/rgb.mp4"
        pictures = list(read_video(path))
        write_video(path, pictures[:-1], 20)
        record = json.loads((clip / "clip.json").read_text())
        record["files"]["cameras/front/rgb.mp4"]["bytes"] = path.stat().st_size
        (clip / "clip.json").write_text(json.dumps(record))
        assert clip_faults(clip) == ["cameras/front/rgb.mp4: expected 3 pictures of 40 x 30 px, got 2 of 40 x 30"]

    def test_every_label_is_sound(self, exported_clip: Clip, tmp_path: Path) -> None:
        assert "amodal" in exported_clip.record.cameras[0].arrays
        assert [fault for fault in clip_faults(exported_clip.path) if ".npz" in fault] == []
        shutil.copytree(exported_clip.path, tmp_path / "clip")
        record = json.loads((tmp_path / "clip/clip.json").read_text())
        record["cameras"][0]["height"] += 1
        (tmp_path / "clip/clip.json").write_text(json.dumps(record))
        assert any("amodal.npz: expected masks of" in fault for fault in clip_faults(tmp_path / "clip"))

    def test_a_failed_self_check_is_a_fault(self, copy: Path) -> None:
        clip = clips(copy)[0]
        record = json.loads((clip / "clip.json").read_text())
        record["checks"][0]["passed"] = False
        (clip / "clip.json").write_text(json.dumps(record))
        (fault,) = clip_faults(clip)
        assert fault.startswith("self-check ")
        assert "FAILED" in fault

    def test_another_clip_in_the_place_of_one(self, copy: Path) -> None:
        one, two, _ = clips(copy)
        shutil.rmtree(one)
        shutil.copytree(two, one)
        found = check_folder(copy)
        assert found.faults == {one.name: ["is not the clip that was made as 000000"]}

    def test_a_clip_by_itself_and_a_folder_without(
        self, job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["check", str(clips(job)[0])]) == 0
        assert main(["check", str(tmp_path)]) == ClipError.exit_code
        assert "no clips in it" in capsys.readouterr().err
        with pytest.raises(ClipError, match="no such folder"):
            check_folder(tmp_path / "nowhere")

    def test_the_task(self, job: Path) -> None:
        make = check_task.maker("check", {"job": {"source": str(job)}})
        assert make({"clip": clips(job)[0].name}) == {"state": "checked", "faults": []}


class TestReplay:
    def test_other_cameras_and_labels_from_the_same_trajectory(
        self, job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "again"
        arguments = ["replay", str(job), "--out", str(out), "--add-camera", json.dumps(TOP), "--min-free", "0", "-q"]
        arguments += ["--labels", "depth,normals"]
        assert main(arguments) == 0
        seen = JobFolder(out).made()
        assert sorted(seen) == sorted(clip.name for clip in clips(job))
        for path in clips(job):
            old, new = Clip.open(path), Clip.open(out / seen[path.name].clip)
            assert [c.name for c in new.record.cameras] == ["front", "top"]
            assert set(new.arrays("top")) == {"rgb", "depth", "depth_expected", "normals"}
            assert np.array_equal(new.trajectory.poses, old.trajectory.poses)
            assert np.array_equal(new.frames("front").rgb, old.frames("front").rgb)
            origin = new.record.replayed_from
            assert origin is not None
            assert (origin.clip, origin.content_hash) == (path.name, old.content_hash)
            assert origin.trajectory == old.record.files["trajectory.npz"].digest
            assert (new.record.sampled, new.record.sample_index) == (old.record.sampled, old.record.sample_index)
            assert new.record.physics == old.record.physics
            assert old.record.replayed_from is None
        first = clips(job)[0].name
        assert main(["show", str(out / seen[first].clip)]) == 0
        said = capsys.readouterr().out
        assert f"replayed from {first}" in said
        for name, value in Clip.open(out / seen[first].clip).record.sampled.items():
            assert f"drawn {name} = {value}" in said
        assert main([*arguments, "--resume"]) == 0, "again: all are there, which need not be said"
        assert "the trajectories of 3 other clips" in dataset_report(out, 0)

    def test_another_renderer(self, job: Path, tmp_path: Path) -> None:
        first = clips(job)[0]
        assert main(["replay", str(first), "--out", str(tmp_path), "--renderer", "reference", "--min-free", "0"]) == 0
        (seen,) = JobFolder(tmp_path).made().values()
        old, new = Clip.open(first), Clip.open(tmp_path / seen.clip)
        assert [clip.record.cameras[0].renderer.backend for clip in (old, new)] == ["cpu", "reference"]
        pictures = [clip.frames("front").rgb.astype(int) for clip in (old, new)]
        assert np.abs(pictures[0] - pictures[1]).mean() < 2, "it draws the same"

    def test_clips_that_are_the_first_frames_of_their_scene(
        self, plug_in: None, tiny_file: Path, tmp_path: Path
    ) -> None:
        """What their scene tells of later on is no fault of theirs."""
        file, short = tmp_path / "tiny.yaml", tmp_path / "short"
        push = "name: ball, impulses: [{t_s: 0.1, impulse_n_s: [0, 0, 1]}],"
        file.write_text(tiny_file.read_text().replace("name: ball,", push))
        assert (
            main(["generate", str(file), "--count", "2", "--out", str(short), "--frames", "2", "--min-free", "0"]) == 0
        )
        assert (
            main(["replay", str(short), "--out", str(tmp_path / "again"), "--labels", "depth", "--min-free", "0"]) == 0
        )
        first = clips(short)[0]
        old, new = (
            Clip.open(first),
            Clip.open(tmp_path / "again" / JobFolder(tmp_path / "again").made()[first.name].clip),
        )
        assert new.frame_count == old.frame_count == 2
        assert np.array_equal(new.frames("front").rgb, old.frames("front").rgb)

    def test_physics_is_not_even_loaded(self, job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from simvid.jobs import job as jobs

        monkeypatch.setattr(jobs, "engine_of", lambda scene: 1 / 0)
        shared = {"source": str(job), "cameras": [TOP], "keep": ["none"], "overrides": [], "until": "rendering"}
        make = replay_task.maker("replay", {"job": shared, "out": str(tmp_path)})
        outcome = make({"name": "a", "clip": clips(job)[0].name})
        assert outcome["state"] == "made"
        assert [c.name for c in Clip.open(tmp_path / outcome["clip"]).record.cameras] == ["top"]

    def test_refinements_are_added_in_their_places(self, copy: Path) -> None:
        assert main(["replay", str(copy), "--refiner", "identity", "--quiet"]) == 0
        assert refine_all(copy, "identity", None) == {}
        assert check_folder(copy).sound
        gone = clips(copy)[0]
        (gone / "cameras/front/rgb.npz").unlink()
        assert list(refine_all(copy, "identity", None)) == [gone.name]

    def test_a_full_disk_ends_the_work(
        self, copy: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        mine = shutil.copy(root / "refiners/identity.yaml", tmp_path / "mine.yaml")
        assert main(["replay", str(copy), "--refiner", str(mine), "--min-free", "1e9"]) == JobError.exit_code
        assert capsys.readouterr().err.count("less than --min-free 1e+09 GB are free") == len(clips(copy))
        assert {r.name for clip in clips(copy) for r in Clip.open(clip).record.refined} <= {"identity"}

    def test_a_refiner_s_file_is_named_from_here(
        self, copy: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        shutil.copy(root / "refiners/identity.yaml", "mine.yaml")
        assert main(["replay", str(clips(copy)[0]), "--refiner", "mine.yaml", "--quiet"]) == 0
        assert [r.name for r in Clip.open(clips(copy)[0]).record.refined] == ["identity", "mine"]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [(("--refiner", "identiy"), "--refiner: expected a name on the shelf, got 'identiy'"),
         (("--look", "noir"), "its look is as_rendered; got 'noir'")],
    )  # fmt: skip
    def test_a_wrong_refiner_or_look_is_told_once(
        self, job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...], said: str,
    ) -> None:  # fmt: skip
        """Before any clip is begun."""
        monkeypatch.setattr("simvid.generating.replay.executor", lambda *_: 1 / 0)
        assert main(["replay", str(job), *arguments]) == SceneError.exit_code
        assert capsys.readouterr().err.count(said) == 1

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [((), "expected something to see"), (("--labels", "depth"), "--out: expected a folder for the new clips"),
         (("--add-camera", "[1]", "--out", "x"), "--add-camera: expected a mapping"),
         (("--camera", "side", "--out", "x"), "--camera: expected some of front, or none, got side"),
         (("--add-camera", "{name: top}", "--out", "x"), "cameras[1]")],
    )  # fmt: skip
    def test_wrong_arguments(
        self, job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...], said: str,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        assert main(["replay", str(job), *arguments]) == SceneError.exit_code
        assert said in capsys.readouterr().err
        assert not (tmp_path / "x").exists()

    def test_not_into_the_folder_of_the_clips(self, job: Path) -> None:
        with pytest.raises(SceneError, match="expected another folder than that of the clips"):
            replay(job, job, Passes(cameras=(TOP,)))

    def test_a_clip_rendered_again_says_so_too(self, job: Path, tmp_path: Path) -> None:
        clip = Clip.open(clips(job)[0])
        again = simvid.run(clip.scene, tmp_path, until="rendering", trajectory=clip)
        assert again.record.replayed_from is not None
        assert again.record.replayed_from.clip == clip.path.name


class TestReport:
    def test_all_is_told(self, copy: Path) -> None:
        gone = FailedRecord(name=number(7), why="died", reason="SIGSEGV & more", attempts=3, seed=99, sampled={"a": 1})
        JobFolder(copy).record(gone)
        bad = clips(copy)[1]
        record = json.loads((bad / "clip.json").read_text())
        record["checks"][0]["passed"] = False
        (bad / "clip.json").write_text(json.dumps(record))
        (clips(copy)[2] / "trajectory.npz").unlink()
        page = dataset_report(copy)
        for words in ("clips per hour and worker", "SIGSEGV &amp; more", "a = 1", ">99<", "trajectory.npz: missing",
                      "files_hold", "bodies.ball.shape.sphere.radius_m", "FAILED"):  # fmt: skip
            assert words in page, words
        assert page.count("<video") == 2
        assert "<script" not in page
        assert page.index(f"<figcaption>{bad.name}") < page.index(f"<figcaption>{clips(copy)[0].name}")
        assert dataset_report(copy, 1).count("<video") == 1

    def test_a_browser_plays_it(self, job: Path, tmp_path: Path) -> None:
        binary = installed()
        if binary is None:
            pytest.skip(HOW)
        page = tmp_path / "page.html"
        page.write_text(dataset_report(job), encoding="utf-8")
        with Browser(binary, tmp_path / "profile") as browser:
            browser.open(page.as_uri())
            browser.until("document.readyState == 'complete' && document.querySelectorAll('video').length == 3")
            browser.until("[...document.querySelectorAll('video')].every(v => v.readyState >= 1 && v.duration > 0)")
            video = "document.querySelector('video')"
            assert browser.evaluate(f"[{video}.videoWidth, {video}.videoHeight]") == [80, 30]
            browser.evaluate(f"{video}.scrollIntoView()")  # nothing plays that is not seen
            browser.until(f"{video}.currentTime > 0")
            seen = browser.screenshot()
            assert (seen != seen[:1, :1]).any(axis=-1).mean() > 0.01
            assert browser.logs == []

    def test_the_gates_verdicts_are_told(self, copy: Path) -> None:
        assert "simvid check CLIP --refined NAME" in dataset_report(copy, 0), "none is judged yet"
        limits = {"mismatch": {"most": 0.5}, "edge_f1": {"least": 0.8}}
        thing = {"instance_id": 2, "name": "ball", "frames": 9, "masks": False, "depth": True}
        for clip, mismatch in zip(clips(copy), (0.1, 1.25, None), strict=True):
            record = json.loads((clip / "clip.json").read_text())
            bad = mismatch == 1.25
            camera = {
                "camera": "front", "accepted": not bad, "measured": {"mismatch": mismatch, "edge_f1": 0.9},
                "limits": limits, "failed": ["mismatch"] if bad else [], "worst_frame": 0, "worst_px": [1, 2],
                "instances": [thing] if bad else [],
            }  # fmt: skip
            gate = {"accepted": not bad, "weights_sha256": "0", "cameras": [camera]}
            record["refined"][0]["gate"] = None if mismatch is None else gate
            (clip / "clip.json").write_text(json.dumps(record))
        page = dataset_report(copy, 0)
        cells = ("mismatch", "0.675", "1.25", "at most 0.5", "1"), ("edge_f1", "0.9", "0.9", "at least 0.8", "0")
        for row in (*cells, ("identity", "1", "1", "1")):
            assert "".join(f"<td{LEFT}>{cell}</td>" for cell in row) in page, row
        assert ">mismatch 1.25 (at most 0.5), masks of ball</td>" in page

    def test_clips_are_chosen_evenly(self, job: Path) -> None:
        opened = [Clip.open(path) for path in clips(job)]
        assert chosen(opened, 9) == opened
        assert chosen(opened * 4, 3) == [opened[0], opened[1], opened[2]]

    def test_charts_count_right(self, job: Path) -> None:
        drawn = drawn_values(Clip.open(path).record for path in clips(job))
        assert len(drawn["bodies.ball.velocity_m_s[0]"]) == 3
        text = chart("a.b", [float(k) / 7 for k in range(100)])
        assert text.count("<rect") == 20
        assert text.count(": 5<") == 20
        names = chart("a", ["x", "y", "x", "<"])
        assert ">2<" in names
        assert "&lt;" in names
        assert chart("n", [1.0, 2.0, 2.0, 5.0]).count("<rect") == 3
        record = Clip.open(clips(job)[0]).record.model_copy(
            update={"sampled": {"p": [{"q": 1}, {"q": 2}], "s": {"box": {"size_m": 0.1}}, "v": [1, 2.5]}}
        )
        assert drawn_values([record]) == {
            "p (count)": [2.0], "p[*]": ["q", "q"], "p[*].q": [1.0, 2.0], "s": ["box"], "s.box": ["size_m"],
            "s.box.size_m": [0.1], "v[0]": [1.0], "v[1]": [2.5]}  # fmt: skip

    def test_pauses_and_clocks_that_were_set_do_not_count(self) -> None:
        start = datetime(2026, 11, 28, 12, tzinfo=UTC)
        steady = [start + timedelta(seconds=20 * k) for k in range(4)]
        assert clips_per_hour(steady[::-1], [15.0] * 4) == 180
        later = [time + timedelta(days=365) for time in steady]
        assert clips_per_hour([*later, *steady], []) == 180
        assert clips_per_hour([start, start + timedelta(hours=1)], [900.0]) == 1, "clips that take long are no pause"
        assert clips_per_hour([start, start + timedelta(hours=1)], [9.0]) is None
        assert clips_per_hour([start], []) is None

    def test_the_command_and_a_folder_without_clips(
        self, job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "r.html"
        assert main(["report", str(job), "-o", str(path), "--clips", "2"]) == 0
        assert path.read_text().startswith("<!DOCTYPE html>")
        assert main(["report", str(tmp_path), "-o", str(path)]) == ClipError.exit_code
        assert "no clips in it" in capsys.readouterr().err
