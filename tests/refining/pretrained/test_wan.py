"""Both adapters to Wan on tiny random weights, loaded from folders without a network."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.camera_path import RollingShutter
from simvid.errors import SceneError
from simvid.frames import Frames
from simvid.refining import noise_fast
from simvid.refining.noise import anchors, latents
from simvid.refining.pretrained.adapter import PretrainedRefiner
from simvid.refining.pretrained.latents import Clock, LatentHold, anchored_noise, encoded
from simvid.refining.pretrained.shapes import FrameRule
from simvid.refining.pretrained.wan import RULE, WanVace, WanVaceSettings, WanVideo, WanVideoSettings
from simvid.refining.pretrained.weights import library
from simvid.testing.refining import RefinerContract, sample_context, sample_frames

Saved = Callable[[str], str]
COMMON: dict[str, Any] = {"weights_licence": "none", "steps": 2, "guidance": 2.0, "dtype": "float32", "device": "cpu",
                          "threads": 1}  # fmt: skip


@pytest.fixture(autouse=True)
def _folders(saved: Saved, request: pytest.FixtureRequest) -> None:
    if request.instance is not None:
        request.instance.saved = saved


def vace(saved: Saved, count: int = 5, **options: Any) -> Any:
    made = WanVace(WanVaceSettings(model=saved("wan_vace"), **{**COMMON, **options}))
    return made.in_clip(sample_context(count))


def video(saved: Saved, count: int = 5, **options: Any) -> Any:
    made = WanVideo(WanVideoSettings(model=saved("wan"), **{**COMMON, **options}))
    return made.in_clip(sample_context(count))


def pictures(refiner: Any, count: int = 5, look: str = "as_rendered", seed: int = 0) -> Any:
    return np.stack(list(refiner.refine(sample_frames(count), look=look, seed=seed)))


class TestVace(RefinerContract):
    saved: Saved

    def refiner(self) -> Any:
        return vace(self.saved)


class TestVideo(RefinerContract):
    saved: Saved

    def refiner(self) -> Any:
        return video(self.saved)


@pytest.mark.parametrize("make", [vace, video])
def test_look_seed_and_caption_matter(make: Any, saved: Saved) -> None:
    plain = pictures(make(saved))
    assert not np.array_equal(pictures(make(saved), look="sunset"), plain)
    assert not np.array_equal(pictures(make(saved), seed=1), plain)
    told = make(saved)
    told.context = replace(told.context, caption="A cube on a table.")
    assert not np.array_equal(pictures(told), plain)


@pytest.mark.parametrize("control", ["flow", "edges", "blur"])
def test_every_control_of_vace_is_read(control: str, saved: Saved) -> None:
    assert not np.array_equal(pictures(vace(saved, control=control)), pictures(vace(saved)))


def test_conditioning_and_reference_matter(saved: Saved, tmp_path: Path) -> None:
    from PIL import Image

    plain = pictures(vace(saved))
    assert not np.array_equal(pictures(vace(saved, conditioning=0.2)), plain)
    Image.new("RGB", (30, 20), (200, 40, 30)).save(tmp_path / "style.png")
    styled = pictures(vace(saved, reference=str(tmp_path / "style.png")))
    assert styled.shape == plain.shape
    assert not np.array_equal(styled, plain)


@pytest.mark.parametrize("make", [vace, video])
def test_long_clips_go_in_chunks(make: Any, saved: Saved) -> None:
    """The first chunk does not depend on what follows, and nothing is lost where chunks meet."""
    chunked = make(saved, 12, chunk=5, overlap=2)
    whole = list(chunked.refine(sample_frames(12), look="as_rendered", seed=0))
    assert len(whole) == 12
    assert np.array_equal(whole[:3], pictures(make(saved, 12, chunk=5, overlap=2))[:3])


@pytest.mark.parametrize("make", [vace, video])
def test_later_chunks_are_shown_what_was_refined_before(make: Any, saved: Saved, monkeypatch: Any) -> None:
    """Frames after the shared ones, where nothing is cross-faded, would otherwise be others."""
    told = pictures(make(saved, 8, chunk=5, overlap=2), 8)
    padded = lambda _, chunk, rule: rule.padded(chunk.frames.rgb)  # noqa: E731
    monkeypatch.setattr(PretrainedRefiner, "with_tail", padded)
    alone = pictures(make(saved, 8, chunk=5, overlap=2), 8)
    assert np.array_equal(told[:3], alone[:3])
    assert not np.array_equal(told[5:], alone[5:])


def test_memory_does_not_grow_with_the_clip(saved: Saved) -> None:
    asked = 0

    def frames() -> Any:
        nonlocal asked
        for frame in sample_frames(20):
            asked += 1
            yield frame

    made = vace(saved, 20, chunk=5, overlap=1).refine(frames(), look="as_rendered", seed=0)
    assert asked == 0
    next(made)
    assert asked == 6


def test_anchored_noise_is_gaussian_and_sticks(saved: Saved) -> None:
    count, context = 9, sample_context(9, 128, 96)
    frames = Frames.stack(context.camera, sample_frames(count, 128, 96))
    made = anchored_noise(frames, context, 0, RULE, 16, seed=3)
    assert made.shape == (16, 3, 12, 16)
    assert abs(made.mean()) < 0.05
    assert abs(made.std() - 1) < 0.05
    background = (slice(None), slice(None), slice(0, 3))  # never behind the square: the same surface in all frames
    assert np.array_equal(made[background][:, 0], made[background][:, 2])
    other = anchored_noise(frames, context, 0, RULE, 16, seed=4)
    assert abs(np.corrcoef(made.ravel(), other.ravel())[0, 1]) < 0.1


def test_chunks_under_a_rolling_shutter_know_where_the_camera_comes_from() -> None:
    """A chunk's first frame is read on the way from the frame before it, which is in no chunk but in the path."""
    rule, clip = FrameRule(stride=1, multiple=16), sample_context(6, 128, 100)
    poses = np.array(clip.camera.world_from_camera)
    poses[:, 0, 3] = (0.0, 0.4, -0.3, 0.5, 0.1, -0.2)
    camera = replace(clip.camera, world_from_camera=poses, shutter=RollingShutter(0.03))
    context, frames = replace(clip, camera=camera), sample_frames(6, 128, 100)
    part = Frames.stack(replace(camera, world_from_camera=poses[3:]), frames[3:])
    whole = anchored_noise(Frames.stack(camera, frames), context, 0, rule, 4, seed=3)
    assert np.array_equal(anchored_noise(part, context, 3, rule, 4, seed=3), whole[:, 3:])
    cells = anchors(camera, context.trajectory, 3, frames[3].depth, frames[3].ids)  # type: ignore[arg-type]
    assert np.array_equal(latents(cells, 4, 3, 8, noise_fast.gaussian)[:, :12], whole[:, 3, :12, :16])


