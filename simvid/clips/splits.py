"""Which families of clips (the names of their scenes) are held out from training."""

from __future__ import annotations

import hashlib


def is_held_out(family: str, share: float) -> bool:
    """Whether a family belongs to the share [0, 1] of all families that is held out.

    A hash of its name decides, so it does on every machine, and does not change when clips are added.
    """
    return int.from_bytes(hashlib.sha256(family.encode()).digest()[:8], "big") / 2**64 < share
