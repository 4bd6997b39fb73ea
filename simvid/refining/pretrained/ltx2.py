"""LTX-2 in context: a reference video that in-context adapters (IC-LoRA) read beside the noise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simvid.refining.pretrained.adapter import Chunk, PretrainedRefiner, pictures
from simvid.refining.pretrained.settings import LoraSettings
from simvid.refining.pretrained.shapes import FrameRule
from simvid.refining.pretrained.weights import library

_STRIDE, _BLOCK = 8, 32


class Ltx2Settings(LoraSettings):
    """Of ``ltx2``. Defaults are those of the distilled weights."""

    control: Literal["disparity", "edges", "blur"] = "disparity"
    """What the reference video shows; the union adapter knows depth and edges."""
    reference_strength: float = Field(default=1.0, ge=0, le=1)
    """How clean the model takes it to be."""
    reference_downscale: int = Field(default=1, ge=1)
    """The reference is so many times smaller; 2 for adapters named ref0.5."""
    steps: int = Field(default=8, ge=1)
    guidance: float = Field(default=1.0, ge=1)
    chunk: int = Field(default=121, ge=1)
    overlap: int = Field(default=9, ge=0)
    """The first 8k + 1 of them are given to the model as they were refined."""


class Ltx2(PretrainedRefiner):
    """LTX-2 led by a reference video."""

    name = "ltx2"
    families = ("LTX2InContextPipeline", "LTX2Pipeline")
    Settings = Ltx2Settings

    def __init__(self, settings: Ltx2Settings) -> None:
        self.chosen = settings
        # The reference too must be made of whole latent pixels, or diffusers crops it.
        self.rule = FrameRule(stride=_STRIDE, multiple=_BLOCK * settings.reference_downscale, block=_BLOCK)
        super().__init__(settings)

    def _needs(self) -> Iterable[str]:
        if self.chosen.control == "disparity":
            yield "depth"

    def _loaded(self) -> Any:
        return library("diffusers").LTX2InContextPipeline.from_pretrained(self.weights.folder, **self.load_options)

    def generate(self, chunk: Chunk) -> NDArray[np.floating[Any]]:
        """See ``PretrainedRefiner``."""
        chosen = self.chosen
        shown = self.control(chunk, chosen.control, self.rule)
        kinds = library("diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora")
        reference = kinds.LTX2ReferenceCondition(frames=pictures(shown), strength=chosen.reference_strength)
        limit = int(self.pipe.tokenizer.model_max_length)
        return np.asarray(
            self.pipe(
                prompt=chunk.prompt,
                negative_prompt=chosen.negative_prompt,
                reference_conditions=[reference],
                reference_downscale_factor=chosen.reference_downscale,
                conditions=self._keyframes(chunk) or None,
                height=shown.shape[1],
                width=shown.shape[2],
                num_frames=len(shown),
                frame_rate=float(self.context.trajectory.fps) if self.context else 24.0,
                num_inference_steps=chosen.steps,
                guidance_scale=chosen.guidance,
                generator=self.generator(chunk.seed),
                output_type="np",
                max_sequence_length=min(1024, limit),
                **PLAIN,
            ).frames[0]
        )

    def _keyframes(self, chunk: Chunk) -> list[Any]:
        """What the chunk before has refined, 8k + 1 frames of it."""
        if chunk.before is None or not len(chunk.before):
            return []
        count = (len(chunk.before) - 1) // _STRIDE * _STRIDE + 1
        kind = library("diffusers.pipelines.ltx2.pipeline_ltx2_condition").LTX2VideoCondition
        height, width = self.rule.size(*chunk.before.shape[1:3])
        more = ((0, 0), (0, height - chunk.before.shape[1]), (0, width - chunk.before.shape[2]), (0, 0))
        return [kind(frames=pictures(np.pad(chunk.before[:count], more, mode="edge")), index=0, strength=1.0)]


PLAIN: dict[str, Any] = {
    "stg_scale": 0.0, "modality_scale": 1.0, "guidance_rescale": 0.0, "audio_guidance_scale": 1.0,
    "audio_stg_scale": 0.0, "audio_modality_scale": 1.0, "audio_guidance_rescale": 0.0,
    "spatio_temporal_guidance_blocks": None,
}  # fmt: skip
"""No guidance but the classifier-free one; the sound that comes along is dropped."""
