"""The command line of everything that makes or reads many clips: ``sample``, ``generate``, ``replay``, ``check``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, TypeAlias

Command: TypeAlias = Callable[..., Any]
"""``simvid.cli._command``: a command with the options that all have."""


def add_job_commands(commands: Any, command: Command) -> None:
    """All of them."""
    for add in (_sample,):
        add(commands, command)


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def index(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, got {text!r}")
    return int(text)


def _sample(commands: Any, command: Command) -> None:
    parser = command(
        commands, "sample", "draw the first frames of samples of a scene that varies on one sheet, without physics",
        "  simvid sample table_top --count 12 -o samples.png",
    )  # fmt: skip
    parser.add_argument("scene", metavar="SCENE", help="a name on the shelf, or the path of a YAML file")
    parser.add_argument("--count", type=positive, default=12, metavar="N", help="how many (default: 12)")
    parser.add_argument("--first", type=index, default=0, metavar="K", help="number of the first one (default: 0)")
    parser.add_argument("--camera", metavar="NAME", help="which camera (default: the first)")
    parser.add_argument("--output", "-o", metavar="FILE", help="a .png (default: NAME-samples.png)")
    _scene_options(parser)
    parser.add_argument("--renderer", metavar="NAME", help="entry of the renderers shelf, instead of the scene's")
    parser.set_defaults(labels=None, refiner=None, look=None)


def _scene_options(parser: Any) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", dest="overrides",
        help="change a value of the scene, as in fps=12; may be given again",
    )  # fmt: skip
