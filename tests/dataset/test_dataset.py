"""simvid.dataset: pairs, clips and mapped arrays in windows; splits without leakage; masks, weights, the card."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simvid import dataset
from simvid.cli import main
from simvid.clip import Clip
from simvid.clips.arrays import ArrayWriter
from simvid.clips.records import AssetRecord
from simvid.dataset import sources
from simvid.dataset.card import CARD_FILE, PAGE_FILE, card, page, write_card
from simvid.dataset.sources import ClipSource, MappedSource, Source
from simvid.errors import ClipError
from simvid.export.base import Episode, NoSettings, Request, View
from simvid.export.job import Choice, export
from simvid.export.npy import Npy
from simvid.refining.pairs import write_pair
from simvid.testing.exporting import ExporterContract

T, H, W = 6, 8, 12


class TestNpy(ExporterContract):
    kind = Npy


def test_a_full_disk_is_an_error_and_leaves_nothing(exported_clip: Clip, tmp_path: Path) -> None:
    whole, disk = tmp_path / "whole", tmp_path / "disk"
    export([exported_clip.path], "npy", whole)
    most = sum(p.stat().st_size for p in whole.rglob("*.npy")) // 2
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={most}", "simvid", disk], check=False).returncode:
        pytest.skip("only root may mount a disk")
    try:
        again = f"from simvid.export.job import export; export([{str(exported_clip.path)!r}], 'npy', 'mapped')"
        ended = subprocess.run([sys.executable, "-c", again], cwd=disk, capture_output=True, text=True, check=False)
        assert "the disk is full; nothing was left half-written" in ended.stderr, ended.returncode
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def pair(
    folder: Path, name: str, family: str, split: str = "train", seed: int = 0, frames: int = T, **more: str
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    arrays: dict[str, Any] = {
        "coarse": rng.integers(0, 256, (frames, H, W, 3), dtype=np.uint8),
        "target": rng.integers(0, 256, (frames, H, W, 3), dtype=np.uint8),
    }
    depth = rng.uniform(1, 3, (frames, H, W)).astype(np.float32)
    depth[:, 0] = np.inf
    flow = rng.normal(0, 2, (frames, H, W, 2)).astype(np.float32)
    labels = {"depth": depth, "flow_backward": flow, "occluded_backward": np.zeros((frames, H, W), np.bool_)}
    labels["albedo"] = rng.random((frames, H, W, 3)).astype(np.float32)
    write_pair(
        folder / name, arrays["coarse"], arrays["target"], labels, name=name, family=family, split=split, fps=24.0,
        **more,
    )  # fmt: skip
    return {**arrays, **labels}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Three pairs of a family, one of another, one of a family that is held out."""
    place = tmp_path_factory.mktemp("pairs")
    names = [("a0", "drop"), ("a1", "drop"), ("a2", "drop"), ("b0", "ramp")]
    made = {name: pair(place, name, family, seed=k) for k, (name, family) in enumerate(names)}
    made["c0"] = pair(place, "c0", "bowl", "held_out", 9)
    return place, made


