"""SkyReels-V2 with diffusion forcing: more frames after a video. It reads no controls: physics ends with the clip."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from simvid.errors import SceneError
from simvid.refining.pretrained.adapter import pictures
from simvid.refining.pretrained.forcing import STRIDE, Window, extension_windows, step_plan
from simvid.refining.pretrained.loading import PretrainedPipeline
from simvid.refining.pretrained.settings import LoraSettings
from simvid.refining.pretrained.shapes import FrameRule, Video
from simvid.refining.pretrained.weights import library

RULE = FrameRule(stride=STRIDE, multiple=16)


class SkyReelsSettings(LoraSettings):
    """Of ``SkyReels``."""

    guidance: float = Field(default=6.0, ge=1)
    base_frames: int = 97
    """Frames made at once, 4k + 1: 97 for the 540-line models, 121 for those of 720."""
    history: int = 17
    """Frames that each window is shown, 4k + 1."""
    ar_step: int = Field(default=0, ge=0)
    """Lag between blocks; 0 moves all frames at once."""
    block: int = Field(default=1, ge=1)
    """Latent frames of a block; with a lag, SkyReels advises 5 for both."""
    history_noise: float = Field(default=20, ge=0, le=60)
    """Thousandths of noise on the history, against drift."""
    fps: int = Field(default=24, ge=1)


class SkyReels(PretrainedPipeline):
    """Extends videos."""

    name = "skyreels"
    families = ("SkyReelsV2DiffusionForcingVideoToVideoPipeline", "SkyReelsV2DiffusionForcingPipeline")
    Settings = SkyReelsSettings

    def __init__(self, settings: SkyReelsSettings) -> None:
        self.chosen = settings
        self._windows(1)
        super().__init__(settings)

    def _windows(self, count: int) -> tuple[Window, ...]:
        """What will be made, with the step matrix of each window tried out.

        Raises:
            SceneError: numbers that do not fit.
        """
        chosen = self.chosen
        found = extension_windows(count, chosen.base_frames, chosen.history, chosen.block)
        for window in found:
            latent, ready = ((n - 1) // STRIDE + 1 for n in (window.last - window.first, window.known))
            step_plan(latent, range(chosen.steps, 0, -1), latent, chosen.ar_step, chosen.block, ready)
        return found

    def _loaded(self) -> Any:
        torch = library("torch")
        types = {"default": self.dtype, "vae": torch.float32}
        kind = library("diffusers").SkyReelsV2DiffusionForcingVideoToVideoPipeline
        return kind.from_pretrained(self.weights.folder, **{**self.load_options, "dtype": types})

    def extend(self, video: Video, count: int, *, prompt: str, seed: int = 0) -> Video:
        """Frames that follow a video.

        Args:
            video: uint8 [T, H, W, 3], of at least ``history`` frames.
            count: frames to add.
            prompt: what is seen.
            seed: equal seeds give equal frames.

        Returns:
            The new frames alone, uint8 [count, H, W, 3].

        Raises:
            SceneError: before any work, for a video that is too short or numbers that do not fit.
            SimvidError: before any work, for too little memory.
        """
        chosen, windows = self.chosen, self._windows(count)
        if len(video) < chosen.history:
            raise SceneError(
                f"extend: expected a video of {chosen.history} frames or more (its history), got {len(video)}"
            )
        self.check_main_memory()
        height, width = video.shape[1:3]
        # A history of 4k + 1 frames keeps its number; only rows and columns are added.
        past = RULE.padded(video[-chosen.history :])
        pipe, torch = self.pipe, library("torch")
        with torch.random.fork_rng():
            torch.manual_seed(seed)  # the pipeline draws the history's noise without its generator
            made = pipe(
                video=pictures(past),
                prompt=prompt,
                negative_prompt=chosen.negative_prompt,
                height=past.shape[1],
                width=past.shape[2],
                num_frames=windows[-1].last,
                num_inference_steps=chosen.steps,
                guidance_scale=chosen.guidance,
                generator=self.generator(seed),
                overlap_history=chosen.history,
                addnoise_condition=chosen.history_noise,
                base_num_frames=chosen.base_frames,
                ar_step=chosen.ar_step,
                causal_block_size=chosen.block,
                fps=chosen.fps,
                max_sequence_length=min(512, int(pipe.tokenizer.model_max_length)),
                output_type="np",
            ).frames[0]
        # The pipeline puts the history before what it made, which begins with the history once more.
        new = np.asarray(made)[2 * chosen.history :][:count, :height, :width]
        return np.asarray(np.round(np.clip(new, 0, 1) * 255), np.uint8)
