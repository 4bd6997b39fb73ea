"""``simvid train refiner``: train the bundled refiner on a folder of pairs, or go on with a run."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def main(arguments: argparse.Namespace) -> int:
    """Train, and say where the weights are."""
    from pydantic import ValidationError

    from simvid.errors import SimvidError
    from simvid.refining.training.loop import Trainer
    from simvid.refining.training.settings import TrainSettings

    names = ("steps", "batch", "frames", "size_px", "rate", "seed", "threads", "save_every")
    given: dict[str, Any] = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    try:
        settings = TrainSettings(**given)
    except ValidationError as error:
        raise SimvidError(f"train: {error}") from error
    trainer = Trainer(Path(arguments.data), Path(arguments.out), settings)
    if not arguments.quiet:
        for line in trainer.left_out:
            print(f"left out: {line}", file=sys.stderr)
        if trainer.step:
            print(f"going on after step {trainer.step} of {settings.steps}", file=sys.stderr)
    done = trainer.run(None if arguments.quiet else _tell)
    if arguments.json:
        result = {"refiner": str(done.pipeline), "steps": done.steps, "validation": done.validation,
                  "left_out": list(done.left_out)}  # fmt: skip
        print(json.dumps(result, indent=1))
        return 0
    print(done.pipeline)
    return 0


def _tell(step: int, losses: dict[str, float]) -> None:
    """One line."""
    shown = "  ".join(f"{name} {value:.4f}" for name, value in losses.items() if name not in ("rate", "seconds"))
    print(f"step {step:6d}  {shown}  ({losses['seconds']:.0f} s)", file=sys.stderr, flush=True)
