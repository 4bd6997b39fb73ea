"""Kinds of values on the command line, and options that several commands have."""

from __future__ import annotations

import argparse
from typing import Any


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def seconds(text: str) -> float:
    """A number above 0."""
    if (value := amount(text)) == 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def amount(text: str) -> float:
    """A number from 0 on."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, got {text!r}")
    return value


def index(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, got {text!r}")
    return int(text)


def splats(text: str) -> int:
    """How many Gaussians a viewer may make."""
    if not text.isdecimal() or not 1_000 <= int(text) <= 20_000_000:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1000 to 20000000, got {text!r}")
    return int(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value


def scene_options(parser: Any, what: str = "scene") -> None:
    """``--set``, for commands that take a scene."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", dest="overrides",
        help=f"change a value of the {what}, as in cameras.front.fov_y_deg=60; may be given again",
    )  # fmt: skip
