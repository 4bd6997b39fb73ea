"""The network: shapes, causality, clip = stream, saving, number formats. The bridge: closed forms. The pipeline."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from simvid.errors import SimvidError
from simvid.refining.blocks import channels_last, shrink_motion, warp
from simvid.refining.conditions import CHANNELS, LAST, OPTIONAL, Conditions, channel_slice, reading
from simvid.refining.model import HISTORY, LIGHT, RefinerUNet
from simvid.refining.pipeline import Sampling, VideoRefinerPipeline, follow
from simvid.refining.scheduler import BridgeScheduler
from simvid.testing.refiners import random_conditions, tiny_unet

B, T, H, W = 2, 5, 32, 48


def inputs(height: int = H, width: int = W, seed: int = 0) -> dict[str, Any]:
    torch.manual_seed(seed)
    return {
        "sample": torch.randn(B, T, 3, height, width),
        "timestep": torch.rand(B, T),
        "conditions": torch.rand(B, T, CHANNELS, height, width),
        "flow": 2 * torch.randn(B, T, 2, height, width),
        "visible": (torch.rand(B, T, 1, height, width) < 0.9).float(),
        "history": torch.rand(B, T, HISTORY, height, width),
        "look": torch.tensor([0, 1]),
        "light": torch.randn(B, LIGHT),
        "present": (torch.rand(B, len(OPTIONAL)) < 0.5).float(),
    }


@pytest.fixture(scope="module", params=[False, True], ids=["without_traced", "traced"])
def unet(request: pytest.FixtureRequest) -> Any:
    return tiny_unet(looks=("sunset",), **reading(traced=request.param))


def run(unet: Any, given: dict[str, Any], **more: Any) -> Any:
    with torch.no_grad():
        return unet(**given, **more)


def test_shapes_of_any_size(unet: Any) -> None:
    for height, width in ((32, 48), (30, 41), (17, 16)):
        given = inputs(height, width)
        out, _ = run(unet, given)
        assert out.shape == given["sample"].shape
        assert bool(torch.isfinite(out).all())


def test_a_new_network_changes_nothing() -> None:
    given = inputs()
    out, _ = run(RefinerUNet(looks=("sunset",)), given)
    assert torch.equal(out, given["conditions"][:, :, :3])


def test_a_new_network_gives_the_traced_picture_where_there_is_one() -> None:
    given = inputs()
    given["present"][:, OPTIONAL.index(LAST)] = torch.tensor([1.0, 0.0])
    unet = RefinerUNet(looks=("sunset",), **reading(traced=True))
    out, _ = run(unet, given)
    traced, coarse = given["conditions"][:, :, channel_slice(LAST)], given["conditions"][:, :, :3]
    assert torch.equal(out[0], traced[0])
    assert torch.equal(out[1], coarse[1])
    assert torch.equal(run(unet, given | {"present": None})[0], traced)


def test_what_weights_do_not_read_they_do_not_see() -> None:
    """Bit for bit, as if the conditions held no traced picture, and flags nothing of it."""
    unet, given = tiny_unet(looks=("sunset",)), inputs()
    out, _ = run(unet, given)
    dark = {name: given[name].clone() for name in ("conditions", "present")}
    dark["conditions"][:, :, channel_slice(LAST)] = 0
    dark["present"][:, OPTIONAL.index(LAST)] = 1 - dark["present"][:, OPTIONAL.index(LAST)]
    fewer = {"conditions": given["conditions"][:, :, :26], "present": given["present"][:, :11]}
    for other in (dark, fewer):
        assert torch.equal(run(unet, given | other)[0], out)
    more = tiny_unet(looks=("sunset",), **reading(traced=True))
    assert not torch.equal(run(more, given | dark)[0], run(more, given)[0])


def factored(term: int, value: float, count: int = 1, **read: int) -> Any:
    """A network that says one factor of the last layer, or a few, for all pixels, and nothing else."""
    unet = RefinerUNet(looks=("sunset",), **read)
    with torch.no_grad():
        unet.fine.bias[4 * (16 + term) : 4 * (16 + term + count)] = value
    return unet


BACK, PAST = 15, 18
"""Terms after those of light, relit and slope, for three colours each."""


def test_factors_lead_from_the_traced_picture_to_the_coarse_one_and_to_the_past() -> None:
    given = inputs() | {"present": torch.ones(B, len(OPTIONAL))}
    given["history"][:, :, 3] = (given["history"][:, :, 3] < 0.5).float()
    coarse, traced = given["conditions"][:, :, :3], given["conditions"][:, :, channel_slice(LAST)]
    past, known = given["history"][:, :, :3], given["history"][:, :, 3:] == 1
    for share in (0.25, 1.0):
        out, _ = run(factored(BACK, share, 3, **reading(traced=True)), given)
        assert torch.allclose(out, (1 - share) * traced + share * coarse, atol=1e-6)
        out, _ = run(factored(PAST, share, 3, **reading(traced=True)), given)
        mean = (1 - share) * traced + share * past
        assert torch.allclose(out, torch.where(known, mean, traced), atol=1e-6)
    one, _ = run(factored(PAST + 1, 1.0, **reading(traced=True)), given)
    assert torch.equal(one[:, :, ::2], traced[:, :, ::2]), "each colour by itself"
    assert torch.allclose(one[:, :, 1], torch.where(known, past, traced)[:, :, 1], atol=1e-6)


@pytest.mark.parametrize("color", [0, 1, 2])
def test_factors_of_the_sharp_surfaces(color: int) -> None:
    given = inputs() | {"present": torch.ones(B, len(OPTIONAL))}
    coarse, soft, sharp, normals = (
        given["conditions"][:, :, channel_slice(name)].numpy()
        for name in ("coarse", "albedo", "surface_albedo", "surface_normals")
    )
    change = {term: (run(factored(term, 0.5), given)[0].numpy() - coarse) for term in (color, 3 + color, 6 + 3 * color)}
    for b, t, y, x in ((0, 0, 0, 0), (1, 4, 31, 47), (0, 2, 9, 20)):
        at = (b, t, color, y, x)
        lost = sharp[at] - soft[at]
        assert change[color][at] == pytest.approx(0.5 * lost, abs=1e-6)
        relit = (coarse[at] + 1) / 2 * lost / (soft[at] + 0.1)  # sqrt(albedo) over what the splats made of it
        assert change[3 + color][at] == pytest.approx(0.5 * np.clip(relit, -1, 1), abs=1e-6)
        around = normals[b, t, 0, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].mean()
        bent = normals[b, t, 0, y, x] - around
        assert change[6 + 3 * color][at] == pytest.approx(0.5 * bent * sharp[at], abs=1e-6)
    assert all(np.count_nonzero(d[:, :, [c for c in range(3) if c != color]]) == 0 for d in change.values())


@pytest.mark.parametrize("hidden", ["albedo", "surface_albedo"])
def test_no_factor_of_albedo_that_is_not_there(hidden: str) -> None:
    given = inputs() | {"present": torch.ones(B, len(OPTIONAL))}
    given["present"][0, OPTIONAL.index(hidden)] = 0
    for term in (0, 3):
        change = run(factored(term, 0.5), given)[0] - given["conditions"][:, :, :3]
        assert not change[0].any()
        assert change[1].any()


@pytest.mark.parametrize("name", ["sample", "timestep", "conditions", "flow", "visible", "history"])
def test_no_frame_sees_a_later_one(unet: Any, name: str) -> None:
    given, frame = inputs(), 2
    before, _ = run(unet, given)
    changed = given[name].clone()
    changed[:, frame] = 1 - changed[:, frame]
    after, _ = run(unet, {**given, name: changed})
    assert torch.equal(before[:, :frame], after[:, :frame])
    assert not torch.allclose(before[:, frame], after[:, frame], atol=1e-4)
    if name not in ("timestep", "flow", "visible"):
        assert not torch.allclose(before[:, frame + 1], after[:, frame + 1], atol=1e-4), "but later ones see it"


@pytest.mark.parametrize("name", ["look", "light", "present"])
def test_the_embedding_reaches_the_picture(unet: Any, name: str) -> None:
    given = inputs()
    changed = {"look": torch.tensor([1, 0])}.get(name, 1 - given[name])
    assert not torch.allclose(run(unet, given)[0], run(unet, {**given, name: changed})[0], atol=1e-4)


def test_frame_by_frame_equals_all_at_once(unet: Any) -> None:
    given = inputs()
    whole, _ = run(unet, given)
    state, parts = None, []
    for start, stop in ((0, 1), (1, 2), (2, 4), (4, 5)):
        part = {k: v[:, start:stop] if k not in ("look", "light", "present") else v for k, v in given.items()}
        out, state = run(unet, part, state=state)
        parts.append(out)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=2e-5)


def test_the_state_does_not_grow() -> None:
    unet, given = tiny_unet(), {k: v for k, v in inputs().items() if k != "look"}
    _, once = run(unet, given)
    _, twice = run(unet, given, state=once)
    sizes = [sum(t.numel() for m in s.memory.values() for t in m) for s in (once, twice)]
    assert sizes[0] == sizes[1] > 0


def test_bfloat16_is_near_float32(unet: Any) -> None:
    given = inputs()
    whole, _ = run(unet, given)
    with torch.autocast("cpu", torch.bfloat16):
        half, _ = run(unet, given)
    change = (whole - given["conditions"][:, :, :3]).std()
    assert half.dtype == torch.float32
    assert 0 < (half - whole).abs().mean() < 0.03 * change


def test_warp_moves_by_whole_pixels() -> None:
    picture = torch.rand(1, 2, 6, 8)
    flow = torch.zeros(1, 2, 6, 8)
    flow[:, 0], flow[:, 1] = 2, -1
    moved = warp(picture, flow)
    assert torch.allclose(moved[..., 1:, :6], picture[..., :5, 2:], atol=1e-6)
    assert bool((moved[..., 7] == 0).all())


@pytest.mark.parametrize("shape", [(1, 5, 6, 7), (3, 5, 6, 7), (1, 1, 6, 7), (3, 1, 6, 7), (1, 5, 1, 1)])
def test_channels_last_is_the_same_and_torch_knows(shape: tuple[int, int, int, int]) -> None:
    n, c, h, w = shape
    x = torch.randn(shape)
    loose = channels_last(x).reshape(1, n, c, h, w).flatten(0, 1)  # strides of what there is one of are now anything
    for made in (channels_last(x), channels_last(channels_last(x)), channels_last(loose), channels_last(x.mT).mT):
        assert torch.equal(made, x)
    for given in (x, loose):
        assert channels_last(given).stride() == (h * w * c, 1, w * c, c)


def test_shrunk_motion_is_the_mean_over_what_is_seen() -> None:
    flow, visible = torch.full((1, 2, 4, 4), 6.0), torch.ones(1, 1, 4, 4)
    flow[..., 0, 0], visible[..., 0, 0] = 1000.0, 0.0
    mean, share = shrink_motion(flow, visible, 2)
    assert torch.allclose(mean, torch.full((1, 2, 2, 2), 3.0))
    assert share[0, 0].tolist() == [[0.75, 1.0], [1.0, 1.0]]


def test_weights_of_other_conditions_are_refused() -> None:
    for conditions, optional in ((7, 11), (29, 11), (26, 12), (30, 13)):
        with pytest.raises(ValueError, match=f"{conditions} channels and {optional} flags; expected 29 and 12, or 26"):
            RefinerUNet(conditions=conditions, optional=optional)


# The bridge


@pytest.mark.parametrize(
    ("kind", "mean", "spread"),
    [("noised_source", 0.4 * 0.2 + 0.6 * -0.5, 0.3 * 0.6), ("brownian", 0.4 * 0.2 + 0.6 * -0.5, 0.3 * 0.24**0.5),
     ("flow", 0.4 * 0.2, 0.6)],
)  # fmt: skip
def test_marginals(kind: Any, mean: float, spread: float) -> None:
    bridge = BridgeScheduler(kind=kind, noise=0.3)
    noise = torch.randn(1, 2, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    target, coarse = torch.full_like(noise, 0.2), torch.full_like(noise, -0.5)
    x = bridge.add_noise(target, coarse, noise, torch.full((1, 2), 0.6))
    assert float(x.mean()) == pytest.approx(mean, abs=4 * spread / x.numel() ** 0.5)
    assert float(x.std()) == pytest.approx(spread, rel=0.01)


@pytest.mark.parametrize("kind", ["noised_source", "flow"])
def test_a_step_with_the_true_target_stays_on_the_line(kind: Any) -> None:
    bridge = BridgeScheduler(kind=kind)
    target, coarse, noise = torch.rand(3, 1, 2, 3, 8, 8).unbind()
    t = torch.tensor([[0.9, 0.4]])
    x = bridge.add_noise(target, coarse, noise, t)
    for share in (0.5, 0.0):
        expected = bridge.add_noise(target, coarse, noise, share * t)
        assert torch.allclose(bridge.step(target, t, x, share * t).prev_sample, expected, atol=1e-6)


def test_a_brownian_step_has_the_bridge_s_marginal() -> None:
    bridge = BridgeScheduler(kind="brownian", noise=0.5)
    draw = torch.Generator().manual_seed(3)
    first, second = (torch.randn(1, 1, 3, 200, 200, generator=draw) for _ in range(2))
    target, coarse, t = torch.zeros_like(first), torch.ones_like(first), torch.tensor([[0.8]])
    x = bridge.step(target, t, bridge.add_noise(target, coarse, first, t), 0.3, second).prev_sample
    assert float(x.mean()) == pytest.approx(0.3, abs=0.005)
    assert float(x.std()) == pytest.approx(0.5 * (0.3 * 0.7) ** 0.5, rel=0.01)
    with pytest.raises(ValueError, match="needs noise"):
        bridge.step(target, t, x, 0.3)


def test_times() -> None:
    bridge = BridgeScheduler()
    bridge.set_timesteps(4, strength=0.8)
    assert bridge.timesteps.tolist() == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert [bridge.next_time(i) for i in range(4)] == pytest.approx([0.6, 0.4, 0.2, 0.0])
    shifted = BridgeScheduler(shift=3.0)
    shifted.set_timesteps(2)
    assert shifted.timesteps.tolist() == pytest.approx([1.0, 0.75])
    for wrong in ({"num_inference_steps": 0}, {"num_inference_steps": 1, "strength": 0.0}):
        with pytest.raises(ValueError, match="expected one step"):
            bridge.set_timesteps(**wrong)
    with pytest.raises(ValueError, match="noised_source, brownian, flow"):
        BridgeScheduler(**{"kind": "bridge"})


@pytest.mark.parametrize("kind", ["noised_source", "brownian", "flow"])
def test_a_step_stays_on_its_device(kind: Any) -> None:
    x, t = torch.empty(1, 2, 3, 8, 8, device="meta"), torch.ones(1, 2, device="meta")
    bridge = BridgeScheduler(kind=kind)
    for to in (0.5, 0.0, 0.5 * t, torch.tensor(0.5)):
        assert bridge.step(x, t, x, to, x).prev_sample.device.type == "meta"
    assert bridge.add_noise(x, x, x, t).device.type == "meta"


# The pipeline


def pipeline(**bridge: Any) -> VideoRefinerPipeline:
    return VideoRefinerPipeline(tiny_unet(looks=("sunset",)), BridgeScheduler(**bridge))


def seeded() -> Any:
    return torch.Generator().manual_seed(5)


def test_save_and_load_give_the_same_bits(tmp_path: Path) -> None:
    saved = pipeline(noise=0.4)
    saved.save_pretrained(tmp_path)
    loaded = VideoRefinerPipeline.from_pretrained(tmp_path)
    index = (tmp_path / "model_index.json").read_text()
    for name in ("simvid.refining.model", "simvid.refining.scheduler", "RefinerUNet", "BridgeScheduler"):
        assert f'"{name}"' in index, "public paths are frozen: saved folders name them"
    assert list(tmp_path.rglob("*.safetensors"))
    assert loaded.scheduler.config.noise == 0.4
    for (name, one), (_, two) in zip(saved.unet.state_dict().items(), loaded.unet.state_dict().items(), strict=True):
        assert torch.equal(one, two), name
    controls = random_conditions(3)
    pictures = [p(controls, look="sunset", generator=seeded()).frames for p in (saved, loaded)]
    assert np.array_equal(*pictures)


@pytest.mark.parametrize("kind", ["noised_source", "brownian"])
@pytest.mark.parametrize("history", [False, True])
def test_a_stream_gives_the_clip_s_pictures(kind: Any, history: bool) -> None:
    pipe, controls = pipeline(kind=kind), random_conditions(5)
    sampling = Sampling(steps=3, history=history, chunk=2)
    clip = pipe(controls, sampling=sampling, generator=seeded()).frames
    frames = (controls.part(i, i + 1) for i in range(5))
    stream = np.stack(list(pipe.stream(frames, sampling=sampling, generator=seeded())))
    assert clip.shape == (5, H, W, 3)
    assert clip.dtype == np.uint8
    assert np.abs(clip.astype(int) - stream).max() <= 1, "they agree to rounding"
    assert clip[3].std() > 5


@pytest.mark.parametrize("kind", ["noised_source", "brownian"])
@pytest.mark.parametrize("given", [False, True])
def test_pictures_are_made_on_the_device_of_the_network(
    kind: Any, given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All on one without numbers, where none can be looked at."""
    monkeypatch.setattr(BridgeScheduler, "next_time", lambda _, step: (0.5, 0.0)[step])
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda _: False)
    monkeypatch.setattr(torch, "isfinite", lambda _: np.ones(1))
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)
    pipe, noise = pipeline(kind=kind).to("meta"), torch.randn(3, 3, H, W) if given else None
    video = pipe(random_conditions(3), sampling=Sampling(steps=2), noise=noise, output_type="pt").frames
    assert video.device.type == "meta"
    assert video.shape == (3, H, W, 3)


