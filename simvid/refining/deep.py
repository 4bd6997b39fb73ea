"""torch and diffusers, or the one error that names the extra which brings them. For files that need both to load."""

from __future__ import annotations

from typing import Any

from simvid.errors import MissingExtraError

try:
    import torch as _torch
    import torch.nn.functional as _functional
except ImportError as error:
    raise MissingExtraError("torch", "refine", "the refiner") from error
try:
    from diffusers.configuration_utils import ConfigMixin as _ConfigMixin
    from diffusers.configuration_utils import register_to_config as _register_to_config
    from diffusers.models.modeling_utils import ModelMixin as _ModelMixin
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline as _DiffusionPipeline
    from diffusers.schedulers.scheduling_utils import SchedulerMixin as _SchedulerMixin
    from diffusers.utils import logging as _diffusers_logging
    from diffusers.utils.outputs import BaseOutput as _BaseOutput
except ImportError as error:
    raise MissingExtraError("diffusers", "refine", "the refiner") from error

torch: Any = _torch
nn: Any = _torch.nn
functional: Any = _functional
ConfigMixin: Any = _ConfigMixin
DiffusionPipeline: Any = _DiffusionPipeline
ModelMixin: Any = _ModelMixin
SchedulerMixin: Any = _SchedulerMixin
register_to_config: Any = _register_to_config
BaseOutput: Any = _BaseOutput
diffusers_logging: Any = _diffusers_logging
Tensor = Any
"""A torch tensor, to a type checker: torch is optional."""


def out_of_memory(error: BaseException) -> bool:
    """Whether it was raised because memory ran out, here or on a GPU: torch has no kind of its own for the first."""
    return isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate" in str(error)


__all__ = [
    "BaseOutput",
    "ConfigMixin",
    "DiffusionPipeline",
    "ModelMixin",
    "SchedulerMixin",
    "Tensor",
    "diffusers_logging",
    "functional",
    "nn",
    "out_of_memory",
    "register_to_config",
    "torch",
]
