"""One clip checked, in a worker."""

from __future__ import annotations

from pathlib import Path

from simvid.generating.soundness import clip_faults
from simvid.generating.worker import Make, Plain


def maker(kind: str, shared: Plain) -> Make:
    """Checks clip after clip of a folder."""
    source = Path(shared["job"]["source"])

    def make(task: Plain) -> Plain:
        return {"state": "checked", "faults": clip_faults(source / task["clip"])}

    return make
