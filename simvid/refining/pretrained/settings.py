"""What the entries of all pretrained models may set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from simvid.scene.base import Model
from simvid.scene.rules import Problem, Rule


def _overlap(model: Any) -> Iterator[Problem]:
    if model.overlap >= model.chunk:
        yield Problem(("overlap",), f"fewer frames than the chunk's {model.chunk}", str(model.overlap))


class PretrainedSettings(Model):
    """Common to all adapters."""

    model: str
    """Folder of a diffusers pipeline, or its id on the Hugging Face hub."""
    weights_licence: str = Field(min_length=1)
    """Recorded in the clip, since pictures may come under it."""
    revision: str | None = None
    """Of the hub's repository: a commit, for pictures that can be made again."""
    local_files_only: bool = True
    """Never fetch anything."""
    prompt: str = "photorealistic video, fine detail, natural motion"
    """After the scene's description and the look."""
    negative_prompt: str = "cartoon, render, blurry, distorted, flicker, text, watermark"
    steps: int = Field(default=30, ge=1)
    guidance: float = Field(default=5.0, ge=1)
    """Classifier-free guidance scale; 1 is none, for few-step weights."""
    chunk: int = Field(default=81, ge=1)
    """Frames refined at once."""
    overlap: int = Field(default=8, ge=0)
    """Frames that a chunk shares with the one before, which are shown to the model where it can take them, and
    cross-faded."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    offload: bool = False
    """Keep on the GPU only the component that is at work."""
    threads: int = Field(default=0, ge=0)
    """Of the processor; 0 leaves it to torch."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("chunk", "overlap"), _overlap),)


class LoraSettings(PretrainedSettings):
    """For models that take low-rank adapters, such as the few-step ones of Wan."""

    lora: str | None = None
    """A .safetensors file."""
    lora_scale: float = Field(default=1.0, ge=0)


class AnchoredSettings(LoraSettings):
    """For models whose latents can be set and held."""

    noise: Literal["anchored", "drawn"] = "anchored"
    """Noise that sticks to surfaces, or independent in each frame."""
    protect: Literal["robots", "none"] = "robots"
    """Whose pixels are held."""
    protect_steps: int = Field(default=5, ge=0)
    """First steps in which the protected pixels' latents follow the coarse video."""
    shift: float = Field(default=3.0, gt=0)
    """Of the flow-matching timesteps; Wan advises 3 for 480 lines and 5 for 720."""
