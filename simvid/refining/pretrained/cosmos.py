"""Cosmos-Transfer 2.5: NVIDIA's 2B world model with one ControlNet for depth, edges, segments or blur."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simvid.errors import SimvidError
from simvid.refining.pretrained.adapter import Chunk, PretrainedRefiner, pictures
from simvid.refining.pretrained.settings import PretrainedSettings
from simvid.refining.pretrained.shapes import FrameRule
from simvid.refining.pretrained.weights import library

RULE = FrameRule(stride=4, multiple=16)
_LABELS = {"disparity": "depth", "palette": "ids", "edges": "", "blur": ""}
NEEDED = {
    "torchvision": "the one for your torch, from the same index",
    "cosmos_guardrail": "pip install cosmos_guardrail",
}
"""Packages beside the extra, and how to get them."""


class CosmosTransferSettings(PretrainedSettings):
    """Of ``cosmos_transfer``."""

    controlnet: str
    """Folder, or id on the hub, of the ControlNet for ``control``."""
    controlnet_revision: str | None = None
    control: Literal["disparity", "edges", "palette", "blur"]
    """What the ControlNet was taught: depth is disparity, seg is palette."""
    noise: Literal["anchored", "drawn"] = "anchored"
    """The start: noise that sticks to surfaces, or drawn from the seed."""
    conditioning: float = Field(default=1.0, ge=0)
    steps: int = Field(default=36, ge=1)
    guidance: float = Field(default=3.0, ge=1)
    chunk: int = Field(default=93, ge=1)
    overlap: int = Field(default=9, ge=0)


class CosmosTransfer(PretrainedRefiner):
    """Cosmos-Transfer 2.5, with its guardrail, which its licence asks for."""

    name = "cosmos_transfer"
    families = ("Cosmos2_5_TransferPipeline",)
    places: ClassVar = {"controlnet": True, "controlnet_revision": True}
    Settings = CosmosTransferSettings

    def __init__(self, settings: CosmosTransferSettings) -> None:
        self.chosen = settings
        super().__init__(settings)
        self.net = self.beside(settings.controlnet, "CosmosControlNetModel", settings.controlnet_revision)
        for package, remedy in NEEDED.items():
            if find_spec(package) is None:
                text = f"the refiner backend {self.name!r} needs the package {package!r} too, which no extra brings"
                raise SimvidError(f"{text}: {remedy}")

    def _needs(self) -> Iterable[str]:
        if self.chosen.noise == "anchored":
            yield from ("depth", "ids")
        if label := _LABELS[self.chosen.control]:
            yield label

    def _loaded(self) -> Any:
        d = library("diffusers")
        net = d.CosmosControlNetModel.from_pretrained(self.net.folder, **self.load_options)
        return d.Cosmos2_5_TransferPipeline.from_pretrained(
            self.weights.folder, **self.load_options, controlnet=net, safety_checker=Guardrail()
        )

    def generate(self, chunk: Chunk) -> NDArray[np.floating[Any]]:
        """See ``PretrainedRefiner``."""
        chosen = self.chosen
        shown = self.control(chunk, chosen.control, RULE)
        return np.asarray(
            self.pipe(
                controls=pictures(shown),
                controls_conditioning_scale=chosen.conditioning,
                prompt=chunk.prompt,
                negative_prompt=chosen.negative_prompt,
                height=shown.shape[1],
                width=shown.shape[2],
                num_frames=len(shown),
                num_frames_per_chunk=len(shown),
                num_ar_conditional_frames=0,
                num_inference_steps=chosen.steps,
                guidance_scale=chosen.guidance,
                generator=self.generator(chunk.seed),
                latents=self._start(chunk),
                max_sequence_length=min(512, int(self.pipe.tokenizer.model_max_length)),
                output_type="np",
            ).frames[0]
        )

    def _start(self, chunk: Chunk) -> Any:
        """Anchored noise, [1, C, t, h, w]; None lets the pipeline draw its own."""
        from simvid.refining.pretrained.latents import anchored_noise

        if self.chosen.noise == "drawn":
            return None
        channels = int(self.pipe.transformer.config.in_channels) - 1  # the last one says which frames are known
        made = anchored_noise(chunk.frames, self.told(), chunk.first, RULE, channels, chunk.clip_seed)
        return library("torch").from_numpy(made)[None]


class Guardrail:
    """NVIDIA's safety checker, whose refusals are errors and not black pictures."""

    def __init__(self) -> None:
        self._checker = library("cosmos_guardrail").CosmosSafetyChecker()

    def to(self, *where: Any, **how: Any) -> Guardrail:
        """Move it."""
        self._checker.to(*where, **how)
        return self

    def check_text_safety(self, prompt: str) -> bool:
        """True.

        Raises:
            SimvidError: the prompt is refused.
        """
        if not self._checker.check_text_safety(prompt):
            raise SimvidError(f"the Cosmos guardrail refuses the prompt {prompt!r}")
        return True

    def check_video_safety(self, frames: Any) -> Any:
        """Frames with faces blurred.

        Raises:
            SimvidError: they are refused.
        """
        found = self._checker.check_video_safety(frames)
        if found is None:
            raise SimvidError("the Cosmos guardrail refuses the pictures that were made; try another seed or prompt")
        return found
