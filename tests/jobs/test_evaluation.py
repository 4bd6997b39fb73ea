"""``simvid evaluate``: pairs refined in many ways, clips beside their references, tables and videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from simvid import cli
from simvid.clip import Clip
from simvid.clips.video import probe, read_video
from simvid.commands.evaluate import _names
from simvid.errors import ClipError
from simvid.evaluating.table import Evaluation, evaluate
from simvid.frames import SURFACES
from simvid.jobs.evaluation.beside import beside, markdown_beside
from simvid.jobs.evaluation.cases import pair_cases
from simvid.jobs.evaluation.files import Report, side_by_side
from simvid.jobs.evaluation.judge import judge
from simvid.jobs.evaluation.measuring import Cost, forget_peak, peak_memory
from simvid.jobs.evaluation.variants import Ready, Variant, ablations
from simvid.refining.base import LitRefiner
from simvid.refining.conditions import reading
from simvid.refining.pair_sets import open_pairs
from simvid.refining.pairs import PairClip, write_pair
from simvid.testing.refiners import tiny_entry
from simvid.testing.refining import sample_frames


@pytest.fixture(autouse=True)
def _no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The perceptual figures are left out, which is quick."""
    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three held-out clips of two families, and one for training. The truth is the coarse picture, brighter."""
    folder = tmp_path_factory.mktemp("pairs")
    for k in range(4):
        frames = sample_frames(4)
        labels = {name: np.stack([getattr(f, name) for f in frames]) for name in frames[0].labels}
        labels |= {
            name: np.full((4, 32, 48, 3), 0.25, np.float16) for name in ("albedo", "light_diffuse", *SURFACES[:2])
        }
        coarse = np.stack([f.rgb for f in frames])
        target = np.minimum(coarse.astype(int) + 5 * (k + 1), 255).astype(np.uint8)
        write_pair(folder / f"clip{k}", coarse, target, labels, name=f"clip{k}", fps=12.0, look="sunset",
                   family=("balls", "balls", "arms", "seen")[k], split="train" if k == 3 else "held_out",
                   light=(1.0, *[0.1] * 10))  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights, also in its last layer, so that it changes pictures."""
    return tiny_entry(tmp_path_factory.mktemp("weights"))


def test_a_pair_gives_the_frames_it_was_made_of(data: Path) -> None:
    clip = PairClip(data / "clip0")
    for mine, made in zip(clip.frames(), sample_frames(4), strict=True):
        assert np.array_equal(mine.rgb, made.rgb)
        assert mine.labels.keys() == {"depth", "normals", "flow_backward", "occluded_backward", "ids", "albedo",
                                      "light_diffuse", *SURFACES[:2]}  # fmt: skip
        for name in ("ids", "flow_backward", "occluded_backward"):
            assert np.array_equal(mine.labels[name], made.labels[name]), name
        assert np.allclose(mine.labels["depth"], made.labels["depth"], rtol=1e-3)
        assert np.allclose(mine.labels["normals"], made.labels["normals"], atol=1 / 127)
        assert np.allclose(mine.labels["light_diffuse"].astype(float), 0.25, atol=0.02)
    assert {frame.labels.keys() <= {"depth"} for frame in clip.frames(("depth",))} == {True}


def test_the_means_are_those_of_the_clips(data: Path, entry: Path) -> None:
    cases = pair_cases(data, "held_out")
    assert [case.name for case in cases] == ["clip0", "clip1", "clip2"]
    kept: dict[tuple[str, str], Any] = {}
    rows = judge(cases, [Variant("tiny", str(entry))], keep=lambda c, name, v: kept.update({(c.name, name): v}))
    assert [row.name for row in rows] == ["coarse", "tiny", "true"]
    for case in cases:
        motion = case.motion()
        assert motion is not None
        expected = evaluate(kept[case.name, "tiny"], case.true(), motion, fps=12.0)
        assert rows[1].clips[case.name] == expected
        assert rows[0].clips[case.name].figures["psnr_db"] == evaluate(case.coarse(), case.true()).figures["psnr_db"]
    for name, value in rows[1].mean.figures.items():
        assert value == pytest.approx(np.mean([rows[1].clips[c.name].figures[name] for c in cases])), name
    assert not np.array_equal(kept["clip0", "tiny"], cases[0].coarse())
    error = rows[2].clips["clip0"].figures["flow_warp_error"]
    assert rows[1].clips["clip0"].figures["flow_warp_ratio"] == pytest.approx(
        rows[1].clips["clip0"].figures["flow_warp_error"] / error
    )
    assert rows[1].cost["seconds_per_frame"]
    assert rows[1].refiner is not None
    assert rows[1].refiner.settings["steps"] == 1