def test_held_latents_follow_the_coarse_video() -> None:
    """Inside the mask until the clock runs out, and nothing elsewhere; reference frames are left alone."""
    torch = library("torch")

    class Pipe:
        scheduler = library("diffusers").FlowMatchEulerDiscreteScheduler(shift=3.0)

    Pipe.scheduler.set_timesteps(4)
    known, noise = torch.full((1, 2, 3, 2, 2), 5.0), torch.full((1, 2, 3, 2, 2), -1.0)
    mask = torch.zeros(1, 1, 3, 2, 2, dtype=torch.bool)
    mask[..., 1, 0, 1] = True
    hold = LatentHold(known, noise, (Clock(mask, 2),), leading=1)
    latents = torch.zeros(1, 2, 4, 2, 2)
    for step, time in enumerate(Pipe.scheduler.timesteps):
        latents = Pipe.scheduler.step(torch.zeros_like(latents), time, latents).prev_sample
        latents = hold(Pipe, step, time, {"latents": latents * 0})["latents"]
        sigma = float(Pipe.scheduler.sigmas[step + 1])
        inside = latents[:, :, 1:][mask.expand(1, 2, 3, 2, 2)]
        wanted = (1 - sigma) * 5 - sigma if step < 2 else 0.0
        assert torch.allclose(inside, torch.full_like(inside, wanted))
        assert float(latents.abs().sum()) == pytest.approx(float(inside.abs().sum()))


