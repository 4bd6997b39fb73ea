"""Two processes train as one does on the whole batch; runs begin from saved weights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from simvid.errors import AssetError, ClipError, SimvidError
from simvid.refining.conditions import LAST, OPTIONAL, channel_slice, reading
from simvid.refining.model import HISTORY, LIGHT
from simvid.refining.pair_sets import open_pairs
from simvid.refining.pairs import write_pair
from simvid.refining.pipeline import VideoRefinerPipeline
from simvid.refining.scheduler import BridgeScheduler
from simvid.refining.training import checkpoint
from simvid.refining.training.batches import make_batch
from simvid.refining.training.loop import Trainer
from simvid.refining.training.settings import TrainSettings, with_defaults
from simvid.refining.training.start import architecture, begin
from simvid.testing.refiners import random_conditions, tiny_unet
from simvid.testing.refining import sample_frames

TINY: dict[str, Any] = {
    "steps": 4, "batch": 4, "frames": 3, "size_px": 32, "widths": (8, 16, 32, 32), "depths": (1, 1, 1, 1),
    "warm_up": 2, "save_every": 4, "log_every": 1, "sample_every": 4, "bfloat16": False, "shares": (0.5, 0.25, 0.25),
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares that move by different ways on a floor, of which different shares are hidden."""
    folder = tmp_path_factory.mktemp("pairs")
    for k in range(3):
        frames = sample_frames(4, 40, 36)
        labels = {name: np.stack([getattr(f, name) for f in frames]) for name in frames[0].labels}
        labels["occluded_backward"][:, :, : 10 * k] = True
        coarse = np.stack([f.rgb for f in frames])
        write_pair(folder / f"clip{k}", coarse, 255 - coarse, labels, name=f"clip{k}", family="seen", fps=12.0)
    return folder


