"""The refiner that runs trained weights keeps the contract of all refiners."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from simvid.camera_path import RollingShutter
from simvid.errors import AssetError, SceneError, SimvidError
from simvid.frames import Frame
from simvid.refining import noise_fast
from simvid.refining.base import ClipContext, ListeningRefiner
from simvid.refining.bridge import ANCHORS, BridgeRefiner, BridgeSettings
from simvid.refining.bridge_weights import BridgeWeights
from simvid.refining.conditions import reading
from simvid.refining.model import LIGHT, RefinerUNet
from simvid.refining.noise import anchors
from simvid.refining.pipeline import VideoRefinerPipeline
from simvid.refining.scheduler import BridgeScheduler
from simvid.refining.training.start import begin
from simvid.testing.refiners import tiny_unet
from simvid.testing.refining import RefinerContract, sample_context, sample_frames


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
refiner.load()
assert {"torch", "diffusers"} <= set(sys.modules)
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
    assert made(weights).reads == ("depth", "normals", "flow_backward", "occluded_backward", "ids")
    assert "ids" not in made(weights, noise="white").reads
    assert "light_diffuse" in made(weights, buffers=True).reads


def test_captures_and_what_is_clear_stay_as_they_were_drawn(tmp_path: Path) -> None:
    unet = tiny_unet()
    unet.leave.bias.data += 0.5
    VideoRefinerPipeline(unet, BridgeScheduler()).save_pretrained(tmp_path)
    share = np.ones((32, 48), np.float16)
    share[:, :16], share[:, 16:32] = 0, 0.5
    frames = sample_frames(3)
    plain = drawn(made(tmp_path), frames).astype(float)
    mixed = drawn(made(tmp_path), [replace(f, surface_opaque=share) for f in frames])
    coarse = np.stack([f.rgb for f in frames])
    assert np.abs(plain - coarse).mean() > 10
    assert np.array_equal(mixed[:, :, :17], coarse[:, :, :17]), "and the pixels beside them"
    assert np.abs(mixed[:, :, 17:33] - (plain + coarse)[:, :, 17:33] / 2).max() <= 0.5
    assert np.array_equal(mixed[:, :, 33:], plain[:, :, 33:])
    assert "surface_opaque" in made(tmp_path, buffers=True).reads


def test_what_is_not_opaque_stays_as_it_was_traced(weights: Path, tmp_path: Path) -> None:
    """With weights that read the traced picture, and settings that let them."""
    unet = tiny_unet(**reading(traced=True))
    unet.leave.bias.data += 0.5
    VideoRefinerPipeline(unet, BridgeScheduler()).save_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    share = np.zeros((32, 48), np.float16)
    share[:, 24:] = 1
    frames = [
        replace(f, surface_opaque=share, traced=rng.integers(0, 256, f.rgb.shape, np.uint8)) for f in sample_frames(2)
    ]
    coarse, traced = (np.stack([getattr(f, name) for f in frames]) for name in ("rgb", "traced"))
    readers = made(tmp_path, buffers=True), made(tmp_path), made(weights, buffers=True)
    assert ["traced" in refiner.reads for refiner in readers] == [True, False, False]
    for refiner, kept in zip(readers, (traced, coarse, coarse), strict=True):
        pictures = drawn(refiner, frames)
        assert np.array_equal(pictures[:, :, :24], kept[:, :, :24])
        assert not np.array_equal(pictures[:, :, 25:], kept[:, :, 25:])
    bare = [replace(f, traced=None) for f in frames]
    for refiner, same in zip(readers, (False, True, True), strict=True):
        assert np.array_equal(drawn(refiner, bare), drawn(refiner, frames)) == same


def test_looks_by_name_or_as_light(weights: Path, tmp_path: Path) -> None:
    """Weights that were taught looks are told them; others want the coarse pass under them."""
    assert not made(weights).looks_are_light
    VideoRefinerPipeline(tiny_unet(), BridgeScheduler()).save_pretrained(tmp_path)
    plain = made(tmp_path)
    assert plain.looks_are_light
    assert plain.looks == ("as_rendered",)
    with pytest.raises(SceneError, match="knows as_rendered; got 'sunset'; other looks reach it as light"):
        plain.refine([], look="sunset", seed=0)


def in_clip(weights: Path, context: ClipContext | None = None, **settings: Any) -> Any:
    """A refiner that knows the clip of the sample frames."""
    refiner = made(weights, **settings)
    assert isinstance(refiner, ListeningRefiner)
    return refiner.in_clip(sample_context(4) if context is None else context)


def drawn(refiner: Any, frames: list[Frame] | None = None, seed: int = 0) -> Any:
    given = sample_frames(4) if frames is None else frames
    return np.stack(list(refiner.refine(iter(given), look="as_rendered", seed=seed)))


def test_noise_sticks_to_surfaces_in_a_clip(weights: Path) -> None:
    """With all parts and the camera at rest the noise of each frame is the same; white noise is new each time."""
    still = [sample_frames(1)[0]] * 3
    anchored = drawn(in_clip(weights, history=False), still)
    white = drawn(in_clip(weights, history=False, noise="white"), still)
    assert np.array_equal(drawn(in_clip(weights, history=False), still), anchored)
    assert not np.array_equal(drawn(in_clip(weights, history=False), still, seed=1), anchored)
    moved = [np.abs(video[2].astype(int) - video[1]).mean() for video in (anchored, white)]
    assert moved[1] > 3 * moved[0] + 0.5


def test_noise_knows_the_whole_path_of_a_rolling_shutter() -> None:
    from simvid.refining.bridge import _Feed

    clip, frames = sample_context(3), sample_frames(3)
    poses = np.array(clip.camera.world_from_camera)
    poses[:, 0, 3] = (0.0, 0.4, -0.3)
    camera = replace(clip.camera, world_from_camera=poses, shutter=RollingShutter(0.03))
    feed = _Feed(frames, ANCHORS, replace(clip, camera=camera), 7)
    noises = feed.noises()
    for k, (frame, _) in enumerate(zip(frames, feed.conditions(), strict=True)):
        assert frame.depth is not None
        assert frame.ids is not None
        wanted = noise_fast.gaussian(anchors(camera, clip.trajectory, k, frame.depth, frame.ids), 3, 7)
        assert np.array_equal(next(noises).numpy(), wanted)


def test_frames_without_a_clip_get_white_noise(weights: Path) -> None:
    assert np.array_equal(drawn(made(weights)), drawn(made(weights, noise="white")))
    assert not np.array_equal(drawn(in_clip(weights)), drawn(made(weights)))


def test_a_clip_in_chunks_is_the_stream(weights: Path) -> None:
    """The pipeline, given all frames and the anchored noise at once, draws what the refiner streams."""
    import torch

    from simvid.refining.bridge import _Feed
    from simvid.refining.conditions import stack
    from simvid.refining.pipeline import Sampling

    refiner = in_clip(weights, history=False, bfloat16=False)
    feed = _Feed(sample_frames(4), refiner.reads, sample_context(4), 0)
    noises = feed.noises()
    parts, noise = zip(*((c, next(noises)) for c in feed.conditions()), strict=True)
    pipe = VideoRefinerPipeline.from_pretrained(weights)
    whole = pipe(stack(list(parts)), sampling=Sampling(history=False, chunk=4), noise=torch.stack(noise)).frames
    assert np.abs(whole.astype(int) - drawn(refiner)).max() <= 1


def test_the_light_reaches_the_network(weights: Path) -> None:
    sunny = replace(sample_context(4), light=(1.0, 0.0, -1.0, 0.0, 2.0, 2.0, 1.5, 0.3, 0.3, 0.4, 0.0))
    assert len(sunny.light or ()) == LIGHT
    assert sunny.digest() != sample_context(4).digest()
    assert not np.array_equal(drawn(in_clip(weights, sunny)), drawn(in_clip(weights)))
    alone = drawn(made(weights).in_light(sunny.light))
    assert not np.array_equal(alone, drawn(made(weights)))
    assert np.array_equal(alone, drawn(in_clip(weights, sunny, noise="white")))


def test_bad_weights_are_named(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="missing: model_index"):
        made(tmp_path)
    with pytest.raises(AssetError, match=r"got .*nowhere: nothing there"):
        made(tmp_path / "nowhere")
    shutil.copytree(weights, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    whole = path.read_bytes()
    for damaged in (whole[:1000], b"\x80\x04" + whole[2:], b""):
        path.write_bytes(damaged)
        with pytest.raises(AssetError, match="cannot be loaded as a refiner: its weights are damaged"):
            list(made(tmp_path).refine(sample_frames(1), look="as_rendered", seed=0))
    path.rename(path.with_name("diffusion_pytorch_model.bin"))
    with pytest.raises(AssetError, match=r"missing: unet/.*safetensors; diffusion_pytorch_model\.bin: pickled"):
        made(tmp_path)
    pickled = tmp_path / "weights.pt"
    pickled.write_bytes(b"\x80\x04.")
    with pytest.raises(AssetError, match=r"weights\.pt: pickled weights are refused"):
        made(pickled)
    path.write_bytes(whole)
    config = tmp_path / "unet" / "config.json"
    for text in (json.dumps({"widths": []}), "{", "[]"):
        config.write_text(text)
        with pytest.raises(AssetError, match="not that of a refiner"):
            made(tmp_path).refine([], look="as_rendered", seed=0)


def test_weights_of_another_family_import_nothing(weights: Path, tmp_path: Path) -> None:
    """The index names modules, and whoever reads it imports them."""
    shutil.copytree(weights, tmp_path, dirs_exist_ok=True)
    index = json.loads((tmp_path / "model_index.json").read_text())
    (tmp_path / "model_index.json").write_text(json.dumps({**index, "unet": ["antigravity", "Fly"]}))
    with pytest.raises(AssetError, match=r"unet: .*RefinerUNet.*; got \['antigravity', 'Fly'\].*another family"):
        made(tmp_path)


def test_weights_that_lack_tensors_are_refused(weights: Path, tmp_path: Path) -> None:
    shutil.copytree(weights, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    whole = load_file(path)
    fewer = {name: tensor for name, tensor in whole.items() if not name.startswith("leave.")}
    for group, said in (
        (fewer, r"; missing: leave\.bias, leave\.weight: copy"),
        (whole | {"leaf": whole["leave.bias"].clone()}, r"expected the \d+ tensors of .*; unexpected: leaf: copy"),
        ({}, r"; missing: \S+, \S+, \S+ and \d+ more: copy"),
    ):
        save_file(group, path)
        with pytest.raises(AssetError, match=said):
            list(made(tmp_path).refine(sample_frames(1), look="as_rendered", seed=0))
        with pytest.raises(AssetError, match=said):
            begin(tiny_unet(looks=("sunset",)), tmp_path)


def test_weights_are_not_damaged_because_the_memory_is_full(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")):

        def full(*_: Any, error: Exception = error, **__: Any) -> Any:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(VideoRefinerPipeline, "from_pretrained", full)
            patch.setattr(RefinerUNet, "from_pretrained", full)
            with pytest.raises(SimvidError, match="do not fit into memory"):
                BridgeWeights(weights).load()
            with pytest.raises(SimvidError, match="do not fit into memory"):
                begin(tiny_unet(looks=("sunset",)), weights)


def test_weights_that_are_no_numbers_are_refused(weights: Path, tmp_path: Path) -> None:
    pipe = VideoRefinerPipeline.from_pretrained(weights)
    pipe.unet.head.weight.data[0, 0, 0, 0] = float("nan")
    pipe.save_pretrained(tmp_path)
    with pytest.raises(AssetError, match=r"not finite, in head\.weight"):
        list(made(tmp_path).refine(sample_frames(1), look="as_rendered", seed=0))
    pipe.unet.head.weight.data[0, 0, 0, 0] = 3e38
    pipe.unet.leave.weight.data[:] = 3e38
    pipe.save_pretrained(tmp_path)
    with pytest.raises(SimvidError, match="gave numbers that are not finite"):
        list(made(tmp_path).refine(sample_frames(1), look="as_rendered", seed=0))


def test_paths_start_at_the_entry(weights: Path) -> None:
    settings = BridgeSettings(weights=weights.name)
    assert BridgeRefiner(settings.beside(weights.parent)).looks == ("as_rendered", "sunset")
    assert BridgeSettings(weights=str(weights)).beside(Path("/elsewhere")).weights == str(weights)


def test_bad_frames_are_named(weights: Path) -> None:
    frames = sample_frames(4)
    broken = np.array(frames[2].depth)
    broken[0, 0] = np.nan
    for wrong, said in (
        (replace(frames[2], depth=broken), "frame 2: depth has NaN"),
        (sample_frames(1, width=40)[0], "frame 2: expected 48 x 32"),
    ):
        for refiner in (made(weights), in_clip(weights)):
            pictures = refiner.refine(iter([*frames[:2], wrong]), look="as_rendered", seed=0)
            assert len([next(pictures), next(pictures)]) == 2
            with pytest.raises(SimvidError, match=said):
                next(pictures)
    bare = [replace(frames[0], normals=None)]
    with pytest.raises(SimvidError, match="frame 0: the refiner reads normals, which the frame does not have"):
        drawn(in_clip(weights), bare)
    with pytest.raises(SimvidError, match="frame 4: the clip has 4 frames"):
        drawn(in_clip(weights), [*frames, frames[0]])
    with pytest.raises(SceneError, match="knows as_rendered, sunset; got 'noir'"):
        made(weights).refine(frames, look="noir", seed=0)


def test_frames_on_their_own_may_lack_labels(weights: Path) -> None:
    """The network is told which; all frames must lack the same."""
    bare = [replace(frame, normals=None) for frame in sample_frames(4)]
    assert not np.array_equal(drawn(made(weights), bare), drawn(made(weights)))
    with pytest.raises(SimvidError, match="frame 1: expected the labels of frame 0; it differs in normals"):
        drawn(made(weights), [*bare[:1], *sample_frames(2)])


def test_too_little_memory_is_said(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")):

        def full(*_: Any, error: Exception = error, **__: Any) -> Any:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("simvid.refining.model.RefinerUNet.forward", full)
            with pytest.raises(SimvidError, match="out of memory at frame 0 of 48 x 32; render smaller pictures"):
                drawn(made(weights))
