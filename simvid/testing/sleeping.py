"""Tasks that sleep as long as a clip took: what a job costs beside its clips, and how it scales, without making any."""

from __future__ import annotations

import time

from simvid.generating.worker import Make, Plain


def maker(kind: str, shared: Plain) -> Make:
    """Sleeps ``seconds`` of each task."""

    def make(task: Plain) -> Plain:
        time.sleep(task["seconds"])
        return {"state": "made", "clip": task["name"], "input_hash": "", "failed_checks": [], "bytes": 0}

    return make
