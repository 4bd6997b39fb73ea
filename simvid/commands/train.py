"""``simvid train refiner``: train the bundled refiner on a folder of pairs, or go on with a run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simvid.errors import UsageError

if TYPE_CHECKING:
    from simvid.refining.training.settings import TrainSettings

_OPTIONS = {
    "steps": "--steps", "batch": "--batch", "frames": "--frames", "size_px": "--size", "rate": "--rate",
    "seed": "--seed", "threads": "--threads", "save_every": "--save-every", "begin_from": "--from",
}  # fmt: skip
"""Settings that have an option of their own."""


def main(arguments: argparse.Namespace) -> int:
    """Train, and say where the weights are."""
    from simvid.refining.training.loop import Trainer
    from simvid.refining.training.processes import check_share, is_first, launch

    settings, out = _settings(arguments), Path(arguments.out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out: expected a folder, got the file {out}")
    if arguments.processes > 1 and "WORLD_SIZE" not in os.environ:
        check_share(settings.batch, arguments.processes)
        launch(arguments.processes, arguments.argv)
    trainer = Trainer(Path(arguments.data), out, settings)
    loud = not arguments.quiet and is_first()
    if loud:
        for line in trainer.left_out:
            print(f"left out: {line}", file=sys.stderr)
        if trainer.step:
            print(f"going on after step {trainer.step} of {settings.steps}", file=sys.stderr)
        for line in trainer.changed:
            print(f"changed: {line}", file=sys.stderr)
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


def _settings(arguments: argparse.Namespace) -> TrainSettings:
    """Options before the recipe, the recipe before what the weights to begin from have.

    Raises:
        SceneError: faults in the recipe, each with its line.
        UsageError: a wrong value, or one that does not go with the others.
    """
    from pydantic import ValidationError

    from simvid.parsing.entries import validated
    from simvid.parsing.wording import schema_faults
    from simvid.refining.training.settings import TrainSettings
    from simvid.refining.training.start import architecture
    from simvid.yaml_reading import Document, read_text, read_yaml

    given: dict[str, Any] = {name: value for name in _OPTIONS if (value := getattr(arguments, name)) is not None}
    if arguments.recipe is not None:
        document = read_yaml(read_text(Path(arguments.recipe)), arguments.recipe)
        given = validated(TrainSettings, document).model_dump(exclude_unset=True) | given
    if given.get("begin_from") is not None:
        given = architecture(Path(given["begin_from"])) | given
    try:
        return TrainSettings(**given)
    except ValidationError as error:
        faults = schema_faults(TrainSettings, Document("train", given, {}), error)
        said = (f"{_OPTIONS.get(f.field, f.field)}: {f.message}{f'; {f.hint}' if f.hint else ''}" for f in faults)
        raise UsageError("\n".join(said)) from error


def _tell(step: int, losses: dict[str, float]) -> None:
    """One line."""
    shown = "  ".join(f"{name} {value:.4f}" for name, value in losses.items() if name not in ("rate", "seconds"))
    print(f"step {step:6d}  {shown}  ({losses['seconds']:.0f} s)", file=sys.stderr, flush=True)
