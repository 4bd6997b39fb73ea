"""Training and calibration of the gate run on a folder of pairs, go on where they were stopped, and count rightly."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from simvid.calibrating import compare_training, gate_limits, probe_figures, probe_training
from simvid.calibrating.gate_cases import cases, is_seen_through, lit, stuff_of, subject
from simvid.calibrating.gate_limits import Rates, beyond, clip_limits, instance_limits, read_rows
from simvid.calibrating.pair_frames import is_fine, pair_frames, spread
from simvid.calibrating.probe_samples import Sample, mirrored, pasted
from simvid.checking.gate.limits import read_limits
from simvid.checking.probe.files import load_net, load_nets
from simvid.checking.probe.net import outline_of
from simvid.errors import ClipError, SimvidError
from simvid.refining.pairs import PairRecord, write_pair
from simvid.testing.violations import VIOLATIONS

SIZE, FRAMES = 160, 16


def make_pair(folder: Path, name: str, split: str, seed: int) -> None:
    """A box that slides by two pixels per frame, and a disc at rest, on textured ground."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:SIZE, :SIZE]
    ids = np.ones((FRAMES, SIZE, SIZE), np.int32)
    flow = np.zeros((FRAMES, SIZE, SIZE, 2), np.float32)
    for t in range(FRAMES):
        box = (abs(v - 60) < 14) & (abs(u - 40 - 2 * t) < 14)
        ids[t][(v - 110) ** 2 + (u - 110) ** 2 < 400] = 3
        ids[t][box] = 2
        flow[t][box, 0] = -2
    colours = rng.integers(40, 220, (4, 3))
    ground = rng.normal(0, 12, (SIZE, SIZE, 1))
    coarse = np.clip(colours[ids] + ground, 0, 255).astype(np.uint8)
    depth = np.where(ids == 1, 2.0, 1.5).astype(np.float32)
    normals = np.tile(np.array([0, 0, -1], np.float32), (FRAMES, SIZE, SIZE, 1))
    hidden = np.zeros(ids.shape, np.bool_)
    hidden[0] = True
    labels = {"depth": depth, "normals": normals, "ids": ids, "flow_backward": flow, "occluded_backward": hidden}
    target = np.clip(coarse * 1.1 + 4, 0, 255).astype(np.uint8)
    write_pair(folder / name, coarse, target, labels, name=name, split=split, family="drop" if split == "train" else
               "odd_toss", fps=24.0)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    make_pair(folder, "a", "train", 0)
    make_pair(folder, "b", "train", 1)
    for k in range(4):
        make_pair(folder, f"c{k}", "held_out", 2 + k)
    torch.set_num_threads(1)
    return folder


def test_pairs_of_a_split(data: Path) -> None:
    assert [p.record.name for p in pair_frames(data, "train")] == ["a", "b"]
    (pair,) = spread(pair_frames(data, "held_out"), 1)
    assert pair.decoded("ids").dtype == np.int32
    np.testing.assert_allclose(np.unique(pair.decoded("depth", 3)), [1.5, 2.0], rtol=1e-3)
    np.testing.assert_allclose(pair.decoded("normals", 0)[0, 0], [0, 0, -1], atol=0.005)


def test_some_frames_of_short_clips_too() -> None:
    assert [*range(16)][compare_training.some_frames(16, 3)] == [5, 12]
    for k in range(5):
        assert len(range(4)[compare_training.some_frames(4, k)]) >= 3


def test_samples_keep_pictures_and_labels_together() -> None:
    ids = np.ones((128, 128), np.int32)
    ids[50:60, 20:30] = 2
    normals = np.zeros((128, 128, 3), np.float32)
    normals[..., 0] = 1
    rgb = np.repeat((ids == 2)[..., None], 3, axis=-1).astype(np.float32)
    sample = Sample(rgb, np.where(ids == 2, 1, 2).astype(np.float32), normals, ids)
    turned = mirrored(sample)
    assert (turned.ids[50:60, 98:108] == 2).all()
    assert (turned.normals[..., 0] == -1).all()
    bare = Sample(0 * rgb, np.full_like(sample.depth, 3), normals, np.ones_like(ids))
    made = pasted(bare, sample, np.random.default_rng(0))
    new = made.ids == 2
    assert 0 < new.sum() <= 100
    assert (made.rgb[new] == 1).all()
    assert (made.rgb[~new] == 0).all()
    assert (made.depth[new] < 3).all(), "in front of what is there"


