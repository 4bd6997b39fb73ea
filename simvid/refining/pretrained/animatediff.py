"""AnimateDiff video-to-video with ControlNets: Stable Diffusion 1.5 with a motion adapter (Guo et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from simvid.refining.pretrained.adapter import Chunk, PretrainedRefiner, pictures
from simvid.refining.pretrained.settings import LoraSettings
from simvid.refining.pretrained.shapes import FrameRule, Video
from simvid.refining.pretrained.weights import library
from simvid.scene.base import Model, as_tuple

RULE = FrameRule(stride=1, multiple=64)


class ControlNet(Model):
    """One ControlNet."""

    model: str
    """Folder, or id on the hub, of a ControlNet for Stable Diffusion 1.5."""
    control: Literal["disparity", "edges"]
    """What it is shown."""
    scale: float = Field(default=1.0, ge=0)


class AnimateDiffSettings(LoraSettings):
    """Of ``animatediff``."""

    motion_adapter: str
    """Folder, or id on the hub."""
    controlnets: Annotated[tuple[ControlNet, ...], BeforeValidator(as_tuple)] = Field(min_length=1)
    strength: float = Field(default=0.6, gt=0, le=1)
    """How much noise the coarse video starts with."""
    noise: Literal["anchored", "drawn"] = "anchored"
    guidance: float = Field(default=7.5, ge=1)
    steps: int = Field(default=20, ge=1)
    chunk: int = Field(default=16, ge=1, le=32)
    """Motion adapters were taught 16 frames and know places for 32."""
    overlap: int = Field(default=4, ge=0)
    scheduler: Literal["ddim", "lcm"] = "ddim"
    """``lcm`` for a few-step adapter in ``lora``."""


class AnimateDiff(PretrainedRefiner):
    """Stable Diffusion 1.5 on 16 frames at once, led by depth or edges."""

    name = "animatediff"
    families = ("StableDiffusionPipeline",)
    places: ClassVar = {"motion_adapter": True, "controlnets": {"__all__": {"model"}}}
    Settings = AnimateDiffSettings

    def __init__(self, settings: AnimateDiffSettings) -> None:
        self.chosen = settings
        super().__init__(settings)
        self.motion = self.beside(settings.motion_adapter, "MotionAdapter")
        self.nets = [self.beside(net.model, "ControlNetModel") for net in settings.controlnets]

    def _needs(self) -> Iterable[str]:
        if self.chosen.noise == "anchored":
            yield from ("depth", "ids")
        if any(net.control == "disparity" for net in self.chosen.controlnets):
            yield "depth"

    def _loaded(self) -> Any:
        d, options = library("diffusers"), self.load_options
        motion = d.MotionAdapter.from_pretrained(self.motion.folder, **options)
        nets = [d.ControlNetModel.from_pretrained(net.folder, **options) for net in self.nets]
        kind, base = d.AnimateDiffVideoToVideoControlNetPipeline, d.StableDiffusionPipeline
        plain = base.from_pretrained(
            self.weights.folder, **options, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
        pipe = kind(
            vae=plain.vae, text_encoder=plain.text_encoder, tokenizer=plain.tokenizer, unet=plain.unet,
            motion_adapter=motion, controlnet=nets if len(nets) > 1 else nets[0], scheduler=plain.scheduler,
        )  # fmt: skip
        # As AnimateDiff was taught: betas in a line, and no clipping of latents.
        sampler = d.LCMScheduler if self.chosen.scheduler == "lcm" else d.DDIMScheduler
        pipe.scheduler = sampler.from_config(
            plain.scheduler.config,
            beta_schedule="linear",
            timestep_spacing="linspace",
            clip_sample=False,
            steps_offset=1,
        )
        return pipe

    def generate(self, chunk: Chunk) -> NDArray[np.floating[Any]]:
        """See ``PretrainedRefiner``."""
        chosen, pipe, video = self.chosen, self.pipe, self.with_tail(chunk, RULE)
        run = max(1, int(chosen.steps * chosen.strength))
        pipe.scheduler.set_timesteps(chosen.steps, device=pipe.device)
        begin = pipe.scheduler.timesteps[chosen.steps - run : chosen.steps - run + 1]
        known = self._encoded(video)
        latents = pipe.scheduler.add_noise(known, self._noise(chunk, known).to(known), begin)
        shown = [pictures(self.control(chunk, net.control, RULE)) for net in chosen.controlnets]
        scales = [net.scale for net in chosen.controlnets]
        return np.asarray(
            pipe(
                latents=latents,
                conditioning_frames=shown if len(shown) > 1 else shown[0],
                controlnet_conditioning_scale=scales if len(scales) > 1 else scales[0],
                prompt=chunk.prompt,
                negative_prompt=chosen.negative_prompt,
                height=video.shape[1],
                width=video.shape[2],
                num_inference_steps=chosen.steps,
                strength=min(1.0, (run + 0.5) / chosen.steps),  # rounded down to run steps
                guidance_scale=chosen.guidance,
                generator=self.generator(chunk.seed),
                output_type="np",
            ).frames[0]
        )

    def _encoded(self, video: Video) -> Any:
        """Latents [1, 4, T, h, w], frame by frame."""
        torch, vae = library("torch"), self.pipe.vae
        pixels = torch.from_numpy(np.ascontiguousarray(video)).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad():
            found = [vae.encode(p[None].to(vae.device, vae.dtype)).latent_dist.mode() for p in pixels]
        return torch.stack([f[0] for f in found], dim=1)[None] * vae.config.scaling_factor

    def _noise(self, chunk: Chunk, like: Any) -> Any:
        """Standard normal, [1, 4, T, h, w]."""
        torch = library("torch")
        if self.chosen.noise == "drawn":
            return torch.randn(like.shape, generator=self.generator(chunk.seed))
        from simvid.refining.pretrained.latents import anchored_noise

        made = anchored_noise(chunk.frames, self.told(), chunk.first, RULE, like.shape[1], chunk.clip_seed)
        return torch.from_numpy(made)[None]
