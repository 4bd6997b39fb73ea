"""``simvid train refiner``: train the bundled refiner on a folder of pairs, or go on with a run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any


def main(arguments: argparse.Namespace) -> int:
    """Train, and say where the weights are."""
    from pydantic import ValidationError

    from simvid.errors import SimvidError
    from simvid.refining.training.loop import Trainer
    from simvid.refining.training.processes import check_share, is_first, launch
    from simvid.refining.training.settings import TrainSettings
    from simvid.refining.training.start import architecture

    names = ("steps", "batch", "frames", "size_px", "rate", "seed", "threads", "save_every")
    given: dict[str, Any] = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    if arguments.begin_from is not None:
        given |= {"begin_from": arguments.begin_from, **architecture(Path(arguments.begin_from))}
    try:
        settings = TrainSettings(**given)
    except ValidationError as error:
        raise SimvidError(f"train: {error}") from error
    if arguments.processes > 1 and "WORLD_SIZE" not in os.environ:
        check_share(settings.batch, arguments.processes)
        launch(arguments.processes, arguments.argv)
    trainer = Trainer(Path(arguments.data), Path(arguments.out), settings)
    loud = not arguments.quiet and is_first()
    if loud:
        for line in trainer.left_out:
            print(f"left out: {line}", file=sys.stderr)
        if trainer.step:
            print(f"going on after step {trainer.step} of {settings.steps}", file=sys.stderr)
    done = trainer.run(_tell if loud else None)
    if not is_first():
        return 0
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
