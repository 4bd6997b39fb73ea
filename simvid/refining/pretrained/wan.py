"""WanVACE and Wan video-to-video, the two adapters to Wan 2.1's weights (and their derivatives).

VACE (Jiang et al. 2025) reads a control video where its mask is white and keeps the pictures where it is black;
video-to-video starts from the noised coarse video (Meng et al. 2022, SDEdit).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simvid.errors import AssetError
from simvid.refining.pretrained.adapter import Chunk, PretrainedRefiner, pictures
from simvid.refining.pretrained.settings import AnchoredSettings
from simvid.refining.pretrained.shapes import FrameRule, Video
from simvid.refining.pretrained.weights import library
from simvid.scene.rules import Problem, Rule

RULE = FrameRule(stride=4, multiple=16)
_CONTROL_LABELS = {"disparity": "depth", "flow": "flow_forward", "edges": "", "blur": ""}


class WanRefiner(PretrainedRefiner):
    """What both share: Euler's scheduler, anchored noise, held pixels."""

    Settings: ClassVar[type[AnchoredSettings]]

    def __init__(self, settings: AnchoredSettings) -> None:
        self.chosen = settings
        super().__init__(settings)

    def _needs(self) -> Iterable[str]:
        if self.chosen.noise == "anchored":
            yield from ("depth", "ids")
        if self.holds:
            yield "ids"

    @property
    def holds(self) -> bool:
        """Whether some pixels are held."""
        return self.chosen.protect == "robots"

    @abstractmethod
    def _pipeline(self) -> Any:
        """Class of the pipeline."""

    def _loaded(self) -> Any:
        torch = library("torch")

        # The autoencoder stays in float32, as Wan advises: in half precision the pictures get spots.
        types = {"default": self.dtype, "vae": torch.float32}
        pipe = self._pipeline().from_pretrained(self.weights.folder, **{**self.load_options, "dtype": types})
        pipe.scheduler = library("diffusers").FlowMatchEulerDiscreteScheduler(shift=self.chosen.shift)
        return pipe

    def held(self, chunk: Chunk, ids: tuple[int, ...]) -> NDArray[np.bool_]:
        """Pixels of some parts, of allowed size."""
        assert chunk.frames.ids is not None, "the adapter reads them"
        return RULE.padded(np.isin(chunk.frames.ids, ids))

    def start_noise(self, chunk: Chunk, shape: tuple[int, ...]) -> Any:
        """Standard normal latents [1, C, t, h, w], sticking to surfaces if so set.

        Args:
            chunk: its frames and seeds.
            shape: of the video's latents.
        """
        torch = library("torch")

        from simvid.refining.pretrained.latents import anchored_noise

        if self.chosen.noise == "drawn":
            return torch.randn(shape, generator=self.generator(chunk.seed))
        made = anchored_noise(chunk.frames, self.told(), chunk.first, RULE, shape[1], chunk.clip_seed)
        return torch.from_numpy(made)[None]

    def latent_shape(self, coarse: Video) -> tuple[int, ...]:
        """[1, C, t, h, w] for a video of allowed size."""
        return (1, int(self.pipe.vae.config.z_dim), *RULE.latent(*coarse.shape[:3]))

    def clock(self, mask: NDArray[np.bool_], steps: int) -> Any:
        """A part of the latents that is held for so many steps."""
        torch = library("torch")

        from simvid.refining.pretrained.latents import Clock

        return Clock(torch.from_numpy(RULE.latent_mask(mask))[None, None], steps)

    @property
    def words(self) -> dict[str, Any]:
        """What both pipelines are called with."""
        limit = int(self.pipe.tokenizer.model_max_length)
        return {"negative_prompt": self.chosen.negative_prompt, "num_inference_steps": self.chosen.steps,
                "guidance_scale": self.chosen.guidance, "output_type": "np",
                "max_sequence_length": min(512, limit)}  # fmt: skip


class WanVaceSettings(AnchoredSettings):
    """Of ``wan_vace``."""

    control: Literal["disparity", "flow", "edges", "blur"] = "disparity"
    """What the control video shows."""
    conditioning: float = Field(default=1.0, ge=0)
    """How strongly the model follows it."""
    reference: str | None = None
    """A picture that shows how things should look: its style and its objects are taken over."""


