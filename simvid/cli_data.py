"""The command line of what becomes of clips: ``export``, ``dataset``, ``caption``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from simvid.cli_values import share

Command: TypeAlias = Callable[..., Any]
"""``simvid.cli._command``: a command with the options that all have."""


def add_data_commands(commands: Any, command: Command) -> None:
    """All of them."""
    for add in (_export, _dataset, _caption):
        add(commands, command)


def _export(commands: Any, command: Command) -> None:
    parser = command(
        commands, "export", "write clips in a format that others read",
        "  simvid export out --format lerobot --out datasets/push\n"
        "  simvid export out/pendulum-1a2b3c4d --format coco --out coco --option pictures=jpg\n"
        "  simvid list formats",
    )  # fmt: skip
    parser.add_argument("sources", nargs="+", metavar="DIR|CLIP", help="clip folders, or folders of clips")
    parser.add_argument("--format", required=True, metavar="NAME", help="as simvid list formats says")
    parser.add_argument("--out", required=True, metavar="DIR", help="a new folder; there whole or not at all")
    parser.add_argument(
        "--camera", action="append", default=[], metavar="NAME", help="default: all; may be given again"
    )
    parser.add_argument("--labels", metavar="A,B,…", help="default: all that the clips have and the format holds")
    parser.add_argument("--refined", metavar="NAME", help="pictures of this refinement instead of the rendered ones")
    parser.add_argument(
        "--rejected", default="refuse", choices=("refuse", "leave_out", "keep"),
        help="clips whose refined pictures the gate rejected; default: refuse",
    )  # fmt: skip
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", dest="options",
        help="a setting of the format; may be given again",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace an earlier export")


def _dataset(commands: Any, command: Command) -> None:
    parser = command(
        commands, "dataset", "say what a folder of training data holds: items, splits, licences; write its card",
        "  simvid dataset pairs\n  simvid dataset out --card",
    )  # fmt: skip
    parser.add_argument("folder", metavar="DIR", help="clips, training pairs, or arrays of simvid export --format npy")
    parser.add_argument("--card", action="store_true", help="write README.md and card.json into the folder")
    parser.add_argument(
        "--held-out", type=share, default=0.1, metavar="S",
        help="share of the families of clips that is held out (default: 0.1); pairs keep their split",
    )  # fmt: skip


def _caption(commands: Any, command: Command) -> None:
    parser = command(
        commands, "caption", "say what happens in a clip, short, long and as JSON; questions and answers",
        "  simvid caption out/billiard_break-1a2b3c4d\n  simvid caption out/domino_row-1a2b3c4d --questions --seed 3",
    )  # fmt: skip
    parser.add_argument("clip", metavar="CLIP", help="a clip folder")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the words (default: 0)")
    parser.add_argument("--camera", metavar="NAME", help="whose left and right count (default: the first)")
    parser.add_argument(
        "--questions", action="store_true",
        help="descriptive, explanatory, predictive and counterfactual ones; the last are simulated anew",
    )  # fmt: skip
    parser.add_argument("--endpoint", metavar="URL", help="an OpenAI-compatible endpoint that rewrites and checks")
    parser.add_argument("--model", metavar="NAME", help="the model to ask there")
    parser.add_argument("--output", "-o", metavar="FILE", help="default: captions.json in the clip")
