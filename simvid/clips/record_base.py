"""What all records on disk share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of the records."""

    model_config = ConfigDict(extra="forbid", frozen=True)