def test_held_robots_stay_nearer_to_the_coarse_latents(saved: Saved) -> None:
    """Holding in all steps ends in the coarse latents themselves, where the robot is."""
    free = video(saved, protect="none", steps=4)
    held = video(saved, protect="robots", protect_steps=4, steps=4)
    coarse = RULE.padded(np.stack([f.rgb for f in sample_frames(5)]))
    ids = np.stack([f.ids for f in sample_frames(5) if f.ids is not None])
    inside = RULE.latent_mask(RULE.padded(ids == 2))
    known = encoded(held.pipe.vae, coarse)[0].numpy()
    assert inside.any()
    assert not inside.all()
    ends = {}
    for name, refiner in (("free", free), ("held", held)):
        plain = refiner.pipe.vae.decode
        seen: list[Any] = []
        refiner.pipe.vae.decode = lambda z, plain=plain, seen=seen, **o: (seen.append(z), plain(z, **o))[1]
        pictures(refiner)
        vae = refiner.pipe.vae.config
        mean, std = (np.array(v)[:, None, None, None] for v in (vae.latents_mean, vae.latents_std))
        ends[name] = abs((seen[0][0].numpy() - mean) / std - known).mean(axis=0)
    assert ends["held"][inside].mean() < 1e-4
    assert ends["free"][inside].mean() > 0.1
    assert ends["held"][~inside].mean() > 0.1


def test_two_clocks_keep_moving_parts_nearer(saved: Saved) -> None:
    plain = video(saved, protect="none", steps=8, strength=1.0)
    clocked = video(saved, protect="none", steps=8, strength=1.0, moving_strength=0.25)
    assert [clock.steps for clock in clocked._clocks(_chunk(clocked), 8)] == [6]
    assert not np.array_equal(pictures(clocked), pictures(plain))


@pytest.mark.parametrize(
    ("steps", "moving", "said"),
    [
        (8, 0.6, "moving_strength: expected less than strength 0.6, got 0.6"),
        (8, 0.9, "moving_strength: expected less than strength 0.6, got 0.9"),
        (4, 0.5, "expected at least one step less than strength 0.6, which takes 2 of 4, got 0.5, which takes 2"),
    ],
)
def test_a_second_clock_that_would_do_nothing_is_refused(
    steps: int, moving: float, said: str, saved: Saved, tmp_path: Path
) -> None:
    from simvid.jobs.backends import refiner_of

    entry = tmp_path / "mine.yaml"
    settings = f"model: {saved('wan')}, weights_licence: none, steps: {steps}, moving_strength: {moving}"
    entry.write_text(f"# Mine.\nbackend: wan_v2v\nsettings: {{{settings}}}\n")
    with pytest.raises(SceneError, match=re.escape(said)):
        refiner_of(str(entry), tmp_path)


def _chunk(refiner: Any) -> Any:
    from simvid.refining.pretrained.adapter import Chunk

    frames = Frames.stack(refiner.context.camera, sample_frames(5))
    return Chunk(frames, 0, None, "", 0, 0, None)


def test_strength_of_v2v_is_how_far_it_goes(saved: Saved) -> None:
    """What comes back is nearer to the coarse video, through the same autoencoder, the lower the strength."""
    refiner = video(saved, protect="none", steps=10, strength=0.1)
    coarse = RULE.padded(np.stack([f.rgb for f in sample_frames(5)]))
    through = refiner.pipe.vae.decode(_raw(refiner, coarse)).sample[0].permute(1, 2, 3, 0).detach().numpy()
    through = (np.clip(through, -1, 1) + 1) * 127.5
    made = [pictures(video(saved, protect="none", steps=10, strength=s)).astype(float) for s in (0.1, 0.4, 1.0)]
    apart = [float(abs(m - through).mean()) for m in made]
    assert apart[0] < apart[1] < apart[2]