def test_the_probe_learns_and_goes_on(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_training, "SAVE_EVERY", 2)
    monkeypatch.setattr(probe_training, "BATCH", 2)
    whole = probe_training.train(data, tmp_path / "whole", 4, seed=3)
    assert set(whole.losses) == set(probe_training.WEIGHTS)
    stop = tmp_path / "parts" / "checkpoints" / "00000004"
    probe_training.train(data, tmp_path / "parts", 4, seed=3)
    for name in ("weights.safetensors", "training.json"):
        (tmp_path / "parts" / name).unlink()
    for path in stop.iterdir():
        path.unlink()
    stop.rmdir()  # as if it had been killed after step 2
    probe_training.train(data, tmp_path / "parts", 4, seed=3)
    one, two = (load_net("probe", tmp_path / name / "weights.safetensors").state_dict() for name in ("whole", "parts"))
    for name, t in one.items():
        torch.testing.assert_close(t, two[name], rtol=1e-2, atol=1e-3)


def test_no_pairs_no_training(tmp_path: Path) -> None:
    with pytest.raises(SimvidError, match="expected training pairs"):
        probe_training.train(tmp_path, tmp_path / "run", 2)


def test_figures_of_a_probe_that_is_right_or_off(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = pair_frames(data, "held_out")[0]
    depth, ids = pair.decoded("depth", FRAMES // 2), pair.decoded("ids", FRAMES // 2)
    outline = outline_of(torch.tensor(ids)[None])[0].numpy()

    def seeing(scale: float, turned_deg: float, outline: Any) -> None:
        normal = torch.tensor([0.0, np.sin(np.radians(turned_deg)), -np.cos(np.radians(turned_deg))]) * 3
        outputs = torch.cat([torch.zeros(1, 1, SIZE, SIZE), normal.reshape(1, 3, 1, 1).expand(1, 3, SIZE, SIZE)], 1)
        seen = SimpleNamespace(
            log_depth=scale * np.log(depth) + 5, outline=outline, reading=SimpleNamespace(outputs=outputs)
        )
        monkeypatch.setattr(probe_figures, "see", lambda net, rgb: seen)

    seeing(1.0, 0.0, outline)
    assert probe_figures.figures(None, pair, "target") == pytest.approx((0, 0, 1), abs=1e-5)
    seeing(2.0, 30.0, np.roll(outline, 3, axis=1))
    error, angle, f1 = probe_figures.figures(None, pair, "target")
    assert error == pytest.approx(np.log(depth).std(), rel=1e-4)
    assert angle == pytest.approx(30, abs=0.5), "labels are rounded to bytes"
    assert f1 < 0.75


def test_no_pairs_no_figures(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="expected held-out pairs"):
        probe_figures.main(["--data", str(tmp_path)])


def test_cases_of_a_pair(data: Path) -> None:
    one = subject(pair_frames(data, "held_out")[0], slice(3, 13))
    made = {case.name: case for case in cases(one, 0)}
    assert stuff_of(one.instances) == (1,)
    assert [name for name, case in made.items() if case.bad] == [n for n in VIOLATIONS if not n.startswith("robot ")]
    assert all(case.changed is not None and case.changed.any() for case in made.values() if case.bad)
    again = {case.name: case for case in cases(one, 0)}
    assert all((made[name].video == again[name].video).all() for name in made)
    bright = lit(np.full((1, 2, 2, 3), 100, np.uint8), np.array([2.0, 1, 1]), 1.0)
    assert tuple(bright[0, 0, 0]) == (round(100 * 2 ** (1 / 2.2)), 100, 100)


def test_scoring_goes_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_limits, "FRAMES", slice(3, 9))
    run, out = tmp_path / "c.safetensors", tmp_path / "m.jsonl"
    probe_training.train(data, tmp_path / "p", 1)
    weights = str(tmp_path / "p" / "weights.safetensors")
    compare_training.main(["--data", str(data), "--probe", weights, "--out", str(run), "--steps", "2"])
    assert load_nets(run).compare is not None
    some = ["score", "--data", str(data), "--weights", str(run), "--out", str(out), "--refiner", "identity"]
    gate_limits.main([*some, "--share", "0", "4"])
    first = out.read_text()
    out.write_text(first[: len(first) // 2])  # as if it had been killed
    gate_limits.main([*some, "--share", "0", "4"])
    rows = read_rows(out)
    with pytest.raises(SimvidError, match="choose another --out"):
        gate_limits.main([*some, "--seed", "1"])
    names = [row["case"] for row in rows]
    assert len(names) == len(set(names)) == len(first.splitlines())
    assert names[-1] == "whole"
    for name in ("coarse", "refined"):  # by the refiner that changes nothing
        sound = next(row for row in rows if row["case"] == name)
        assert not sound["bad"]
        assert sound["measures"]["edge_f1"] == 1
        assert sound["measures"]["moves_on"] == pytest.approx(1)
    capsys.readouterr()


def made_rows(count: int = 20) -> list[dict[str, Any]]:
    """Good videos of rising mismatch 0 to count - 1, and bad ones beyond all of them."""
    fine = {"instance_mismatch": 0.0, "contact_mismatch": 0.0, "robot_hue": 0.0, "warp_ratio": 1.0, "warp_jump": 1.0,
            "flicker": 0.0, "own_time": 1.0, "moves_on": 1.0, "edge_f1": 1.0, "blur_ssim": 1.0,
            "depth_error_gain": 0.0, "mask_iou_loss": 0.0, "hue_drift": 0.0}  # fmt: skip
    thing = {"changed": 0.0, "mismatch": 0.0, "depth_gap": 0.0, "iou_loss": 0.0}
    of = {"weights_sha256": hashlib.sha256(b"weights").hexdigest()}
    rows = []
    for k in range(count):
        rows.append({"of": of, "pair": f"p{k:02}", "family": "f", "case": "good", "bad": False,
                     "measures": {**fine, "mismatch": float(k)}, "instances": {"2": thing}})  # fmt: skip
        rows.append({"of": of, "pair": f"p{k:02}", "family": "f", "case": "object moved", "bad": True,
                     "measures": {**fine, "mismatch": 100.0},
                     "instances": {"2": {**thing, "changed": 1.0, "mismatch": 5.0}}})  # fmt: skip
    return rows


def test_limits_and_rates() -> None:
    rows = made_rows()
    limits = clip_limits(rows)
    assert not any(beyond(row, limits) for row in rows if not row["bad"])
    assert limits["mismatch"].most == pytest.approx(0.98 * 19 + 0.5, abs=1e-4), "beyond all but 2 %"
    assert limits["edge_f1"].least == pytest.approx(1 - 1.2 * 0.7), "at least so far"
    assert instance_limits(rows)["mismatch"].most == 0
    rows[38]["measures"]["mismatch"] = 30.0
    rates = Rates.of(rows)
    assert all(rates.rejected["object moved"])
    assert sum(rates.rejected["good"]) == 1, "it is beyond the limits of the others"
    assert all(rates.instances[True])
    assert not any(rates.instances[False])
    assert "| object moved | rejected | 20 | 100.0 % |" in gate_limits.table(rates)


def test_pairs_with_glass_are_known() -> None:
    def record(number: int) -> Any:
        return PairRecord.model_construct(family="odd_toss", width=64, seeds={"set": 1, "number": number, "attempt": 0})

    assert [is_seen_through(record(n)) for n in (2, 3)] == [False, True]
    assert not is_seen_through(PairRecord.model_construct(family="odd_toss", width=64, seeds={}))


def test_pairs_without_shadows_are_not_fine() -> None:
    fine = PairRecord.model_construct(coarseness={"detail_px": 1.1, "blur_px": 0.0, "shadows": 1.0})
    assert is_fine(fine)
    for worse in ({"shadows": 0.0}, {"detail_px": 3.0}, {"blur_px": 0.8}):
        assert not is_fine(PairRecord.model_construct(coarseness={**fine.coarseness, **worse}))


def test_the_table_goes_into_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made_rows()))
    (tmp_path / "w").write_bytes(b"weights")
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- fit -->\nold\n<!-- /fit -->\n<!-- check --><!-- /check -->\nafter\n")
    gate_limits.main(["fit", "--measures", str(tmp_path / "m.jsonl"), "--weights", str(tmp_path / "w"), "--out",
                      str(tmp_path), "--docs", str(page)])  # fmt: skip
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| good | accepted |" in text
    assert json.loads((tmp_path / "limits.json").read_text())["provenance"]["pairs"] == 20
    rows = made_rows()
    rows[36]["measures"]["mismatch"] = rows[38]["measures"]["mismatch"] = 30.0
    (tmp_path / "later.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    check = ["check", "--measures", str(tmp_path / "later.jsonl"), "--weights", str(tmp_path / "w"), "--out",
             str(tmp_path), "--docs", str(page)]  # fmt: skip
    with pytest.raises(SimvidError, match="belong to other weights"):
        gate_limits.main(check)
    (tmp_path / "other").write_bytes(b"trained again")
    with pytest.raises(SimvidError, match="its measures are not of"):
        gate_limits.main(["fit", *check[1:3], "--weights", str(tmp_path / "other"), "--out", str(tmp_path)])
    monkeypatch.setattr(gate_limits, "shipped_limits", lambda: read_limits(tmp_path / "limits.json"))
    gate_limits.main(check)
    one, other = (part.split("-->")[-1] for part in page.read_text().split("<!-- /")[:2])
    assert "| good | accepted | 20 | 5.0 % | `mismatch` 1 |" in one, "the worst is beyond the limits of the others"
    assert "| good | accepted | 20 | 10.0 % | `mismatch` 2 |" in other, "by limits that know nothing of them"
    capsys.readouterr()
