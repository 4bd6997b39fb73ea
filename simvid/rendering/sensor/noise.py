"""Random numbers of a frame: they depend on seed, purpose and frame alone, so frames may be drawn in any order."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, purpose: str, frame: int) -> np.random.Generator:
    """Numbers of one frame for one purpose, such as ``sensor front``.

    Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): the key comes from seed and purpose, the
    counter starts at the frame.
    """
    digest = hashlib.blake2b(f"{seed}\n{purpose}".encode(), digest_size=16).digest()
    key = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, frame, 0], dtype=np.uint64)))
