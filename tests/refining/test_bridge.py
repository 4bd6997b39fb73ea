"""The refiner that runs trained weights keeps the contract of all refiners."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.errors import AssetError, SceneError
from simvid.refining.bridge import BridgeRefiner, BridgeSettings
from simvid.refining.pipeline import VideoRefinerPipeline
from simvid.refining.scheduler import BridgeScheduler
from simvid.testing.refiners import tiny_unet
from simvid.testing.refining import RefinerContract, sample_frames


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    VideoRefinerPipeline(tiny_unet(looks=("sunset",)), BridgeScheduler()).save_pretrained(folder)
    return folder


def made(weights: Path, **settings: Any) -> BridgeRefiner:
    return BridgeRefiner(BridgeSettings(weights=str(weights), **{"buffers": False, **settings}))


class TestBridge(RefinerContract):
    @pytest.fixture(autouse=True)
    def _weights(self, weights: Path) -> None:
        self.weights = weights

    def refiner(self) -> BridgeRefiner:
        return made(self.weights)

    def test_it_changes_the_pictures_and_looks_differ(self) -> None:
        plain = self.pictures()
        assert np.abs(plain.astype(int) - np.stack([f.rgb for f in sample_frames(self.count)])).mean() > 1
        sunset = np.stack(list(self.refiner().refine(iter(sample_frames(self.count)), look="sunset", seed=0)))
        assert not np.array_equal(sunset, plain)
        assert not np.array_equal(self.pictures(seed=1), plain)


FRESH = """
import sys
from simvid.refining.bridge import BridgeRefiner, BridgeSettings
from simvid.testing.refining import sample_frames
refiner = BridgeRefiner(BridgeSettings(weights=sys.argv[1], buffers=False))
assert not {"torch", "diffusers"} & set(sys.modules), "nothing heavy before the first picture"
print(sum(int(p.sum()) for p in refiner.refine(sample_frames(2), look="sunset", seed=0)))
"""


def test_it_loads_in_a_fresh_process_and_says_nothing(weights: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FRESH, str(weights)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = sum(int(p.sum()) for p in made(weights).refine(sample_frames(2), look="sunset", seed=0))
    assert int(done.stdout) == expected
    assert done.stderr == ""


def test_frames_stream(weights: Path) -> None:
    """Each picture comes before the next frame is asked for, so that 10,000 frames need no more memory than ten."""
    asked = []

    def frames() -> Any:
        for i, frame in enumerate(sample_frames(4)):
            asked.append(i)
            yield frame

    pictures = made(weights).refine(frames(), look="sunset", seed=0)
    assert asked == []
    for i in range(4):
        next(pictures)
        assert asked == list(range(i + 1))


def test_one_frame_and_no_motion(weights: Path) -> None:
    frames = [sample_frames(1)[0]] * 3
    assert len(list(made(weights).refine(frames[:1], look="as_rendered", seed=0))) == 1
    assert len(list(made(weights).refine(frames, look="as_rendered", seed=0))) == 3


def test_the_record_follows_the_weights_not_their_place(weights: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    pipe = VideoRefinerPipeline.from_pretrained(weights)
    pipe.save_pretrained(copy)
    assert made(copy).settings() == made(weights, threads=2).settings()
    pipe.unet.leave.bias.data += 1
    pipe.save_pretrained(copy)
    assert made(copy).version() != made(weights).version()
    assert made(weights).reads == ("depth", "normals", "flow_backward", "occluded_backward")
    assert "light_diffuse" in made(weights, buffers=True).reads


def test_bad_weights_are_named(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="missing: model_index"):
        made(tmp_path)
    pipe = VideoRefinerPipeline.from_pretrained(weights)
    pipe.save_pretrained(tmp_path)
    path = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(AssetError, match="cannot be loaded as a refiner"):
        list(made(tmp_path).refine(sample_frames(1), look="as_rendered", seed=0))
    path.rename(path.with_name("diffusion_pytorch_model.bin"))
    with pytest.raises(AssetError, match=r"missing: unet/diffusion_pytorch_model\.safetensors"):
        made(tmp_path)
    config = tmp_path / "unet" / "config.json"
    config.write_text(json.dumps({"widths": []}))
    path.write_bytes(b"")
    with pytest.raises(AssetError, match="not that of a refiner"):
        made(tmp_path).refine([], look="as_rendered", seed=0)


def test_nan_in_a_label_is_named(weights: Path) -> None:
    frame = sample_frames(1)[0]
    assert frame.depth is not None
    frame.depth[0, 0] = np.nan
    with pytest.raises(ValueError, match="frame 0: depth has NaN"):
        list(made(weights).refine([frame], look="as_rendered", seed=0))
    with pytest.raises(SceneError, match="knows as_rendered, sunset; got 'noir'"):
        made(weights).refine([frame], look="noir", seed=0)
