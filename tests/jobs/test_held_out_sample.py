"""The held-out sample that comes along: whole, small, and the bundled refiner reaches the figures of its card on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid import catalogue, cli
from simvid.errors import ClipError
from simvid.jobs.evaluation.cases import pair_cases, sample_folder
from simvid.refining.packed_pairs import pack, unpack
from simvid.refining.pairs import PairClip, write_pair
from simvid.testing.refining import sample_frames

MOST_BYTES = 2_500_000
TOLERANCES = {"psnr_db": 0.1, "ssim": 0.005, "flip": 0.003, "laplacian_swd": 4.0, "gradient_energy_ratio": 0.02,
              "edge_f1": 0.02, "flow_warp_ratio": 0.03}  # fmt: skip
"""How far figures may lie from the card's: processors round bfloat16 differently."""


@pytest.mark.parametrize("dtype", [np.uint8, np.float16])
@pytest.mark.parametrize("trail", [(), (2,), (3,), (5,)])
def test_packing_loses_nothing(dtype: Any, trail: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    shape = (3, 5, 7, *trail)
    array = rng.integers(0, 1 << 8 * np.dtype(dtype).itemsize, shape).astype(f"u{np.dtype(dtype).itemsize}").view(dtype)
    again = unpack(pack(array), dtype, shape)
    assert (again.dtype, again.shape) == (array.dtype, shape)
    assert again.tobytes() == array.tobytes(), "NaN and infinity too"


def test_what_cannot_be_packed_is_refused() -> None:
    with pytest.raises(ValueError, match="expected uint8 or float16"):
        pack(np.zeros((2, 3, 4), np.float32))
    with pytest.raises(ValueError, match="16383 px at most, got 4 x 20000"):
        pack(np.zeros((2, 10000, 4), np.uint8))
    content = pack(np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(ValueError, match="expected a picture of 4 x 9 px"):
        unpack(content, np.uint8, (3, 3, 4))
    for bad in (content[:20], b"", b"GIF89a"):
        with pytest.raises(ValueError, match="not a WebP picture"):
            unpack(bad, np.uint8, (2, 3, 4))


def test_a_packed_clip_is_the_clip(tmp_path: Path) -> None:
    frames = sample_frames(3)
    labels = {name: np.stack([getattr(f, name) for f in frames]) for name in frames[0].labels}
    coarse = np.stack([f.rgb for f in frames])
    write_pair(tmp_path / "clip", coarse, 255 - coarse, labels, name="clip", family="f", fps=12.0)
    plain = PairClip(tmp_path / "clip").whole()
    for path in sorted((tmp_path / "clip").glob("*.npy")):
        path.with_suffix(".webp").write_bytes(pack(np.load(path)))
        path.unlink()
    packed = PairClip(tmp_path / "clip").whole()
    assert np.array_equal(packed.target, plain.target)
    for name in ("channels", "flow", "visible", "present"):
        assert np.array_equal(getattr(packed.conditions, name), getattr(plain.conditions, name)), name
    (tmp_path / "clip" / "depth.webp").write_bytes(b"RIFF")
    with pytest.raises(ClipError, match=r"depth\.webp: missing or damaged"):
        PairClip(tmp_path / "clip")


def test_the_sample_is_held_out_and_small() -> None:
    from simvid.generating.families import DEFORMING
    from simvid.generating.pair_scenes import families

    cases = pair_cases(sample_folder(), "held_out")
    assert {case.group for case in cases} == set(families(held_out=True)) - DEFORMING
    assert {case.shape for case in cases} == {(8, 128, 128)}
    assert sum(p.stat().st_size for p in sample_folder().rglob("*")) < MOST_BYTES
    for case in cases:
        motion = case.motion()
        assert motion is not None
        assert case.frames is not None
        shown = next(case.frames(("light_diffuse", "traced")))
        assert shown.light_diffuse is not None
        assert shown.traced is not None
        assert case.light is not None


@pytest.mark.slow
@pytest.mark.parametrize("refiner", ["bundled", "traced"])
def test_our_refiners_reach_the_figures_of_their_cards(
    refiner: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = catalogue.folder("refiners") / refiner / "held_out_sample.json"
    assert cli.main(["evaluate", "--refiner", refiner, "--out", str(tmp_path / "found"), "--videos", "0", "-q"]) == 0
    found = json.loads((tmp_path / "found" / "evaluation.json").read_text())
    assert len(found["clips"]) == 4
    mine, coarse = (found["mean"][name]["figures"] for name in (refiner, "coarse"))
    wanted = json.loads(card.read_text())["mean"][refiner]["figures"]
    for name, tolerance in TOLERANCES.items():
        assert mine[name] == pytest.approx(wanted[name], abs=tolerance), name
    begun = found["mean"]["few paths"]["figures"] if refiner == "traced" else coarse
    assert mine["psnr_db"] > begun["psnr_db"] + 0.3
    assert mine["ssim"] > begun["ssim"]
    assert ("few paths" in found["mean"]) == (refiner == "traced")
