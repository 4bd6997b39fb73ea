"""Training on a data set made here: losses fall, killed runs go on to the same weights."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from simvid.errors import ClipError, SimvidError
from simvid.perception.squeezenet import SqueezeNetFeatures
from simvid.refining import pairs
from simvid.refining.conditions import OPTIONAL, channel_slice
from simvid.refining.pair_sets import open_pairs
from simvid.refining.pairs import write_pair
from simvid.refining.pipeline import VideoRefinerPipeline
from simvid.refining.training import checkpoint
from simvid.refining.training.batches import make_batch
from simvid.refining.training.log import Log
from simvid.refining.training.loop import Trainer
from simvid.refining.training.processes import Alone
from simvid.refining.training.settings import TrainSettings
from simvid.testing.refining import sample_frames

TINY: dict[str, Any] = {
    "steps": 6, "batch": 2, "frames": 3, "size_px": 32, "widths": (8, 16, 32, 32), "depths": (1, 1, 1, 1),
    "warm_up": 2, "save_every": 2, "log_every": 1, "sample_every": 6, "bfloat16": False, "shares": (0.34, 0.33, 0.33),
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares on a floor; the target is the coarse picture with its light doubled where the light buffer says so."""
    folder = tmp_path_factory.mktemp("pairs")
    for k in range(3):
        frames = sample_frames(4, 48, 40)
        labels = {name: np.stack([getattr(f, name) for f in frames]) for name in frames[0].labels}
        coarse = np.stack([f.rgb for f in frames])
        light = np.zeros((*coarse.shape[:3], 3), np.float32)
        light[:, :, 8 * k + 8 : 8 * k + 24] = 1.0
        target = np.clip(coarse.astype(int) // 2 + 90 * (light > 0), 0, 255).astype(np.uint8)
        about = {"name": f"clip{k}", "family": "held" if k == 2 else "seen", "fps": 12.0,
                 "split": "held_out" if k == 2 else "train",
                 "look": ("as_rendered", "sunset", "sunset")[k],
                 "light": (1.0, *[0.1 * k + 0.1] * 10)}  # fmt: skip
        write_pair(folder / f"clip{k}", coarse, target, labels | {"light_diffuse": light}, **about)
    return folder


def test_each_clip_is_opened_once(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, read = list[str](), pairs.read_record

    def reading(folder: Path) -> pairs.PairRecord:
        opened.append(folder.name)
        return read(folder)

    monkeypatch.setattr(pairs, "read_record", reading)
    trainer = Trainer(data, tmp_path, TrainSettings(**TINY), features=None)
    assert [len(trainer.clips), len(trainer.held_out)] == [2, 1]
    assert opened == ["clip0", "clip1", "clip2"]
    shutil.copytree(data / "clip2", tmp_path / "data" / "clip2")
    with pytest.raises(ClipError, match="holds no pairs of the split 'train'; simvid pairs --out"):
        Trainer(tmp_path / "data", tmp_path / "out", TrainSettings(**TINY), features=None)


def random_features() -> Any:
    torch.manual_seed(7)
    return SqueezeNetFeatures()


def weights(out: Path) -> dict[str, Any]:
    folder = checkpoint.latest(out)
    assert folder is not None
    return {name: load_file(folder / f"{name}.safetensors") for name in ("unet", "ema", "critic")}


def test_the_loss_falls_and_held_out_clips_get_better(data: Path, tmp_path: Path) -> None:
    settings = TrainSettings(**{**TINY, "steps": 60, "shares": (0.8, 0.0, 0.2), "rate": 2e-3, "ema": 0.9,
                                "learn_looks": True, "sample_every": 60, "save_every": 60})  # fmt: skip
    done = Trainer(data, tmp_path, settings, features=None).run()
    rows = [(step, value) for step, name, value in Log(tmp_path).rows() if name == "charbonnier"]
    first, last = (np.mean([value for step, value in rows if low < step <= high]) for low, high in ((0, 10), (50, 60)))
    assert last < 0.6 * first
    assert done.validation["psnr_db"] > done.validation["coarse_psnr_db"] + 3
    assert "simvid.perception.fetch" in done.left_out[0]
    with Image.open(tmp_path / "samples" / "00000060.png") as grid:
        assert grid.size == (3 * 48, 40), "coarse, refined, true of the one held-out clip"
    with Image.open(tmp_path / "curves.png") as curves:
        assert np.asarray(curves).min() < 100
    pipe = VideoRefinerPipeline.from_pretrained(done.pipeline)
    assert tuple(pipe.unet.config.looks) == ("sunset",)
    assert pipe.scheduler.config.noise == settings.noise


def test_a_run_that_stops_goes_on_to_the_same_weights(data: Path, tmp_path: Path) -> None:
    """Across all three phases, with both optimizers."""
    settings = TrainSettings(**TINY)
    Trainer(data, tmp_path / "whole", settings, random_features()).run()
    for until in (3, 5, None):
        trainer = Trainer(data, tmp_path / "parts", settings, random_features())
        trainer.run(until=until)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    for name, group in whole.items():
        for key, value in group.items():
            assert torch.equal(value, parts[name][key]), (name, key)
    logs = [
        [r for r in Log(tmp_path / n).rows() if r[1] not in ("seconds", "psnr_db", "coarse_psnr_db")]
        for n in ("whole", "parts")
    ]
    assert logs[0] == logs[1]
    names = {name for _, name, _ in logs[0]}
    assert {"charbonnier", "gradient", "temporal", "perceptual", "adversarial", "critic"} <= names


RUN = """
import sys
from pathlib import Path
from simvid.refining.training.loop import Trainer
from simvid.refining.training.settings import TrainSettings
data, out, text = sys.argv[1:]
trainer = Trainer(Path(data), Path(out), TrainSettings.model_validate_json(text), None)
trainer.run(lambda step, losses: print(step, flush=True))
"""


def test_kill_9_loses_nothing_that_matters(data: Path, tmp_path: Path) -> None:
    settings = TrainSettings(**{**TINY, "steps": 12, "sample_every": 12})
    Trainer(data, tmp_path / "whole", settings, None).run()
    command = [sys.executable, "-c", RUN, str(data), str(tmp_path / "killed"), settings.model_dump_json()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 5:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    trainer = Trainer(data, tmp_path / "killed", settings, None)
    assert 4 <= trainer.step < 12
    trainer.run()
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(v, killed["ema"][k]) for k, v in whole["ema"].items())
    steps = [step for step, name, _ in Log(tmp_path / "killed").rows() if name == "loss"]
    assert steps == list(range(1, 13))


def test_checkpoints_are_few_whole_and_checked(data: Path, tmp_path: Path) -> None:
    settings = TrainSettings(**TINY)
    Trainer(data, tmp_path, settings, None).run()
    home = tmp_path / "checkpoints"
    assert sorted(p.name for p in home.iterdir()) == ["00000004", "00000006"]
    with pytest.raises(SimvidError, match="settings: batch: expected 2, got 1; seed: expected 0, got 3; choose"):
        Trainer(data, tmp_path, TrainSettings(**{**TINY, "batch": 1, "seed": 3, "rate": 1e-3}), None)
    with pytest.raises(SimvidError, match="holds a run with other perceptual: expected False, got True"):
        Trainer(data, tmp_path, settings, random_features())
    other = shutil.copytree(data, tmp_path / "other")
    (other / "clip1").rename(other / "clip9")
    record = other / "clip9" / "pair.json"
    record.write_text(record.read_text().replace("clip1", "clip9"))
    with pytest.raises(SimvidError, match="holds a run with other clips: without clip1; with clip9; choose"):
        Trainer(other, tmp_path, settings, None)
    (home / "00000006" / "ema.safetensors").write_bytes(b"x")
    with pytest.raises(ClipError, match="delete it to go on from the one before"):
        Trainer(data, tmp_path, settings, None)


def test_a_run_goes_on_with_another_rate(data: Path, tmp_path: Path) -> None:
    """And with what says when things are written; each change is told."""
    Trainer(data, tmp_path, TrainSettings(**TINY), None).run(until=2)
    more = {"rate": 1e-4, "rate_end": 1e-5, "threads": 2, "save_every": 1, "log_every": 2, "sample_every": 3}
    settings = TrainSettings(**{**TINY, **more})
    trainer = Trainer(data, tmp_path, settings, None)
    assert trainer.step == 2
    assert trainer.changed[:2] == ("rate: 0.0001, before 0.0006", "rate_end: 1e-05, before 2e-05")
    assert len(trainer.changed) == len(more)
    trainer.run(until=4)
    rates = {step: value for step, name, value in Log(tmp_path).rows() if name == "rate"}
    assert rates[1] == pytest.approx(3e-4), "of the warm-up"
    assert rates[4] == pytest.approx(settings.rate_at(3))
    assert Trainer(data, tmp_path, settings, None).changed == ()


def test_a_checkpoint_of_another_network_is_damaged(data: Path, tmp_path: Path) -> None:
    settings = TrainSettings(**TINY)
    Trainer(data, tmp_path, settings, None).run(until=1)
    folder = checkpoint.latest(tmp_path)
    assert folder is not None
    shutil.copy(folder / "critic.safetensors", folder / "ema.safetensors")
    with pytest.raises(ClipError, match="delete it to go on from the one before"):
        Trainer(data, tmp_path, settings, None)


@pytest.mark.parametrize("name", ["unet", "ema", "critic", "unet_optimizer", "critic_optimizer", "step"])
def test_a_checkpoint_that_lacks_something_is_damaged(data: Path, tmp_path: Path, name: str) -> None:
    settings = TrainSettings(**{**TINY, "shares": (1.0, 0.0, 0.0)})
    Trainer(data, tmp_path, settings, None).run(until=1)
    folder = checkpoint.latest(tmp_path)
    assert folder is not None
    assert Trainer(data, tmp_path, settings, None).step == 1, "also where no critic has learned anything yet"
    if name == "step":
        (folder / "state.json").write_text("{}")
    else:
        (folder / f"{name}.safetensors").unlink()
    with pytest.raises(ClipError, match=rf"damaged checkpoint \(.*{name}.*\); delete it to go on from the one before"):
        Trainer(data, tmp_path, settings, None)


def test_the_pipeline_appears_whole(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of the one before, which stays until then."""
    Trainer(data, tmp_path, TrainSettings(**TINY), None).run(until=1)
    before = (tmp_path / "refiner" / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    trainer = Trainer(data, tmp_path, TrainSettings(**TINY), None)
    save = VideoRefinerPipeline.save_pretrained

    def stopped(*given: Any, **more: Any) -> None:
        save(*given, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(VideoRefinerPipeline, "save_pretrained", stopped)
        with pytest.raises(KeyboardInterrupt):
            trainer.run(until=2)
    file = tmp_path / "refiner" / "unet" / "diffusion_pytorch_model.safetensors"
    assert file.read_bytes() == before
    trainer.run(until=2)
    assert file.read_bytes() != before
    assert (tmp_path / "refiner" / "recipe.json").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoints", "curves.png", "log.csv", "refiner", "samples"]


def test_a_loss_that_is_not_finite_stops_the_run(data: Path, tmp_path: Path) -> None:
    trainer = Trainer(data, tmp_path, TrainSettings(**TINY), None)
    with torch.no_grad():
        trainer.unet.leave.weight.fill_(float("nan"))
    with pytest.raises(SimvidError, match="step 0: the loss of the unet is nan"):
        trainer.run()


def test_batches_depend_on_seed_and_step_alone(data: Path) -> None:
    clips, settings = open_pairs(data, "train"), TrainSettings(**{**TINY, "batch": 16})
    one, two, other = (make_batch(clips, settings, ("sunset",), step, "regression") for step in (3, 3, 4))
    for name, value in vars(one).items():
        assert np.array_equal(value, getattr(two, name)), name
    assert not torch.equal(one.target, other.target)
    assert set(one.look.tolist()) == {0, 1}
    same = (one.times == 1).all(dim=1)
    assert 0 < same.sum() < 16, "some clips begin at one, the others have a time of their own for each frame"
    assert len(one.times[~same].unique()) == (~same).sum() * 3
    told = one.history.abs().sum(dim=(1, 2, 3, 4)) > 0
    assert 0 < told.sum() < 16
    assert one.history[:, 0].abs().sum() == 0
    assert make_batch(clips, settings, (), 3, "rollout").times.min() == 1


def test_conditions_are_hidden_now_and_then(data: Path) -> None:
    clips = open_pairs(data, "train")
    settings = [TrainSettings(**{**TINY, "batch": 16, "hide": hide}) for hide in (0.0, 0.3)]
    whole, some = (make_batch(clips, s, (), 3, "regression") for s in settings)
    away = (whole.present - some.present).bool()
    assert not (whole.present - some.present < 0).any()
    assert 0.15 < away.sum() / whole.present.sum() < 0.45
    albedo = some.channels[:, :, channel_slice("albedo")].abs().sum(dim=(1, 2, 3, 4))
    assert torch.equal(albedo == 0, some.present[:, OPTIONAL.index("albedo")] == 0)
    assert torch.equal(whole.coarse, some.coarse), "the picture itself is never hidden"
    lit = some.light[:, 0] == 1
    assert bool((whole.light[:, 0] == 1).all())
    assert 0 < int(lit.sum()) < 16
    assert torch.equal(some.light[lit], whole.light[lit])
    assert not some.light[~lit].any(), "unknown is zeros, as in sampling"
    halves = [make_batch(clips, settings[1], (), 3, "regression", (k, 2)) for k in (0, 1)]
    assert torch.equal(torch.stack([h.light for h in halves], dim=1).flatten(0, 1), some.light)


class OnMeta(Alone):
    """A device without numbers."""

    def __init__(self) -> None:
        self.device = torch.device("meta")


@pytest.mark.parametrize("phase", ["adversarial", "rollout"])
def test_losses_are_made_on_the_device_of_the_network(
    data: Path, tmp_path: Path, phase: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)
    settings = TrainSettings(**TINY)
    trainer = Trainer(data, tmp_path, settings, random_features(), OnMeta())
    batch = trainer._on_device(make_batch(trainer.clips, settings, (), 0, phase))
    video = trainer._rollout(batch) if phase == "rollout" else trainer._predict(batch)
    losses = trainer._losses(video, batch, adversarial=True)
    assert {loss.device.type for loss in losses.values()} == {"meta"}
    losses["loss"].backward()
    assert all(p.grad is not None and p.grad.device.type == "meta" for p in trainer.unet.parameters())


def test_a_log_forgets_what_was_cut_off(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for step in (1, 2, 3):
        log.add(step, {"loss": step / 3})
    with log.path.open("a") as file:
        file.write("4,lo")
    assert [r[0] for r in log.rows()] == [1, 2, 3]
    log.cut(2)
    assert log.rows() == [(1, "loss", 1 / 3), (2, "loss", 2 / 3)]


def test_the_command(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from simvid import cli

    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path))
    out, before = tmp_path / "run", signal.getsignal(signal.SIGTERM)
    given = ["train", "refiner", "--data", str(data), "--out", str(out), "--steps", "1", "--batch", "1", "--frames",
             "2", "--size", "32"]  # fmt: skip
    try:
        assert cli.main(given) == 0
        captured = capsys.readouterr()
        assert captured.out.strip() == str(out / "refiner")
        assert "left out: the perceptual and the adversarial loss" in captured.err
        assert "step      1  loss" in captured.err
        assert cli.main([*given, "--rate", "3e-4", "--save-every", "7"]) == 0
        assert "changed: rate: 0.0003, before 0.0006\nchanged: save_every: 7, before 500\n" in capsys.readouterr().err
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--rate", "-1"], r"--rate: expected .*, got -1"),
        (["--rate", "nan"], r"--rate: expected .*, got NaN"),
        (
            ["--rate", "1e-6"],
            r"rate_end: expected a number up to that of rate \(1e-06\), got 2e-05; set it in the recipe",
        ),
        (["--frames", "1", "--size", "10"], r"--frames: expected .* 2.*, got 1\n.*--size: expected .* 32.*, got 10"),
    ],
)
def test_wrong_options_are_named(
    wrong: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from simvid import cli

    out = tmp_path / "run"
    assert cli.main(["train", "refiner", "--data", str(tmp_path), "--out", str(out), *wrong]) == 2
    assert re.search(said, capsys.readouterr().err)
    assert not out.exists()


def test_a_file_in_the_place_of_the_run_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from simvid import cli

    file = tmp_path / "file.txt"
    file.touch()
    given = ["train", "refiner", "--data", str(data), "--steps", "1", "--out"]
    assert cli.main([*given, str(file)]) == 2
    assert f"--out: expected a folder, got the file {file}" in capsys.readouterr().err
    with pytest.raises(ClipError, match=r"run: cannot be written \(Not a directory\); choose another place"):
        Log(file / "run")


def test_a_recipe_is_followed_and_left_behind(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain regression: its loss is Charbonnier's alone, to the end, though features are there."""
    from simvid import cli

    monkeypatch.setattr("simvid.refining.training.loop.imagenet_features", random_features)
    plain = tmp_path / "plain.yaml"
    plain.write_text("# Plain regression.\nsteps: 3\nshares: [1, 0, 0]\nbatch: 1\nframes: 2\nsize_px: 32\n"
                     "log_every: 1\nwidths: [8, 16, 32, 32]\ndepths: [1, 1, 1, 1]\nnoise: 0.1\n"
                     "weights: {gradient: 0, temporal: 0, perceptual: 0}\n")  # fmt: skip
    before = signal.getsignal(signal.SIGTERM)
    given = ["train", "refiner", "--data", str(data), "--quiet"]
    try:
        assert cli.main([*given, "--out", str(tmp_path / "a"), "--recipe", str(plain), "--steps", "2"]) == 0
        recipe = tmp_path / "a" / "refiner" / "recipe.json"
        assert cli.main([*given, "--out", str(tmp_path / "b"), "--recipe", str(recipe)]) == 0
        rows = Log(tmp_path / "a").rows()
        assert {step for step, *_ in rows} == {1, 2}, "an option goes before the recipe"
        found = {(step, name): value for step, name, value in rows}
        assert "perceptual" not in {name for _, name in found}
        assert found[2, "loss"] == found[2, "charbonnier"]
        one, two = (VideoRefinerPipeline.from_pretrained(tmp_path / n / "refiner") for n in "ab")
        assert one.scheduler.config.noise == 0.1
        for (name, value), other in zip(one.unet.state_dict().items(), two.unet.state_dict().values(), strict=True):
            assert torch.equal(value, other), name
        capsys.readouterr()
        plain.write_text("steps: 3\nshares: [1, 0]\nnoize: 0.1\nweights: {perceptual: much}\n")
        assert cli.main([*given, "--out", str(tmp_path / "c"), "--recipe", str(plain)]) != 0
        said = capsys.readouterr().err
        for fault in ("plain.yaml:2", "plain.yaml:3", "plain.yaml:4", "noise"):
            assert fault in said
        plain.write_text("shares: [1, 1, 1]\n")
        assert cli.main([*given, "--out", str(tmp_path / "c"), "--recipe", str(plain)]) != 0
        assert "sum to 1" in capsys.readouterr().err
        assert not (tmp_path / "c").exists()
    finally:
        signal.signal(signal.SIGTERM, before)