def test_beside_tells_differences_and_shares_and_nothing_else() -> None:
    base = Evaluation({"psnr_db": 30.0, "flip": 0.1, "kid_like": -1.0, "flow_warp_error": 0.0, "lpips_like": 2.0})
    mean = Evaluation({"psnr_db": 31.5, "flip": 0.05, "kid_like": 3.0, "flow_warp_error": 0.1, "ssim": 0.9})
    assert beside(mean, base) == {"psnr_db": 1.5, "flip": 0.5}
    assert beside(Evaluation({"psnr_db": np.inf}), base) == {}
    table = markdown_beside({"a": beside(mean, base), "b": {}})
    assert table == "| video | PSNR [dB] | FLIP |\n|---|---|---|\n| a | +1.50 | 0.500 |\n| b | - | - |\n"


def test_the_network_stands_beside_the_paths_that_it_begins_from(data: Path, entry: Path, tmp_path: Path) -> None:
    """And the next refiner beside both and beside the first one."""
    for clip in open_pairs(data, "held_out"):
        pictures = {"traced": clip.pictures("coarse") + 2, **clip.labels()}
        write_pair(tmp_path / clip.record.name, clip.pictures("coarse"), clip.pictures("target"), pictures, fps=12.0,
                   name=clip.record.name, family="balls", split="held_out")  # fmt: skip
    reader = Variant("reader", str(tiny_entry(tmp_path / "weights", **reading(traced=True))))
    cases, other = pair_cases(tmp_path, "held_out"), Variant("other", str(entry))
    rows = judge(cases, [reader, other])
    assert [row.name for row in rows] == ["coarse", "few paths", "reader", "other", "true"]
    assert (
        rows[1].clips["clip0"].figures
        == evaluate(cases[0].coarse() + 2, cases[0].true(), cases[0].motion(), None, 12.0).figures
    )
    found = Report({}, rows, {case.name: case.group for case in cases}).json()["beside"]
    assert {base: list(gains) for base, gains in found.items()} == {
        "coarse": ["few paths", "reader", "other"], "few paths": ["reader", "other"], "reader": ["other"],
    }  # fmt: skip
    assert [row.name for row in judge(cases, [other])] == ["coarse", "other", "true"]
    mixed = [*cases, *pair_cases(data, "held_out")]
    with pytest.raises(ClipError, match=r"^reader: begins from traced pictures, which 3 of 6 clips lack \(clip0\); "):
        judge(mixed, [other, reader])


def test_few_of_many_are_spread_evenly(data: Path) -> None:
    assert [case.name for case in pair_cases(data, "held_out", 2)] == ["clip0", "clip1"]
    assert [case.name for case in pair_cases(data, "held_out", 9)] == ["clip0", "clip1", "clip2"]
    assert [case.name for case in pair_cases(data, "train")] == ["clip3"]


def test_ablations_do_what_they_say(data: Path, entry: Path) -> None:
    variants = {v.name.partition(", ")[2]: v for v in ablations(str(entry), "tiny")}
    assert list(variants) == [
        "without depth", "without normals", "without motion", "without light buffers", "without albedo and materials",
        "without surfaces", "coarse picture alone", "without the light's numbers", "without history", "frame by frame",
        "steps 2", "steps 4", "strength 0.5", "strength 0.75",
    ]  # fmt: skip
    case = pair_cases(data, "held_out")[0]
    whole = np.stack(list(Ready(Variant("tiny", str(entry))).refine(case, seed=3)))
    videos = {name: np.stack(list(Ready(v).refine(case, seed=3))) for name, v in variants.items()}
    for name, video in videos.items():
        assert video.shape == whole.shape
        assert not np.array_equal(video, whole), name
    assert Ready(variants["steps 2"]).use.settings()["steps"] == 2
    assert Ready(variants["without history"]).use.settings()["history"] is False
    frames = list(case.frames(("depth",)) if case.frames else ())
    plain = Ready(Variant("tiny", str(entry))).use
    assert isinstance(plain, LitRefiner)
    first = plain.in_light(case.light)
    alone = np.stack([next(first.refine(iter([f]), look="as_rendered", seed=4 + k)) for k, f in enumerate(_all(case))])
    assert np.array_equal(videos["frame by frame"], alone)
    assert frames[0].normals is None
    assert [v.name for v in ablations("identity", "identity")] == ["identity, frame by frame"], "it reads nothing"