@pytest.fixture(scope="module")
def traced(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clips, which have been traced too."""
    folder = tmp_path_factory.mktemp("traced") / "pairs"
    for clip in open_pairs(data):
        pictures = {"traced": clip.pictures("target") // 2, **clip.labels()}
        write_pair(folder / clip.record.name, clip.pictures("coarse"), clip.pictures("target"), pictures,
                   name=clip.record.name, family="seen", fps=12.0)  # fmt: skip
    return folder


def weights(out: Path, name: str = "unet") -> dict[str, Any]:
    folder = checkpoint.latest(out)
    assert folder is not None
    found: dict[str, Any] = load_file(folder / f"{name}.safetensors")
    return found


@pytest.mark.parametrize("phase", ["regression", "rollout"])
def test_shares_together_are_the_batch(data: Path, phase: Any) -> None:
    clips, settings = open_pairs(data), TrainSettings(**{**TINY, "batch": 6})
    whole = make_batch(clips, settings, (), 3, phase)
    for k in range(3):
        part = make_batch(clips, settings, (), 3, phase, (k, 3))
        for name, value in vars(part).items():
            assert np.array_equal(value, getattr(whole, name) if name == "jitter" else getattr(whole, name)[k::3]), name


RUN = """
import sys, torch
from pathlib import Path
from simvid.perception.squeezenet import SqueezeNetFeatures
from simvid.refining.training.loop import Trainer
from simvid.refining.training.settings import TrainSettings
data, out, text = sys.argv[1:]
torch.manual_seed(7)
Trainer(Path(data), Path(out), TrainSettings.model_validate_json(text), SqueezeNetFeatures()).run()
"""


def test_two_processes_train_as_one_does_on_the_whole_batch(data: Path, tmp_path: Path) -> None:
    """All phases and losses, the critic, its optimizer, the log; and one process goes on where two stopped."""
    from simvid.perception.squeezenet import SqueezeNetFeatures

    settings = TrainSettings(**TINY)
    torch.manual_seed(7)
    Trainer(data, tmp_path / "one", settings, SqueezeNetFeatures()).run()
    script = tmp_path / "run.py"
    script.write_text(RUN)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script),
               str(data), str(tmp_path / "two"), settings.model_dump_json()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    begun = dict(Trainer(data, tmp_path / "untrained", settings, None).unet.named_parameters())
    for name in ("unet", "ema", "critic"):
        one, two = weights(tmp_path / "one", name), weights(tmp_path / "two", name)
        apart = {key: float((value - two[key]).abs().max()) for key, value in one.items()}
        # Adam makes whole steps of gradients that are rounding alone
        assert max(apart.values()) < 4e-4, (name, max(apart, key=lambda key: apart[key]))
        if name == "unet":
            assert max(float((one[k] - v.detach()).abs().max()) for k, v in begun.items()) > 1e-3
    logs = [(tmp_path / name / "log.csv").read_text().splitlines() for name in ("one", "two")]
    assert len(logs[0]) == len(logs[1])
    for a, b in zip(*([line.split(",") for line in log[1:]] for log in logs), strict=True):
        assert a[:2] == b[:2]
        if a[1] != "seconds":
            assert float(b[2]) == pytest.approx(float(a[2]), abs=2e-4), a
    torch.manual_seed(7)
    assert Trainer(data, tmp_path / "two", settings, SqueezeNetFeatures()).step == 4


def test_the_command_becomes_the_launcher(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from simvid import cli

    class BecameError(Exception):
        pass

    def become(program: str, command: list[str], environment: dict[str, str]) -> None:
        assert program == sys.executable
        assert environment["OMP_NUM_THREADS"]
        raise BecameError(*command[1:])

    monkeypatch.setattr(os, "execve", become)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    given = ["train", "refiner", "--data", str(data), "--out", str(tmp_path), "--processes", "2", "--batch", "4"]
    with pytest.raises(BecameError) as found:
        cli.main([*given, "--debug"])
    assert found.value.args == ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m",
                                "simvid.cli", *given, "--debug")  # fmt: skip
    given[-1] = "3"
    assert cli.main(given) == 2
    assert "batch: expected a multiple of the 2 processes that share it, got 3" in capsys.readouterr().err


def test_a_run_begins_with_saved_weights(data: Path, tmp_path: Path) -> None:
    first = Trainer(data, tmp_path / "first", TrainSettings(**TINY), None).run()
    settings = TrainSettings(**{**TINY, "begin_from": str(first.pipeline), "steps": 8, "seed": 1})
    second = Trainer(data, tmp_path / "second", settings, None)
    saved = load_file(first.pipeline / "unet" / "diffusion_pytorch_model.safetensors")
    for net in (second.unet, second.ema):
        assert all(torch.equal(value, saved[name]) for name, value in net.state_dict().items())
    second.run(until=2)
    state = checkpoint.latest(tmp_path / "second")
    assert state is not None
    assert json.loads((state / "state.json").read_text())["settings"]["begin_from"] == str(first.pipeline)
    again = Trainer(data, tmp_path / "second", settings, None)
    assert again.step == 2
    assert all(torch.equal(v, second.unet.state_dict()[k]) for k, v in again.unet.state_dict().items())
    with pytest.raises(SimvidError, match="holds a run with other settings"):
        Trainer(data, tmp_path / "second", TrainSettings(**{**TINY, "steps": 8, "seed": 1}), None)


def seen(unet: Any, given: dict[str, Any]) -> list[Any]:
    """What a network's first layer and its last features are, and the picture it gives."""
    found: list[Any] = []
    hooks = [layer.register_forward_hook(lambda _, __, out: found.append(out)) for layer in (unet.enter, unet.even)]
    with torch.no_grad():
        picture, _ = unet(**given)
    for hook in hooks:
        hook.remove()
    return [*found, picture]


def test_weights_grow_to_read_the_traced_picture(tmp_path: Path) -> None:
    """They begin with the features that they had, whatever was traced, and give the traced picture as it is."""
    old = tiny_unet(looks=("sunset",))
    VideoRefinerPipeline(old, BridgeScheduler()).save_pretrained(tmp_path)
    new = tiny_unet(1, looks=("sunset",), **reading(traced=True))
    begin(new, tmp_path)
    known = random_conditions(3)
    given = {
        "sample": torch.randn(1, 3, 3, *known.size), "timestep": torch.rand(1, 3),
        "history": torch.rand(1, 3, HISTORY, *known.size), "look": torch.tensor([1]), "light": torch.rand(1, LIGHT),
        **{name: torch.from_numpy(getattr(known, name))[None] for name in ("flow", "visible", "present")},
        "conditions": torch.from_numpy(known.channels)[None],
    }  # fmt: skip
    (entered, features, _), (same, alike, picture) = seen(old, given), seen(new, given)
    assert torch.allclose(same, entered, atol=1e-5)
    assert torch.allclose(alike, features, atol=1e-4)
    assert torch.equal(picture, given["conditions"][:, :, channel_slice(LAST)])
    given["present"][:, OPTIONAL.index(LAST)] = 0
    assert torch.equal(seen(new, given)[2], given["conditions"][:, :, :3])
    VideoRefinerPipeline(new, BridgeScheduler()).save_pretrained(tmp_path)
    with pytest.raises(AssetError, match="read the traced picture; set  traced: true, or begin from others"):
        begin(old, tmp_path)


def test_a_run_reads_what_was_traced_if_it_is_told_to(data: Path, traced: Path, tmp_path: Path) -> None:
    """Also where it goes on, and where it begins from weights that do not."""
    settings = TrainSettings(**{**TINY, "shares": (0.5, 0.0, 0.5), "traced": True})
    plain = Trainer(traced, tmp_path / "plain", TrainSettings(**TINY), None).run(until=1).pipeline
    whole = Trainer(traced, tmp_path / "whole", settings, None).run().pipeline
    for until in (1, None):
        Trainer(traced, tmp_path / "parts", settings, None).run(until=until)
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    for folder, read in ((plain, False), (whole, True)):
        config = json.loads((folder / "unet" / "config.json").read_text())
        assert {name: config[name] for name in ("conditions", "optional")} == reading(traced=read)
        assert architecture(folder)["traced"] is read
    some = tmp_path / "some"
    shutil.copytree(traced, some)
    shutil.rmtree(some / "clip1")
    shutil.copytree(data / "clip1", some / "clip1")
    with pytest.raises(ClipError, match=r"1 of \d pairs have no traced pictures \(clip1\); .*traced: false"):
        Trainer(some, tmp_path / "none", settings, None)
    batches = [make_batch(open_pairs(traced), s, (), 0, "regression") for s in (TrainSettings(**TINY), settings)]
    assert not torch.equal(batches[0].noise, batches[1].noise), "a run without it goes on to draw what it drew"
    grown = TrainSettings(**{**TINY, "begin_from": str(plain), "traced": True})
    begun = Trainer(traced, tmp_path / "grown", grown, None).unet.state_dict()
    saved = load_file(plain / "unet" / "diffusion_pytorch_model.safetensors")
    assert torch.equal(begun["down.0.weight"], saved["down.0.weight"].float())


def test_weights_that_do_not_fit_are_refused(data: Path, tmp_path: Path) -> None:
    folder = Trainer(data, tmp_path / "first", TrainSettings(**{**TINY, "steps": 1}), None).run().pipeline
    wide = TrainSettings(**{**TINY, "begin_from": str(folder), "widths": (16, 16, 32, 32)})
    with pytest.raises(AssetError, match=r"widths: this run has \[16, 16, 32, 32\], those weights have \[8, 16"):
        Trainer(data, tmp_path / "wide", wide, None)
    settings = TrainSettings(**{**TINY, "begin_from": str(tmp_path / "broken")})
    with pytest.raises(AssetError, match=r"config.json: missing or damaged .* of a run of  simvid train refiner"):
        Trainer(data, tmp_path / "other", settings, None)
    shutil.copytree(folder, tmp_path / "broken")
    file = tmp_path / "broken" / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(AssetError, match="cannot be loaded as a refiner"):
        Trainer(data, tmp_path / "other", settings, None)
    config = tmp_path / "broken" / "unet" / "config.json"
    config.write_text(config.read_text().replace("RefinerUNet", "UNet2DModel"))
    with pytest.raises(AssetError, match="expected a RefinerUNet, got UNet2DModel"):
        Trainer(data, tmp_path / "other", settings, None)


def test_the_command_takes_over_the_architecture(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from simvid import cli

    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path))
    folder = Trainer(data, tmp_path / "first", TrainSettings(**{**TINY, "steps": 1, "noise": 0.4}), None).run().pipeline
    given = ["train", "refiner", "--data", str(data), "--out", str(tmp_path / "run"), "--steps", "1", "--batch", "1",
             "--frames", "2", "--size", "32", "--from", str(folder)]  # fmt: skip
    assert cli.main(given) == 0
    config = json.loads((tmp_path / "run" / "refiner" / "unet" / "config.json").read_text())
    assert config["widths"] == [8, 16, 32, 32]
    assert (
        json.loads((tmp_path / "run" / "refiner" / "scheduler" / "scheduler_config.json").read_text())["noise"] == 0.4
    )
    assert cli.main([*given[:-1], str(tmp_path / "nothing")]) == 3
    assert "nothing/unet/config.json: missing or damaged" in capsys.readouterr().err


def test_checkpoints_older_than_a_setting_are_gone_on_with(data: Path, tmp_path: Path) -> None:
    settings = TrainSettings(**TINY)
    Trainer(data, tmp_path, settings, None).run(until=2)
    folder = checkpoint.latest(tmp_path)
    assert folder is not None
    state = json.loads((folder / "state.json").read_text())
    del state["settings"]["begin_from"]
    (folder / "state.json").write_text(json.dumps(state))
    assert Trainer(data, tmp_path, settings, None).step == 2
    assert with_defaults(None) is None
