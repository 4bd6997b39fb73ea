"""LTX-2 in context on tiny random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simvid.errors import AssetError
from simvid.frames import Frames
from simvid.refining.controls import disparity_span
from simvid.refining.pretrained.adapter import Chunk
from simvid.refining.pretrained.ltx2 import Ltx2, Ltx2Settings
from simvid.refining.pretrained.shapes import FrameRule
from simvid.testing.refining import RefinerContract, sample_context, sample_frames

Saved = Callable[[str], str]


def made(saved: Saved, count: int = 5, **options: Any) -> Any:
    common: dict[str, Any] = {"model": saved("ltx2"), "weights_licence": "none", "steps": 1, "dtype": "float32",
                              "device": "cpu", "threads": 1}  # fmt: skip
    return Ltx2(Ltx2Settings(**{**common, **options})).in_clip(sample_context(count))


def pictures(refiner: Any, count: int = 5, look: str = "as_rendered", seed: int = 0) -> Any:
    return np.stack(list(refiner.refine(sample_frames(count), look=look, seed=seed)))


class TestLtx2(RefinerContract):
    saved: Saved

    @pytest.fixture(autouse=True)
    def _folders(self, saved: Saved) -> None:
        self.saved = saved

    def refiner(self) -> Any:
        return made(self.saved)


def test_what_it_is_told_matters(saved: Saved) -> None:
    plain = pictures(made(saved))
    assert not np.array_equal(pictures(made(saved), look="sunset"), plain)
    assert not np.array_equal(pictures(made(saved), seed=1), plain)
    assert not np.array_equal(pictures(made(saved, control="edges")), plain)
    assert not np.array_equal(pictures(made(saved, reference_strength=0.5)), plain)
    assert not np.array_equal(pictures(made(saved, guidance=3.0)), plain)


@pytest.mark.parametrize("downscale", [2, 3])
def test_the_reference_is_made_of_whole_latent_pixels(downscale: int, saved: Saved) -> None:
    """So that diffusers shows the model all of the control, and none of it shifted."""
    refiner = made(saved, reference_downscale=downscale)
    assert refiner.rule.size(480, 832) == {2: (512, 832), 3: (480, 864)}[downscale]
    encode, seen = refiner.pipe.vae.encode, list[Any]()

    def spy(pixels: Any) -> Any:
        seen.append(pixels)
        return encode(pixels)

    refiner.pipe.vae.encode = spy
    pictures(refiner)
    shown = refiner.rule.padded(refiner.control(_chunk(), "disparity", FrameRule(1, 1)))
    small = shown[0][downscale // 2 :: downscale, downscale // 2 :: downscale, 0] / 127.5 - 1
    assert seen[0].shape[-2:] == (shown.shape[1] // downscale, shown.shape[2] // downscale)
    assert abs(seen[0][0, 0, 0].float().numpy() - small).mean() < 0.05


def _chunk() -> Chunk:
    frames = Frames.stack(sample_context(5).camera, sample_frames(5))
    assert frames.depth is not None
    return Chunk(frames, 0, None, "", 0, 0, disparity_span(frames.depth))


def test_the_frame_rate_matters_and_is_in_the_digest(saved: Saved) -> None:
    plain, slow = made(saved), made(saved)
    slow.context = replace(plain.context, trajectory=replace(plain.context.trajectory, fps=6))
    assert not np.array_equal(pictures(slow), pictures(plain))
    assert slow.context.digest() != plain.context.digest()


def test_later_chunks_begin_with_what_was_refined(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pictures(made(saved, 8, chunk=5, overlap=1), 8)
    assert len(whole) == 8
    monkeypatch.setattr(Ltx2, "_keyframes", lambda *_: [])
    apart = pictures(made(saved, 8, chunk=5, overlap=1), 8)
    assert np.array_equal(whole[:4], apart[:4])
    assert not np.array_equal(whole[5:], apart[5:])


def test_another_family_is_refused(saved: Saved) -> None:
    with pytest.raises(AssetError, match="'ltx2' runs LTX2InContextPipeline or LTX2Pipeline"):
        made(saved, model=saved("wan"))


def test_it_runs_in_bfloat16(saved: Saved) -> None:
    assert len(pictures(made(saved, dtype="bfloat16", guidance=3.0))) == 5