def _raw(refiner: Any, coarse: Any) -> Any:
    torch = library("torch")

    pixels = torch.from_numpy(coarse).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    return refiner.pipe.vae.encode(pixels).latent_dist.mode()


def test_a_low_rank_adapter_is_loaded(saved: Saved, tmp_path: Path) -> None:
    torch, peft, kind = library("torch"), library("peft"), library("diffusers").WanVACEPipeline
    pipe = kind.from_pretrained(saved("wan_vace"))
    torch.manual_seed(1)
    pipe.transformer.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    kind.save_lora_weights(tmp_path, peft.get_peft_model_state_dict(pipe.transformer))
    file = str(tmp_path / "pytorch_lora_weights.safetensors")
    few: dict[str, Any] = {"steps": 2, "guidance": 1.0}
    plain, tuned = pictures(vace(saved, **few)), pictures(vace(saved, lora=file, **few))
    assert not np.array_equal(plain, tuned)
    assert np.array_equal(pictures(vace(saved, lora=file, lora_scale=0.0, **few)), plain)
    assert "sha256" in vace(saved, lora=file).settings()["lora"]


def test_it_must_know_the_clip_for_anchors(saved: Saved) -> None:
    refiner = WanVace(WanVaceSettings(model=saved("wan_vace"), **COMMON))
    with pytest.raises(SceneError, match="must know the clip"):
        list(refiner.refine(sample_frames(2), look="as_rendered", seed=0))
    free = WanVace(WanVaceSettings(model=saved("wan_vace"), **COMMON, noise="drawn", protect="none"))
    assert len(list(free.refine(sample_frames(2), look="as_rendered", seed=0))) == 2


def test_the_licence_and_the_weights_are_on_record(saved: Saved) -> None:
    found = vace(saved).settings()
    assert found["weights_licence"] == "none"
    assert found["weights"].startswith("sha256:")
    assert {"threads", "offload"}.isdisjoint(found)


@pytest.mark.parametrize("make", [vace, video])
def test_it_runs_in_bfloat16(make: Any, saved: Saved) -> None:
    assert len(pictures(make(saved, dtype="bfloat16"))) == 5


class Spy:
    """A pipeline that remembers what it was called with and what it gave."""

    def __init__(self, pipe: Any) -> None:
        self.pipe, self.calls, self.given = pipe, list[dict[str, Any]](), list[Any]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pipe, name)

    def __call__(self, **options: Any) -> Any:
        self.calls.append(options)
        self.given.append(self.pipe(**options))
        return self.given[-1]


def test_vace_keeps_robots_and_what_was_refined_before(saved: Saved) -> None:
    """The mask is black there, and the video shows the pictures to keep; elsewhere it is white over the control."""
    refiner = vace(saved, 8, chunk=5, overlap=2)
    spy = vars(refiner)["pipe"] = Spy(refiner.pipe)
    pictures(refiner, 8)
    robot = np.stack([RULE.padded(f.ids[None])[0] == 2 for f in sample_frames(8) if f.ids is not None])
    coarse = np.stack([RULE.padded(f.rgb[None])[0] for f in sample_frames(8)])
    masks, videos = ([np.stack([np.asarray(x) for x in call[key]]) for call in spy.calls] for key in ("mask", "video"))
    assert len(spy.calls) == 2
    assert np.array_equal(masks[0][..., 0] == 0, robot[:5])
    assert np.array_equal(videos[0][robot[:5]], coarse[:5][robot[:5]])
    assert (masks[1][:2] == 0).all()
    assert np.array_equal(masks[1][2:, ..., 0] == 0, robot[5 - 2 + 2 :][: len(masks[1]) - 2])
    refined = np.round(np.clip(np.asarray(spy.given[0].frames[0]), 0, 1) * 255)[3:5, :32, :48]
    assert np.array_equal(videos[1][:2, :32, :48], refined)