def test_the_chunk_does_not_matter_but_the_past_does() -> None:
    pipe, controls = pipeline(), random_conditions(5)
    noise = torch.randn(5, 3, H, W, generator=seeded())
    run = lambda **s: pipe(controls, sampling=Sampling(**s), noise=noise).frames.astype(int)  # noqa: E731
    assert np.abs(run(history=False, chunk=2) - run(history=False, chunk=5)).max() <= 1
    assert np.abs(run(history=False)[1:] - run(history=True)[1:]).max() > 3
    assert np.abs(run(history=False, strength=0.2) - run(history=False)).max() > 3
    assert np.abs(run(history=False, steps=2) - run(history=False)).max() > 3


def test_history_is_cut_where_nothing_was_seen() -> None:
    refined, flow, visible = torch.rand(1, 3, 4, 4), torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4)
    visible[..., 0, 0] = 0
    moved = follow(refined, flow, visible)
    assert torch.allclose(moved[:, :3, 1:], refined[:, :, 1:], atol=1e-6)
    assert moved[0, :, 0, 0].tolist() == [0, 0, 0, 0]


def test_the_callback_may_change_the_sample() -> None:
    pipe, seen = pipeline(), []

    def hold(_: Any, step: int, time: float, given: dict[str, Any]) -> dict[str, Any]:
        seen.append((step, round(time, 3)))
        return {"sample": torch.zeros_like(given["sample"])}

    video = pipe(random_conditions(2), sampling=Sampling(steps=2, history=False), callback_on_step_end=hold)
    assert seen == [(0, 1.0), (1, 0.5)]
    assert set(np.unique(video.frames)) == {128}


