"""Limits of the gate: a JSON file beside the weights that they were calibrated with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simvid.errors import AssetError


class Limit(BaseModel):
    """The most or the least that a measure may be."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    most: float | None = None
    least: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a value is within; NaN, where there was nothing to measure, is."""
        return not ((self.most is not None and value > self.most) or (self.least is not None and value < self.least))


class GateLimits(BaseModel):
    """``limits.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    simvid_gate: Literal[1] = 1
    weights_sha256: str
    """Of the weights of probe and comparison that they were calibrated with."""
    clip: dict[str, Limit]
    """Measures of a whole video, as in ``simvid.checking.gate.verdict.measures``."""
    instance: dict[str, Limit]
    """Measures of one instance."""
    provenance: dict[str, Any] = Field(default_factory=dict)
    """How they were found: data, seeds, rates."""


def read_limits(path: Path) -> GateLimits:
    """Read a file of limits.

    Raises:
        AssetError: it is missing or not of that form.
    """
    try:
        return GateLimits.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise AssetError(f"{path}: expected limits of the gate as JSON ({error}); install simvid again") from error
