"""Cosmos 3: NVIDIA's omni model, led by several control videos at once through diffusers' modular pipeline."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from simvid.errors import SimvidError
from simvid.refining.pretrained.adapter import Chunk, PretrainedRefiner, pictures
from simvid.refining.pretrained.cosmos import NEEDED, Guardrail
from simvid.refining.pretrained.settings import PretrainedSettings
from simvid.refining.pretrained.shapes import FrameRule
from simvid.refining.pretrained.weights import library
from simvid.scene.base import as_tuple

RULE = FrameRule(stride=4, multiple=32)
"""Latents are 4 times shorter but for the first frame and 16 times smaller; the transformer reads 2 x 2 of them."""
Control: TypeAlias = Literal["disparity", "edges", "palette", "blur"]
HINTS: dict[Control, str] = {"disparity": "depth", "edges": "edge", "palette": "seg", "blur": "blur"}
"""Our control videos by the model's names."""
_LABELS: dict[Control, str] = {"disparity": "depth", "palette": "ids"}


class Cosmos3Settings(PretrainedSettings):
    """Of ``cosmos3``."""

    controls: Annotated[tuple[Control, ...], BeforeValidator(as_tuple)] = Field(("disparity", "edges"), min_length=1)
    """Any of them together; they have no weights of their own."""
    control_guidance: float = Field(default=1.5, ge=1)
    """How much the pictures are drawn towards the controls; 1 is not at all beyond what the model does by itself."""
    guardrail: bool = True
    """Check prompts and pictures with NVIDIA's guardrail, as the model's own configuration asks."""
    steps: int = Field(default=35, ge=1)
    guidance: float = Field(default=6.0, ge=1)
    chunk: int = Field(default=93, ge=1)
    overlap: int = Field(default=9, ge=0)


class Cosmos3(PretrainedRefiner):
    """Cosmos 3 transfer. Each chunk begins with the last pictures of the one before, which the model is shown."""

    name = "cosmos3"
    families = ("Cosmos3OmniBlocks", "Cosmos3OmniPipeline")
    Settings = Cosmos3Settings

    def __init__(self, settings: Cosmos3Settings) -> None:
        self.chosen = settings
        super().__init__(settings)
        if settings.guardrail and find_spec("cosmos_guardrail") is None:
            text = f"the refiner backend {self.name!r} needs the package 'cosmos_guardrail' too, which no extra brings"
            raise SimvidError(f"{text}: {NEEDED['cosmos_guardrail']}, or set guardrail: false where you may")

    def _needs(self) -> Iterable[str]:
        yield from (_LABELS[name] for name in self.chosen.controls if name in _LABELS)

    def _loaded(self) -> Any:
        """The modular pipeline; its index names a hub where its parts lie, but they are taken from the same folder."""
        folder, d = str(self.weights.folder), library("diffusers")
        pipe = d.ModularPipeline.from_pretrained(
            folder, components_manager=d.ComponentsManager(), local_files_only=True
        )
        pipe.load_components(pretrained_model_name_or_path=folder, **self.load_options)
        missing = [
            name for name in ("transformer", "vae", "text_tokenizer", "scheduler") if not getattr(pipe, name, None)
        ]
        if missing:
            raise ValueError(f"there is no {' and no '.join(missing)}")
        if self.chosen.guardrail:
            pipe.enable_safety_checker(Guardrail())
        else:
            pipe.disable_safety_checker()
        _silence(pipe._blocks)
        return pipe

    def _offload(self, pipe: Any) -> None:
        pipe._components_manager.enable_auto_cpu_offload(device="cuda")

    def generate(self, chunk: Chunk) -> NDArray[np.floating[Any]]:
        """See ``PretrainedRefiner``."""
        chosen = self.chosen
        shown = {HINTS[name]: self.control(chunk, name, RULE) for name in chosen.controls}
        count, height, width = next(iter(shown.values())).shape[:3]
        known = 0 if chunk.before is None else len(chunk.before)
        return np.asarray(
            self.pipe(
                control_videos={hint: pictures(video) for hint, video in shown.items()},
                video=pictures(self.with_tail(chunk, RULE)[:known]) if known else None,
                num_first_chunk_conditional_frames=known,
                prompt=chunk.prompt,
                negative_prompt=chosen.negative_prompt,
                height=height,
                width=width,
                num_frames=count,
                fps=self.context.trajectory.fps if self.context else 24.0,
                num_inference_steps=chosen.steps,
                guidance_scale=chosen.guidance,
                control_guidance=chosen.control_guidance,
                generator=self.generator(chunk.seed),
                output="videos",
                output_type="np",
            )
        )


def _silence(blocks: Any) -> None:
    """No progress bars of blocks within blocks, which the pipeline's own switch does not reach."""
    for block in getattr(blocks, "sub_blocks", {}).values():
        if hasattr(block, "set_progress_bar_config"):
            block.set_progress_bar_config(disable=True)
        _silence(block)