def test_what_is_wrong_is_said() -> None:
    pipe, controls = pipeline(), random_conditions(2)
    with pytest.raises(SimvidError, match="as_rendered, sunset, got 'noir'"):
        pipe(controls, look="noir")
    with pytest.raises(SimvidError, match="as_rendered, sunset"):
        pipe.stream(iter(()), look="noir")
    with pytest.raises(SimvidError, match=r"noise: expected \[2, 3, 32, 48\]"):
        pipe(controls, noise=torch.zeros(2, 3, 8, 8))
    with pytest.raises(SimvidError, match="light: expected 11"):
        pipe(controls, light=np.zeros(3, np.float32))
    other = random_conditions(1, 16, 16)
    with pytest.raises(SimvidError, match="frame 1: expected 48 x 32 as in frame 0, got 16 x 16"):
        list(pipe.stream([controls.part(0, 1), other]))
    with pytest.raises(SimvidError, match="frame 1: expected one frame at a time, got 2 at once"):
        list(pipe.stream([controls.part(0, 1), controls]))
    each = [controls.part(0, 1), controls.part(1, 2)]
    with pytest.raises(SimvidError, match=r"noises: expected \[3, 32, 48\] for each frame, got none for frame 1"):
        list(pipe.stream(each, noises=iter([torch.zeros(3, H, W)])))
    with pytest.raises(SimvidError, match=r"noises: .* got \[3, 1, 48\] for frame 0"):
        list(pipe.stream(each, noises=iter([torch.zeros(3, 1, W)])))
    with pytest.raises(ValueError, match=r"Conditions\.flow"):
        replace(controls, flow=controls.visible)


def test_conditions_hold_the_frames_of_a_part() -> None:
    part: Conditions = random_conditions(4).part(1, 3)
    assert len(part) == 2
    assert np.array_equal(part.channels, random_conditions(4).channels[1:3])


def test_history_beyond_the_edge_is_not_there() -> None:
    """Up to half a pixel the edge is continued, without the grey around it; farther out there is nothing."""
    refined = torch.full((1, 3, 4, 4), 0.75)
    flow, visible = torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4)
    flow[:, 0, :, 0], flow[:, 0, :, 3] = -0.4, 0.6
    moved = follow(refined, flow, visible)
    assert moved[0, 3].tolist() == [[1, 1, 1, 0]] * 4
    assert torch.allclose(moved[0, :3, :, :3], refined[0, :, :, :3], atol=1e-6)
    assert not moved[0, :3, :, 3].any()