def test_windows_hold_every_value(folder: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    place, made = folder
    data = dataset.open(place)
    seen = 0
    for sample in data.stream(2):
        span, true = slice(sample.first, sample.first + 2), made[sample.name]
        assert (sample.arrays["coarse"] == true["coarse"][span]).all()
        assert (sample.arrays["target"] == true["target"][span]).all()
        depth, wanted = sample.arrays["depth"], true["depth"][span]
        assert (np.isinf(depth) == np.isinf(wanted)).all()
        known = np.isfinite(wanted)
        assert np.abs(depth[known] / wanted[known] - 1).max() < 1e-3  # half floats
        assert np.abs(sample.arrays["flow_backward"] - true["flow_backward"][span]).max() < 0.005
        assert np.abs(sample.arrays["albedo"] - true["albedo"][span]).max() < 1 / 250
        assert (sample.arrays["mask"] == known).all()
        assert sample.target == "path-traced"
        seen += 1
    assert seen == 5 * 3


def test_as_stored_is_what_is_on_disk(folder: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    place, _ = folder
    for sample in dataset.open(place).stream(3, decode=False):
        for name, values in sample.arrays.items():
            if name != "mask":
                stored = np.load(place / sample.name / f"{name}.npy")[sample.first : sample.first + 3]
                assert values.dtype == stored.dtype
                assert np.array_equal(values, stored, equal_nan=stored.dtype.kind == "f")


def test_order_is_drawn_and_whole(folder: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    data = dataset.open(folder[0])
    plain = [(s.name, s.first) for s in data.stream(2, arrays=("coarse",))]
    drawn = [(s.name, s.first) for s in data.stream(2, arrays=("coarse",), shuffle=3)]
    assert drawn == [(s.name, s.first) for s in data.stream(2, arrays=("coarse",), shuffle=3)]
    assert drawn != plain == [(n, t) for n in ("a0", "a1", "a2", "b0", "c0") for t in (0, 2, 4)]
    assert sorted(drawn) == plain
    assert [t for _, t in data.windows(4, 1)][:3] == [0, 1, 2]


def test_no_family_is_in_two_splits(folder: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path) -> None:
    data = dataset.open(folder[0])
    train, held = data.split("train"), data.split("held_out")
    assert {s.family for s in train.sources} == {"drop", "ramp"}
    assert {s.family for s in held.sources} == {"bowl"}
    pair(tmp_path, "x", "drop")
    pair(tmp_path, "y", "drop", "held_out")
    with pytest.raises(ClipError, match="the family 'drop' is in both splits"):
        dataset.open(tmp_path)


def test_families_weigh_the_same(folder: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    train = dataset.open(folder[0]).split("train")
    sums: dict[str, float] = {}
    weights = []
    for sample in train.stream(1, arrays=("coarse",)):
        sums[sample.family] = sums.get(sample.family, 0) + sample.weight
        weights.append(sample.weight)
    assert np.isclose(sums["drop"], sums["ramp"])
    assert np.isclose(np.mean(weights), 1)


@pytest.mark.parametrize("stride", [None, 3])
def test_families_weigh_the_same_in_windows_of_clips_of_all_lengths(stride: int | None, tmp_path: Path) -> None:
    """Windows drop what is left at the end, and all of a clip that is shorter."""
    for family, frames in (("a", 15), ("b", 16), ("c", 7)):
        for k in range(2):
            pair(tmp_path, f"{family}{k}", family, frames=frames)
    data = dataset.open(tmp_path)
    sums: dict[str, float] = {}
    samples = list(data.stream(8, stride=stride, arrays=("coarse",)))
    for sample in samples:
        sums[sample.family] = sums.get(sample.family, 0) + sample.weight
    assert set(sums) == {"a", "b"} == set(data.weights(8, stride))
    assert np.isclose(sums["a"], sums["b"])
    assert np.isclose(sum(sums.values()), len(samples))


def test_clips_and_their_mapped_form_are_one(exported_clip: Clip, tmp_path: Path) -> None:
    refined = exported_clip.record.refined[0].name
    export([exported_clip.path], "npy", tmp_path / "mapped", choice=Choice(refined=refined))
    clips, mapped = dataset.open(exported_clip.path), dataset.open(tmp_path / "mapped")
    assert clips.split(clips.splits["flying"]).frame_count == mapped.frame_count == 6
    assert set(clips.arrays) == set(mapped.arrays) >= {"coarse", "target", "depth", "ids", "flow_forward"}
    assert [len(d.with_targets()) for d in (clips, mapped)] == [2, 2]
    for a, b, camera in zip(clips.stream(3), mapped.stream(3), ("front", "side"), strict=True):
        frames = exported_clip.frames(camera)
        assert (a.arrays["target"] == exported_clip.refined(camera=camera)).all()
        assert (a.arrays["coarse"] == frames.rgb).all()
        assert a.target == b.target == f"refined by {refined}"
        for name, values in a.arrays.items():
            assert np.array_equal(values, b.arrays[name], equal_nan=values.dtype.kind == "f"), name
        assert (a.arrays["mask"] == np.isfinite(np.asarray(frames.depth))).all()


@pytest.mark.parametrize("look", ["sunset", None])
def test_what_was_not_refined_is_no_input_of_the_target(exported_clip: Clip, tmp_path: Path, look: str | None) -> None:
    """Under another look, pictures and light are left out; where the same was drawn again, nothing is."""
    shutil.copytree(exported_clip.path, tmp_path / "clips" / "a")
    file = tmp_path / "clips" / "a" / "clip.json"
    tree = json.loads(file.read_text())
    for camera in tree["cameras"]:
        size = (camera["height"], camera["width"])
        for name, shape, kind in (("light_diffuse", (*size, 3), np.float16), ("buffers_valid", size, bool)):
            camera["arrays"].append(name)
            writer = ArrayWriter(file.parent / camera["folder"] / f"{name}.npz")
            for _ in range(exported_clip.frame_count):
                writer.append(np.zeros(shape, kind))
            writer.close()
    drawn = {"look": look, "renderer": tree["cameras"][0]["renderer"]}
    tree["refined"][0].update(look=look or "as_rendered", coarse=drawn)
    file.write_text(json.dumps(tree))
    told: list[str] = []
    choice = Choice(refined=tree["refined"][0]["name"])
    export([file.parent], "npy", tmp_path / "mapped", choice=choice, tell=told.append)
    lit = {"coarse", "light_diffuse"}
    for folder in ("clips", "mapped"):
        data = dataset.open(tmp_path / folder)
        assert {"target", "depth", "normals", "buffers_valid"} <= {*data.arrays}
        assert lit & {*data.arrays} == (set() if look else lit)
        known = card(data)["provenance"][0]
        assert (known["look"], known["coarse"]["look"]) == (look or "as_rendered", look)
        assert ("coarse" in known["left_out"]) == bool(look)
        if look:
            with pytest.raises(ClipError, match=r"has no coarse .its target was made from others"):
                next(data.stream(1, arrays=("coarse", "target")))
    assert ("without coarse pictures and light" in told[0]) == bool(look)


def test_maps_leave_files_for_others_to_open() -> None:
    """Each map keeps its file open; shells begin with 1,024."""
    told = subprocess.run(
        [sys.executable, "-c", "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024));"
         "from simvid.dataset.sources import MAPS; print(MAPS)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(told.stdout) <= 512


def test_more_arrays_than_may_be_mapped_at_a_time(
    exported_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export([exported_clip.path], "npy", tmp_path / "mapped")
    few = lru_cache(maxsize=3)(sources._mapped.__wrapped__)
    monkeypatch.setattr(sources, "_mapped", few)
    mapped = dataset.open(tmp_path / "mapped")
    assert len(mapped.arrays) > 6
    windows = list(mapped.stream(2))
    assert few.cache_info().currsize == 3
    for camera, mine in zip(("front", "side"), windows, strict=True):
        frames = exported_clip.frames(camera)
        for name in ("coarse", "depth", "normals"):
            values = np.asarray(frames.rgb if name == "coarse" else getattr(frames, name))[:2]
            assert np.array_equal(mine.arrays[name], values, equal_nan=name != "coarse"), name
    monkeypatch.undo()
    assert next(dataset.open(tmp_path / "mapped").stream(2)).arrays["coarse"].any()
    path = tmp_path / "mapped" / mapped.sources[0].name / "coarse.npy"
    path.unlink()
    np.save(path, np.zeros_like(windows[0].arrays["coarse"], shape=(3, 48, 64, 3)))
    assert not next(dataset.open(tmp_path / "mapped").stream(2)).arrays["coarse"].any(), "as it is now"


def test_splits_of_clips_follow_from_their_names(exported_clip: Clip) -> None:
    assert dataset.open(exported_clip.path, held_out=1).splits == {"flying": "held_out"}
    assert dataset.open(exported_clip.path, held_out=0).splits == {"flying": "train"}
    with pytest.raises(ClipError, match="the split 'held_out' is empty"):
        dataset.open(exported_clip.path, held_out=0).split("held_out")


def test_gate_scores_come_along(exported_clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = {"accepted": False, "cameras": [{"camera": "front", "measured": {"edge_f1": 0.25}}]}
    stored = SimpleNamespace(model_dump=lambda mode: verdict)
    known = SimpleNamespace(gate=stored, coarse=None, look="as_rendered")
    monkeypatch.setattr(Clip, "refinement", lambda self, name=None: known)
    data = dataset.open(exported_clip.path)
    assert next(data.stream(1, arrays=("coarse",))).gate == verdict
    assert len(data.accepted()) == 0
    assert card(data)["gate"] == {"judged": 2, "accepted": 0, "measured": {"edge_f1": 0.25}}


def test_torch_reads_the_same(folder: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    torch = pytest.importorskip("torch")
    data = dataset.open(folder[0])
    windows = data.torch(3, arrays=("coarse", "target", "depth", "mask"))
    assert len(windows) == 10
    assert isinstance(windows, torch.utils.data.Dataset)
    again = pickle.loads(pickle.dumps(windows))  # as a loader's workers get it under spawn
    for item in (windows[3], again[3]):
        sample = data.sample(1, 3, 3, ("coarse", "target", "depth", "mask"))
        for name, values in sample.arrays.items():
            assert np.array_equal(item[name].numpy(), values)
        assert item["weight"] == sample.weight
    batch = next(iter(torch.utils.data.DataLoader(windows, batch_size=4)))
    assert batch["coarse"].shape == (4, 3, H, W, 3)


def test_the_card(folder: tuple[Path, dict[str, dict[str, Any]]], capsys: pytest.CaptureFixture[str]) -> None:
    place, made = folder
    assert main(["dataset", str(place), "--card"]) == 0
    out = capsys.readouterr().out
    assert "5 items, 30 frames, 1.25 s" in out
    assert "held_out  1 items, 6 frames: bowl 1" in out
    told = json.loads((place / CARD_FILE).read_text())
    assert told["licences"] == {"CC0-1.0": 5}
    assert told["splits"]["train"]["families"] == {"drop": 3, "ramp": 1}
    depths = np.concatenate([m["depth"].ravel() for m in made.values()])
    known = depths[np.isfinite(depths)]
    stats = told["statistics"]["depth"]
    assert np.isclose(stats["mean"], known.mean(), rtol=1e-3)
    assert np.isclose(stats["std"], known.std(), rtol=1e-2)
    assert np.isclose(stats["defined"], 7 / 8)
    text = (place / PAGE_FILE).read_text()
    assert text.startswith("---\nlicense: cc0-1.0\n")
    assert "| train | 4 | 24 | drop 3, ramp 1 |" in text
    assert write_card(dataset.open(place)) == told


def test_every_licence_of_a_pair_is_on_the_card(tmp_path: Path) -> None:
    pair(tmp_path, "a0", "drop", licence="Apache-2.0; BSD-3-Clause")
    pair(tmp_path, "a1", "drop", licence="Apache-2.0")
    write_card(dataset.open(tmp_path))
    assert json.loads((tmp_path / CARD_FILE).read_text())["licences"] == {"Apache-2.0": 2, "BSD-3-Clause": 1}
    text = (tmp_path / PAGE_FILE).read_text()
    assert text.startswith("---\nlicense: other\n")
    assert "| BSD-3-Clause | 1 |" in text


@pytest.mark.parametrize(
    ("licences", "told", "head", "without"),
    [
        ([["CC0-1.0"], ["CC0-1.0"]], {"CC0-1.0": 2}, "cc0-1.0", 0),
        ([["CC0-1.0"], []], {"CC0-1.0": 1}, "other", 1),
        ([["CC-BY-4.0", None], ["CC-BY-4.0"]], {"CC-BY-4.0": 2, "not stated": 1}, "other", 1),
        ([[None], [None]], {"not stated": 2}, "other", 2),
    ],
)
def test_the_card_states_a_licence_that_all_items_have(
    licences: list[list[str | None]], told: Any, head: str, without: int, exported_clip: Clip, tmp_path: Path
) -> None:
    """As clips, and as mapped arrays."""
    made: list[Source] = []
    for k, names in enumerate(licences):
        assets = tuple(AssetRecord(path="a.obj", sha256=None, licence=name) for name in names)
        record = exported_clip.record.model_copy(update={"assets": assets})
        clip = replace(exported_clip, record=record)
        made.append(ClipSource(clip, "side", None))
        episode = Episode(clip, f"{k}", (View(clip, "side", f"{k}_side"),))
        Npy(NoSettings()).write(Request((episode,), frozenset(), lambda line: None), tmp_path)
        assert MappedSource(tmp_path / f"{k}_side").licences == made[-1].licences
    found = card(dataset.DataSet(tmp_path, tuple(made), {"flying": "train"}))
    assert found["licences"] == told
    assert len(found["without_licence"]) == without
    assert page(found).startswith(f"---\nlicense: {head}\n")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda p: (p / "a0" / "coarse.npy").write_bytes(b"x"), "missing or damaged"),
        (lambda p: (p / "a0" / "pair.json").write_text("{}"), "expected the record of a training pair"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Any, said: str) -> None:
    pair(tmp_path, "a0", "drop")
    damage(tmp_path)
    with pytest.raises(ClipError, match=said):
        dataset.open(tmp_path)


def test_it_is_there_without_an_import_of_its_own() -> None:
    code = "import simvid, sys; assert 'simvid.dataset' not in sys.modules; assert simvid.dataset.open"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bad_requests(folder: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path) -> None:
    data = dataset.open(folder[0])
    with pytest.raises(ClipError, match=r"a0: has no depth_surface; it has coarse"):
        next(data.stream(1, arrays=("depth_surface",)))
    with pytest.raises(ClipError, match="window and stride of 1 or more"):
        data.windows(0)
    with pytest.raises(ClipError, match="found none"):
        dataset.open(tmp_path)
    with pytest.raises(ClipError, match="from 0 to 1, got 2"):
        dataset.open(folder[0], held_out=2)
    with pytest.raises(ClipError, match=r"at most 6 frames, which the longest of 5 sources has, got 7; choose a sh"):
        data.windows(T + 1)
    with pytest.raises(ClipError, match="at most 6 frames"):
        next(data.stream(T + 1))
    with pytest.raises(ClipError, match="a0: has 6 frames; expected a window inside, got 2 from 5 on"):
        data.sample(0, 5, 2)
