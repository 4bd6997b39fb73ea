"""Tasks that sleep as long as a clip took: what a job costs beside its clips, and how it scales, without making any."""

from __future__ import annotations

import os
import time

from simvid.generating.worker import Make, Plain


def maker(kind: str, shared: Plain) -> Make:
    """Sleeps ``seconds`` of each task; the outcome says when, by the machine's clock, and in which process."""

    def make(task: Plain) -> Plain:
        began = time.monotonic()
        time.sleep(task["seconds"])
        return {
            "state": "made", "clip": task["name"], "input_hash": "", "failed_checks": [], "bytes": 0,
            "began_s": began, "ended_s": time.monotonic(), "pid": os.getpid(),
        }  # fmt: skip

    return make
