"""What refining costs: seconds per frame, and the most memory that the process held meanwhile."""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SELF = Path("/proc/self")


@dataclass
class Cost:
    """Collected over the clips of one variant.

    Attributes:
        frame_s: wall time of each frame but the first of its clip [s].
        first_s: of each clip's first frame, which loads the weights [s].
        cpu_s, frames: processor time of all frames [s], and how many they were.
        peak_bytes: most memory of the whole process while it refined; 0 where the system does not tell.
    """

    frame_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    frames: int = 0
    peak_bytes: int = 0

    def take(self, pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """All pictures, measured."""
        forget_peak()
        found: list[NDArray[np.uint8]] = []
        started, cpu = time.perf_counter(), time.process_time()
        for picture in pictures:
            now = time.perf_counter()
            (self.frame_s if found else self.first_s).append(now - started)
            started = now
            found.append(picture)
        self.cpu_s += time.process_time() - cpu
        self.frames += len(found)
        self.peak_bytes = max(self.peak_bytes, peak_memory())
        return np.stack(found)

    def json(self) -> dict[str, float | None]:
        """Medians, for the report; None where nothing was measured."""
        return {
            "seconds_per_frame": _median(self.frame_s),
            "first_frame_s": _median(self.first_s),
            "cpu_seconds_per_frame": round(self.cpu_s / self.frames, 4) if self.frames else None,
            "peak_memory_mib": round(self.peak_bytes / 2**20) if self.peak_bytes else None,
        }


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 4) if values else None


def peak_memory() -> int:
    """Most resident memory of this process since ``forget_peak`` [bytes]; 0 where the system does not tell."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", (_SELF / "status").read_text())
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def forget_peak() -> None:
    """Begin anew, where the system can (Linux); elsewhere the peak is that of the whole run."""
    try:
        (_SELF / "clear_refs").write_text("5")
    except OSError:
        return
