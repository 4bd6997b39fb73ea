"""AnimateDiff on tiny random weights: the contract, its controls, and its three kinds of folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.errors import AssetError
from simvid.refining.pretrained.animatediff import AnimateDiff, AnimateDiffSettings
from simvid.testing.refining import RefinerContract, sample_context, sample_frames

Saved = Callable[[str], str]


def made(saved: Saved, count: int = 5, controls: tuple[str, ...] = ("disparity",), **options: Any) -> Any:
    model = saved("stable_diffusion")
    beside = Path(model).parent
    nets = [{"model": str(beside / "controlnet"), "control": c} for c in controls]
    common = {"model": model, "motion_adapter": str(beside / "motion_adapter"), "controlnets": nets, "device": "cpu",
              "weights_licence": "none", "steps": 2, "guidance": 2.0, "dtype": "float32", "threads": 1}  # fmt: skip
    refiner = AnimateDiff(AnimateDiffSettings.model_validate({**common, **options}))
    return refiner.in_clip(sample_context(count))


def pictures(refiner: Any, count: int = 5, look: str = "as_rendered", seed: int = 0) -> Any:
    return np.stack(list(refiner.refine(sample_frames(count), look=look, seed=seed)))


class TestAnimateDiff(RefinerContract):
    saved: Saved

    @pytest.fixture(autouse=True)
    def _folders(self, saved: Saved) -> None:
        self.saved = saved

    def refiner(self) -> Any:
        return made(self.saved)


def test_controls_look_seed_and_strength_matter(saved: Saved) -> None:
    plain = pictures(made(saved))
    assert not np.array_equal(pictures(made(saved), look="sunset"), plain)
    assert not np.array_equal(pictures(made(saved), seed=1), plain)
    assert not np.array_equal(pictures(made(saved, controls=("edges",))), plain)
    assert not np.array_equal(pictures(made(saved, controls=("disparity", "edges"))), plain)
    assert not np.array_equal(pictures(made(saved, strength=1.0)), plain)
    assert not np.array_equal(pictures(made(saved, noise="drawn")), plain)
    assert len(pictures(made(saved, 7, chunk=4, overlap=1), 7)) == 7


def test_every_folder_is_recognised_and_counts(saved: Saved) -> None:
    refiner = made(saved)
    assert len(refiner.version().split()) == 4
    with pytest.raises(AssetError, match=r"runs MotionAdapter, but this folder holds a ControlNetModel"):
        made(saved, motion_adapter=str(Path(saved("stable_diffusion")).parent / "controlnet"))
    with pytest.raises(AssetError, match=r"runs StableDiffusionPipeline, but this folder holds a WanPipeline"):
        made(saved, model=saved("wan"))


def test_the_record_follows_the_folders_and_not_their_places(saved: Saved, tmp_path: Path) -> None:
    """Which of two ControlNets is shown what counts, wherever they lie."""
    refiner, beside = made(saved), Path(saved("stable_diffusion")).parent
    motion, net, other = (tmp_path / name for name in ("motion", "net", "other"))
    shutil.copytree(beside / "motion_adapter", motion)
    for copied in (net, other):
        shutil.copytree(beside / "controlnet", copied)
    config = other / "config.json"
    config.write_text(config.read_text().replace("{", '{"taught": "edges",', 1))
    moved = made(saved, motion_adapter=str(motion), controlnets=[{"model": str(net), "control": "disparity"}])
    assert (moved.settings(), moved.version()) == (refiner.settings(), refiner.version())

    def shown(*nets: Path) -> str:
        told = [{"model": str(net), "control": "edges"} for net in nets]
        return str(made(saved, controlnets=told).version())

    assert len({shown(net, other, net), shown(net, other, other), shown(other, net)}) == 3


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_it_runs_in_half_precision(dtype: str, saved: Saved) -> None:
    assert len(pictures(made(saved, dtype=dtype))) == 5