class WanVace(WanRefiner):
    """Wan VACE: control video, mask, reference picture, anchored noise."""

    name = "wan_vace"
    families = ("WanVACEPipeline",)
    Settings = WanVaceSettings

    def __init__(self, settings: WanVaceSettings) -> None:
        self.vace = settings
        if settings.reference is not None and not Path(settings.reference).is_file():
            raise AssetError(f"reference: expected a picture file, got {settings.reference!r}: there is none")
        super().__init__(settings)

    def _needs(self) -> Iterable[str]:
        yield from super()._needs()
        if label := _CONTROL_LABELS[self.vace.control]:
            yield label

    def _pipeline(self) -> Any:
        return library("diffusers").WanVACEPipeline

    def generate(self, chunk: Chunk) -> NDArray[np.floating[Any]]:
        """See ``PretrainedRefiner``."""
        torch = library("torch")

        coarse = RULE.padded(chunk.frames.rgb)
        paint = np.ones(coarse.shape[:3], np.bool_)
        if chunk.before is not None:
            paint[: len(chunk.before)] = False
        if self.holds:
            paint &= ~self.held(chunk, self.told().robots)
        video = np.where(paint[..., None], self.control(chunk, self.vace.control, RULE), self.with_tail(chunk, RULE))
        references = self._references(*coarse.shape[1:3])
        noise = self.start_noise(chunk, self.latent_shape(coarse))
        lead = torch.randn((*noise.shape[:2], len(references), *noise.shape[3:]), generator=self.generator(chunk.seed))
        extras = {"callback_on_step_end": self._hold(chunk, coarse, noise, len(references))} if self.holds else {}
        return np.asarray(
            self.pipe(
                video=pictures(video),
                mask=pictures(np.repeat(paint[..., None].astype(np.uint8) * 255, 3, axis=-1)),
                reference_images=references or None,
                conditioning_scale=self.vace.conditioning,
                prompt=chunk.prompt,
                height=coarse.shape[1],
                width=coarse.shape[2],
                num_frames=len(coarse),
                generator=self.generator(chunk.seed),
                latents=torch.cat([lead, noise], dim=2),
                **self.words,
                **extras,
            ).frames[0]
        )

    def _hold(self, chunk: Chunk, coarse: Video, noise: Any, leading: int) -> Any:
        from simvid.refining.pretrained.latents import LatentHold, encoded

        clock = self.clock(self.held(chunk, self.told().robots), self.chosen.protect_steps)
        known = encoded(self.pipe.vae, coarse)
        return LatentHold(known, noise.to(known), (clock,), leading)

    def _references(self, height: int, width: int) -> list[Any]:
        if self.vace.reference is None:
            return []
        from PIL import Image, ImageOps

        with Image.open(self.vace.reference) as picture:
            return [ImageOps.fit(picture.convert("RGB"), (width, height))]


def _lower(model: Any) -> Iterator[Problem]:
    if model.moving_strength is None:
        return
    strength, moving, steps = model.strength, model.moving_strength, model.steps
    if moving >= strength:
        yield Problem(("moving_strength",), f"less than strength {strength:g}", f"{moving:g}")
    elif (count := _taken(steps, strength)) == _taken(steps, moving):
        expected = f"at least one step less than strength {strength:g}, which takes {count} of {steps}"
        yield Problem(("moving_strength",), expected, f"{moving:g}, which takes {count}", "lower it, or set more steps")


def _taken(steps: int, strength: float) -> int:
    """How many of the steps are taken at a strength."""
    return max(1, int(steps * strength))


class WanVideoSettings(AnchoredSettings):
    """Of ``wan_v2v``."""

    strength: float = Field(default=0.6, gt=0, le=1)
    """How much noise the coarse video starts with; 1 forgets it."""
    moving_strength: float | None = Field(default=None, gt=0, le=1)
    """A second, lower strength for what moves: it follows the coarse video for longer (two clocks)."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *AnchoredSettings.RULES,
        Rule(("steps", "strength", "moving_strength"), _lower),
    )


class WanVideo(WanRefiner):
    """Wan video-to-video: the coarse video, noised and painted anew."""

    name = "wan_v2v"
    families = ("WanVideoToVideoPipeline", "WanPipeline")
    Settings = WanVideoSettings

    def __init__(self, settings: WanVideoSettings) -> None:
        self.video = settings
        super().__init__(settings)
        if self.weights.index.get("transformer_2", [None])[0] is not None:
            raise AssetError(f"model: {self.weights.folder}: has two transformers, as Wan 2.2's 14B models do; wan_v2v "
                             "runs those with one, such as Wan 2.1's 1.3B and 14B")  # fmt: skip

    @property
    def holds(self) -> bool:
        """Whether some pixels are held."""
        return super().holds or self.video.moving_strength is not None

    def _pipeline(self) -> Any:
        return library("diffusers").WanVideoToVideoPipeline

    def generate(self, chunk: Chunk) -> NDArray[np.floating[Any]]:
        """See ``PretrainedRefiner``."""
        from simvid.refining.pretrained.latents import LatentHold, encoded

        video, chosen = self.with_tail(chunk, RULE), self.video
        run = _taken(chosen.steps, chosen.strength)
        known = encoded(self.pipe.vae, video)
        noise = self.start_noise(chunk, self.latent_shape(video)).to(known)
        self.pipe.scheduler.set_timesteps(chosen.steps, device=known.device)
        sigma = float(self.pipe.scheduler.sigmas[chosen.steps - run])
        extras: dict[str, Any] = {}
        if self.holds:
            extras["callback_on_step_end"] = LatentHold(known, noise, self._clocks(chunk, run))
        return np.asarray(
            self.pipe(
                latents=(1 - sigma) * known + sigma * noise,
                strength=(run + 0.5) / chosen.steps,  # rounded down to run steps
                prompt=chunk.prompt,
                height=video.shape[1],
                width=video.shape[2],
                generator=self.generator(chunk.seed),
                **self.words,
                **extras,
            ).frames[0]
        )

    def _clocks(self, chunk: Chunk, run: int) -> list[Any]:
        """Of what moves, until its own strength is reached; and of the robots."""
        context, found = self.told(), []
        if self.video.moving_strength is not None:
            steps = run - _taken(self.video.steps, self.video.moving_strength)
            found.append(self.clock(self.held(chunk, context.moving), steps))
        if self.chosen.protect == "robots":
            found.append(self.clock(self.held(chunk, context.robots), self.chosen.protect_steps))
        return found
