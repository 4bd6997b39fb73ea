"""The command line of everything that makes or reads many clips: ``sample``, ``generate``, ``replay``, ``check``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from simvid.cli_values import amount, index, positive, scene_options, seconds

Command: TypeAlias = Callable[..., Any]
"""``simvid.cli._command``: a command with the options that all have."""


def add_job_commands(commands: Any, command: Command) -> None:
    """All of them."""
    for add in (_sample, _generate, _replay, _check):
        add(commands, command)


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
    scene_options(parser)
    parser.add_argument("--renderer", metavar="NAME", help="entry of the renderers shelf, instead of the scene's")
    parser.set_defaults(labels=None, refiner=None, look=None)


def _generate(commands: Any, command: Command) -> None:
    parser = command(
        commands, "generate", "make many clips of a scene that varies; what is there already is not made again",
        "  simvid generate table_top --count 1000 --out data/table_top --workers 2\n"
        "  simvid generate table_top --count 1000 --out data/table_top --shard $SLURM_ARRAY_TASK_ID/16\n"
        "  simvid generate table_top --count 1000 --out /shared/table_top --ray auto\n"
        "  simvid generate franka_push --count 1000 --out data/push --workers 2 --format lerobot",
    )  # fmt: skip
    parser.add_argument("scene", metavar="SCENE", help="a name on the shelf, or the path of a YAML file")
    parser.add_argument("--count", type=positive, required=True, metavar="N", help="clips in all: samples 0 to N - 1")
    parser.add_argument("--out", required=True, metavar="DIR", help="of the job; run it again to go on with it")
    parser.add_argument("--frames", type=int, metavar="N", help="only the first N frames of each clip (2 or more)")
    parser.add_argument(
        "--until", choices=("physics", "rendering", "refining"), default="refining",
        help="last stage of each clip (default: refining)",
    )  # fmt: skip
    scene_options(parser)
    parser.add_argument("--renderer", metavar="NAME", help="entry of the renderers shelf, instead of the scene's")
    parser.add_argument("--labels", metavar="NAMES", help="labels to write, instead of the scene's")
    parser.add_argument("--refiner", metavar="NAME", help="entry of the refiners shelf, instead of the scene's")
    parser.add_argument("--look", metavar="NAME", help="how the refined videos should look, instead of the scene's")
    parser.add_argument(
        "--format", metavar="NAME",
        help="encode clips while others are made, and put them together as OUT/NAME: lerobot, cosmos_transfer, "
        "cosmos3 or webdataset",
    )  # fmt: skip
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", dest="options",
        help="a setting of the format; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--refined", metavar="NAME", help="pictures of this refinement in OUT/NAME, not the rendered ones"
    )
    _job_options(parser)


def _job_options(parser: Any) -> None:
    parser.add_argument("--workers", type=positive, metavar="N", help="processes (default: 1; with --ray all cores)")
    parser.add_argument("--shard", metavar="I/N", help="make every N-th clip only, from the I-th (0 to N - 1)")
    parser.add_argument("--timeout", type=seconds, metavar="S", help="stop a clip that takes longer than this")
    parser.add_argument(
        "--min-free",
        type=amount,
        default=2.0,
        metavar="GB",
        help="begin no clip with less room on the disk (default: 2)",
    )
    parser.add_argument("--resume", action="store_true", help="go on where the job was, which it does anyway")
    parser.add_argument("--retry-failed", action="store_true", help="try clips again that were given up for an error")
    parser.add_argument("--mix-versions", action="store_true", help="go on with a job that another simvid began")
    parser.add_argument(
        "--ray", metavar="ADDRESS",
        help="run on a Ray cluster: its address, auto for the one this machine is in, local for one made here",
    )  # fmt: skip


def _replay(commands: Any, command: Command) -> None:
    parser = command(
        commands, "replay", "see stored trajectories again, without new physics: other cameras, labels, renderers",
        "  simvid replay data/table_top --out data/from_above --add-camera "
        "'{name: top, pose: {look_from_m: [0, 0.1, 1.5], look_at_m: [0, 0, 0]}}'\n"
        "  simvid replay data/table_top --out data/photoreal --renderer pathtrace --labels depth,ids\n"
        "  simvid replay data/table_top --refiner identity",
    )  # fmt: skip
    parser.add_argument("source", metavar="DIR|CLIP", help="a folder of clips, or one clip")
    parser.add_argument("--out", metavar="DIR", help="of the new clips; needed unless only a refiner or look is given")
    parser.add_argument(
        "--add-camera", action="append", default=[], metavar="YAML", help="a camera as in a scene; may be given again"
    )
    parser.add_argument(
        "--camera", action="append", default=[], metavar="NAME",
        help="which of the clips' own cameras to see again (default: all); may be given again; none for none",
    )  # fmt: skip
    parser.add_argument("--labels", metavar="NAMES", help="labels to write, as in depth,ids or all")
    parser.add_argument("--renderer", metavar="NAME", help="entry of the renderers shelf")
    parser.add_argument("--refiner", metavar="NAME", help="entry of the refiners shelf")
    parser.add_argument("--look", metavar="NAME", help="how the refined videos should look")
    _job_options(parser)


def _check(commands: Any, command: Command) -> None:
    parser = command(
        commands, "check", "check clips: content, counts, videos, self-checks, physics, and that none is missing",
        "  simvid check data/table_top --workers 2\n  simvid check out/pendulum-1a2b3c4d --refined bundled\n"
        "  simvid check out/pendulum-1a2b3c4d --plot physics.svg",
    )  # fmt: skip
    parser.add_argument("--plot", metavar="FILE.svg", help="draw what each law of physics measured over a clip's time")
    parser.add_argument("source", metavar="DIR|CLIP", help="a folder of clips, or one clip")
    parser.add_argument("--workers", type=positive, metavar="N", help="processes (default: 1)")
    parser.add_argument(
        "--refined", metavar="NAME", help="judge this refinement of a clip: does it still show what the labels say?"
    )