def test_the_traced_picture_is_hidden_from_weights_that_read_it(tmp_path: Path) -> None:
    path = tiny_entry(tmp_path, **reading(traced=True))
    coarse = np.stack([f.rgb for f in sample_frames(2)])
    for name, labels in (("with", {"traced": 255 - coarse}), ("without", {})):
        write_pair(tmp_path / "data" / name, coarse, coarse, labels, name=name, family="f", fps=12.0)
    there, gone = pair_cases(tmp_path / "data", "train")
    whole = Variant("tiny", str(path))
    (hidden,) = (v for v in ablations(str(path), "tiny") if v.name == "tiny, without the traced picture")
    videos = [np.stack(list(Ready(v).refine(c, seed=3))) for v, c in ((whole, there), (hidden, there), (whole, gone))]
    assert np.array_equal(videos[1], videos[2])
    assert not np.array_equal(videos[1], videos[0])


def _all(case: Any) -> Any:
    return case.frames(
        ("depth", "normals", "flow_backward", "occluded_backward", "albedo", "light_diffuse", *SURFACES[:2])
    )


def test_the_command_writes_tables_and_videos(
    data: Path, entry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    given = ["evaluate", "--data", str(data), "--refiner", str(entry), "--refiner", "identity", "--out", str(out),
             "--videos", "2"]  # fmt: skip
    assert cli.main(given) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("| video | PSNR [dB] ↑ |")
    assert "- jod: needs the package cvvdp" in shown.out
    found = json.loads((out / "evaluation.json").read_text())
    assert list(found["mean"]) == ["coarse", "tiny", "identity", "true"]
    assert found["mean"]["coarse"]["figures"] == found["mean"]["identity"]["figures"]
    assert set(found["families"]) == {"arms", "balls"}
    balls = [found["per_clip"][name]["tiny"]["figures"]["ssim"] for name in ("clip0", "clip1")]
    assert found["families"]["balls"]["tiny"]["figures"]["ssim"] == pytest.approx(np.mean(balls))
    assert found["clips"] == ["clip0", "clip1", "clip2"]
    assert (found["split"], found["frames"], found["sizes_px"]) == ("held_out", 12, ["48 x 32"])
    assert found["refiners"]["tiny"]["settings"]["weights"].startswith("sha256:")
    assert found["refiners"]["tiny"]["cost"]["peak_memory_mib"] > 50
    coarse, tiny = (found["mean"][name]["figures"] for name in ("coarse", "tiny"))
    assert list(found["beside"]) == ["coarse", "tiny"]
    assert found["beside"]["coarse"]["tiny"]["psnr_db"] == pytest.approx(tiny["psnr_db"] - coarse["psnr_db"])
    assert found["beside"]["tiny"] == {"identity": pytest.approx(
        {"psnr_db": coarse["psnr_db"] - tiny["psnr_db"]} | {
            name: coarse[name] / tiny[name] for name in ("flip", "laplacian_swd", "flow_warp_error")}
    )}  # fmt: skip
    assert found["beside"]["coarse"]["identity"]["psnr_db"] == 0
    text = (out / "evaluation.md").read_text()
    for heading in ("## Mean", "## Beside coarse", "## Beside tiny", "## Cost", "## balls", "### clip2"):
        assert heading in text
    assert text.count("Left out:") == 1
    assert sorted(p.name for p in (out / "videos").iterdir()) == ["clip0.mp4", "clip0.png", "clip1.mp4", "clip1.png"]
    assert probe(out / "videos" / "clip0.mp4").frames == 4
    with Image.open(out / "videos" / "clip0.png") as stills:
        sheet = np.asarray(stills)
    columns = [sheet[20:180, k * 244 : k * 244 + 240] for k in range(4)]
    clip = PairClip(data / "clip0")
    for column, wanted in ((columns[0], "coarse"), (columns[2], "coarse"), (columns[3], "target")):
        assert np.array_equal(column[::5, ::5], clip.pictures(wanted)[0])  # type: ignore[arg-type]
    assert not np.array_equal(columns[1], columns[0])
    decoded = next(iter(read_video(out / "videos" / "clip0.mp4"))).astype(int)
    assert np.abs(decoded[20:180, 732:972][::5, ::5] - clip.pictures("target")[0]).mean() < 8

    assert cli.main([*given[:3], "--refiner", "identity", "--out", str(out), "--videos", "0", "--json", "-q"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert list(again["mean"]) == ["coarse", "identity", "true"]
    assert not (out / "videos").exists(), "the earlier evaluation was replaced"


def test_a_refiner_with_the_name_of_a_row_has_one_of_its_own() -> None:
    assert _names(["mine/true.yaml", "few paths.yaml", "other.yaml"]) == {
        "true (refined)": "mine/true.yaml", "few paths (refined)": "few paths.yaml", "other": "other.yaml",
    }  # fmt: skip
    assert list(_names(["a/coarse.yaml", "b/coarse.yaml"])) == ["coarse (1)", "coarse (2)"]


def test_the_command_ablates(data: Path, entry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["evaluate", "--data", str(data), "--refiner", str(entry), "--out", str(tmp_path / "found"), "--ablate",
             "--count", "1", "--videos", "0", "--json", "--quiet"]  # fmt: skip
    assert cli.main(given) == 0
    found = json.loads(capsys.readouterr().out)
    means = found["mean"]
    assert len(means) == 3 + 14
    assert "not networks trained without it" in found["ablations"]
    assert len(found["beside"]["tiny"]) == 14
    assert means["tiny, without light buffers"]["figures"]["psnr_db"] != means["tiny"]["figures"]["psnr_db"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "expected a clip with --refined NAME, or --refiner ENTRY"),
        (["CLIP"], "expected --refined NAME, of the refinements that the clip has"),
        (["CLIP", "--refiner", "identity"], "simvid refine CLIP --refiner ENTRY"),
        (["CLIP", "--refined", "identity", "--ablate"], "--ablate is of training pairs"),
        (["CLIP", "--refined", "nope"], "no refinement 'nope'; there are"),
        (["--refiner", "identity", "--refined", "x"], "--refined is of a clip"),
        (["--refiner", "identity", "--reference", "x"], "--reference is of a clip"),
        (["CLIP", "--refined", "identity", "--data", "x"], "--data is of training pairs"),
        (["CLIP", "--refined", "identity", "--count", "2"], "--count is of training pairs"),
        (["--refiner", "no_such", "--data", "DATA"], "expected a name on the shelf, got 'no_such'"),
        (["--refiner", "identity", "--data", "nowhere"], "nowhere: no such folder; simvid pairs --out nowhere"),
        (["--refiner", "identity", "--data", "nowhere"], "makes them; without --data the sample that comes along"),
        (["--refiner", "identity", "--split", "train"], "holds no pairs of the split 'train'; name other pairs"),
        (["--refiner", "identity", "--data", "DATA", "--videos", "-1"], "expected a whole number from 0 on"),
        (["--refiner", "identity", "--data", "DATA", "--out", "DATA"], "is there and is no evaluation"),
    ],
)
def test_wrong_arguments_are_answered(
    given: list[str], said: str, data: Path, flying_clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"CLIP": str(flying_clip.path), "DATA": str(data)}
    arguments = ["evaluate", *(names.get(word, word) for word in given)]
    if "--out" not in given:
        arguments += ["--out", str(tmp_path / "found")]
    try:
        code = cli.main(arguments)
    except SystemExit as error:
        code = int(error.code or 0)
    assert code != 0
    assert said in capsys.readouterr().err
    assert (data / "clip0" / "pair.json").is_file()


@pytest.mark.parametrize(
    ("out", "said"), [(".", "is there and is no evaluation"), ("clip0/pair.json/found", "cannot be written (Not a dir")]
)
def test_the_place_of_the_report_is_looked_at_before_work(
    out: str, said: str, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def judged(*_: Any, **__: Any) -> Any:
        raise AssertionError("hours of work")

    monkeypatch.setattr("simvid.commands.evaluate.judge", judged)
    assert cli.main(["evaluate", "--data", str(data), "--refiner", "identity", "--out", str(data / out)]) == 6
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in data.iterdir()) == [f"clip{k}" for k in range(4)]


def test_costs_are_measured() -> None:
    cost = Cost()
    big: list[Any] = []

    def pictures() -> Any:
        for _ in range(3):
            big.append(np.ones(120 << 20, np.uint8))
            yield np.zeros((2, 2, 3), np.uint8)
        big.clear()

    forget_peak()
    before = peak_memory()
    assert cost.take(pictures()).shape == (3, 2, 2, 3)
    assert cost.peak_bytes > before + (200 << 20)
    assert (len(cost.first_s), len(cost.frame_s), cost.frames) == (1, 2, 3)
    found = cost.json()
    assert found["cpu_seconds_per_frame"] is not None
    assert found["cpu_seconds_per_frame"] >= 0
    assert Cost().json()["seconds_per_frame"] is None


def test_side_by_side() -> None:
    red, blue = (np.broadcast_to(np.array(c, np.uint8), (10, 20, 3)) for c in ([255, 0, 0], [0, 0, 255]))
    sheet = side_by_side({"a heading that is far too long for so small a picture": red, "b": blue})
    assert sheet.shape == (20 + 120, 240 + 4 + 240, 3)
    assert (sheet[20:, :240] == red[0, 0]).all()
    assert (sheet[20:, 244:] == blue[0, 0]).all()
    assert (sheet[:20, 239:244] == sheet[0, 0]).all(), "the heading ends where the picture does"
