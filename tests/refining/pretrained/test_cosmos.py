"""Cosmos-Transfer 2.5 on tiny random weights, with stand-ins for the two packages that are not here."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simvid.errors import AssetError, SimvidError
from simvid.frames import Frames
from simvid.refining.controls import control_videos
from simvid.refining.pretrained import cosmos
from simvid.refining.pretrained.cosmos import RULE, CosmosTransfer, CosmosTransferSettings
from simvid.refining.pretrained.latents import anchored_noise
from simvid.refining.pretrained.weights import library
from simvid.testing.pretrained import GuardrailChecker, play_guardrail
from simvid.testing.refining import RefinerContract, sample_context, sample_frames

Saved = Callable[[str], str]


def _resize(picture: Any, size: list[int], interpolation: str) -> Any:
    assert interpolation == "nearest"
    return library("torch").nn.functional.interpolate(picture, size=size, mode=interpolation)


@pytest.fixture
def packages(saved: Saved) -> Iterator[None]:
    """``cosmos_guardrail``, and the one function of torchvision that the models call."""
    nearest = SimpleNamespace(NEAREST="nearest")
    shim = SimpleNamespace(functional=SimpleNamespace(resize=_resize), InterpolationMode=nearest)
    saved("cosmos_transfer")
    with pytest.MonkeyPatch.context() as patch:
        play_guardrail(patch)
        patch.setattr(cosmos, "find_spec", lambda name: object())
        for where in ("models.controlnets.controlnet_cosmos", "models.transformers.transformer_cosmos"):
            patch.setattr(library(f"diffusers.{where}"), "transforms", shim, raising=False)
        yield


def made(saved: Saved, count: int = 5, **options: Any) -> Any:
    model = saved("cosmos_transfer")
    common: dict[str, Any] = {
        "model": model, "controlnet": str(Path(model).parent / "cosmos_controlnet"), "control": "disparity",
        "weights_licence": "none", "steps": 2, "guidance": 2.0, "dtype": "float32", "device": "cpu", "threads": 1,
    }  # fmt: skip
    return CosmosTransfer(CosmosTransferSettings(**{**common, **options})).in_clip(sample_context(count))


def pictures(refiner: Any, count: int = 5, look: str = "as_rendered", seed: int = 0) -> Any:
    return np.stack(list(refiner.refine(sample_frames(count), look=look, seed=seed)))


class TestCosmosTransfer(RefinerContract):
    saved: Saved

    @pytest.fixture(autouse=True)
    def _folders(self, saved: Saved, packages: None) -> None:
        self.saved = saved

    def refiner(self) -> Any:
        return made(self.saved)


def test_what_it_is_told_matters(saved: Saved, packages: None) -> None:
    plain = pictures(made(saved))
    assert not np.array_equal(pictures(made(saved), look="sunset"), plain)
    assert not np.array_equal(pictures(made(saved), seed=1), plain)
    led = pictures(made(saved, conditioning=20.0))  # the control branch of random weights is faint
    assert not np.array_equal(led, plain)
    assert len(pictures(made(saved, 8, chunk=5, overlap=2), 8)) == 8


@pytest.mark.parametrize("control", ["disparity", "edges", "palette", "blur"])
def test_the_control_network_sees_the_control(control: str, saved: Saved, packages: None) -> None:
    """What is encoded is the control video, padded, and no other."""
    refiner = made(saved, control=control)
    encode, seen = refiner.pipe.vae.encode, list[Any]()

    def spy(pixels: Any) -> Any:
        seen.append(pixels.numpy())
        return encode(pixels)

    refiner.pipe.vae.encode = spy
    pictures(refiner)
    frames = Frames.stack(sample_context(5).camera, sample_frames(5))
    for name in ("disparity", "edges", "palette", "blur"):
        wanted = RULE.padded(control_videos(frames, (name,))[name]).transpose(3, 0, 1, 2) / 127.5 - 1
        assert any(np.allclose(s[0], wanted, atol=1e-5) for s in seen) == (name == control)


def test_it_starts_from_noise_that_sticks(saved: Saved, packages: None) -> None:
    """What the sampler begins with is the anchored noise of these frames; without it, what the pipeline draws."""
    frames, context = Frames.stack(sample_context(5).camera, sample_frames(5)), sample_context(5)
    wanted = anchored_noise(frames, context, 0, RULE, 16, 0)
    for noise in ("anchored", "drawn"):
        refiner, seen = made(saved, noise=noise), list[Any]()
        prepare = refiner.pipe.prepare_latents

        def spy(*args: Any, prepare: Any = prepare, seen: Any = seen, **options: Any) -> Any:
            seen.append(prepare(*args, **options)[0])
            return seen[-1], *prepare(*args, **options)[1:]

        refiner.pipe.prepare_latents = spy
        pictures(refiner)
        assert np.allclose(seen[0][0].float().numpy(), wanted, atol=1e-6) == (noise == "anchored")
    assert "ids" not in made(saved, noise="drawn").reads


def test_it_runs_in_bfloat16(saved: Saved, packages: None) -> None:
    assert len(pictures(made(saved, dtype="bfloat16"))) == 5


def test_missing_packages_are_said_at_once(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    for there, said in (((), "'torchvision' too"), (("torchvision",), r"'cosmos_guardrail' too.*pip install cosmos")):
        monkeypatch.setattr(cosmos, "find_spec", lambda name, there=there: object() if name in there else None)
        with pytest.raises(SimvidError, match=said):
            made(saved)


def test_refusals_are_errors_and_not_black_pictures(
    saved: Saved, packages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SimvidError, match=r"guardrail refuses the prompt .*bomb"):
        pictures(made(saved, prompt="a bomb"))
    monkeypatch.setattr(GuardrailChecker, "refuse_pictures", True)
    with pytest.raises(SimvidError, match="guardrail refuses the pictures"):
        pictures(made(saved))


def test_the_record_follows_the_folder_and_not_its_place(saved: Saved, packages: None, tmp_path: Path) -> None:
    net = shutil.copytree(Path(saved("cosmos_transfer")).parent / "cosmos_controlnet", tmp_path / "moved")
    here, there = made(saved), made(saved, controlnet=str(net), controlnet_revision="abc")
    assert (here.settings(), here.version()) == (there.settings(), there.version())


def test_another_family_is_refused(saved: Saved, packages: None) -> None:
    with pytest.raises(AssetError, match="'cosmos_transfer' runs Cosmos2_5_TransferPipeline"):
        made(saved, model=saved("wan"))
    with pytest.raises(AssetError, match="runs CosmosControlNetModel"):
        made(saved, controlnet=saved("wan"))
