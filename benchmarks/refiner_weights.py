"""The refiner that benchmarks run: the bundled one, the one named in SIMVID_BENCH_REFINER, or one without training."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks_table import NotHereError

from simvid import catalogue

VARIABLE = "SIMVID_BENCH_REFINER"


def trained() -> str:
    """An entry with trained weights.

    Raises:
        NotHereError: there is none.
    """
    if entry := os.environ.get(VARIABLE):
        return str(Path(entry).resolve())
    if any(found.name == "bundled" for found in catalogue.entries("refiners")):
        return "bundled"
    raise NotHereError(f"trained weights: skipped, none on the shelf (name an entry in {VARIABLE})")


@contextmanager
def any_weights(**settings: int) -> Iterator[str]:
    """An entry with a network of the usual size; speed and memory do not depend on its numbers."""
    from simvid.refining.model import RefinerUNet
    from simvid.refining.pipeline import VideoRefinerPipeline
    from simvid.refining.scheduler import BridgeScheduler

    with TemporaryDirectory() as folder:
        VideoRefinerPipeline(RefinerUNet(), BridgeScheduler()).save_pretrained(Path(folder, "weights"))
        lines = ["backend: bridge", "settings:", "  weights: weights", *(f"  {k}: {v}" for k, v in settings.items())]
        Path(folder, "any.yaml").write_text("\n".join(lines) + "\n")
        yield str(Path(folder, "any.yaml"))
