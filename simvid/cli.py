"""The command line: ``simvid COMMAND …``. Only arguments are read here; each command lives in ``simvid.commands``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

from simvid import __version__, collector
from simvid.cli_data import add_data_commands
from simvid.cli_jobs import add_job_commands
from simvid.cli_values import Parser, index, positive, scene_options, share, splats, whole
from simvid.errors import SimvidError

INTERRUPTED, TERMINATED, INTERNAL = 130, 143, 70
DESCRIPTION = """\
A YAML scene goes through physics, Gaussian splatting and a refiner and comes out as labelled video.

  simvid run franka_push            make a clip of a scene on the shelf
  simvid run my_scene.yaml          or of your own
  simvid list scenes                what is on the shelf
  simvid doctor                     is everything installed that is needed?
"""
EXIT_CODES = """\
exit codes:
  0 well   1 anything else   2 wrong arguments or a faulty scene   3 a mesh, robot or capture   4 physics
  5 what the renderer cannot draw   6 a clip that is missing or damaged   7 a package that is not installed
  8 the clip is there, but a self-check or a law of physics failed   9 a job gave clips up
  10 refined video that the gate rejected   70 a fault of simvid   130 Ctrl-C   143 SIGTERM
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code.

    0 is well, 1 an error without a kind of its own, 2 wrong arguments or a faulty scene; the other kinds have the codes
    of ``simvid.errors``: among them 8 from ``run`` and ``render``, for a clip that is there but failed a self-check,
    and 10 from ``check --refined`` and ``refine --retries``, for a refined video that the gate rejected. 130 is Ctrl-C.
    """
    arguments = argparse.Namespace(json=False, debug=False)
    try:
        signal.signal(signal.SIGTERM, _terminate)
        if argv is None:
            collector.own_process()
        arguments = _parsed(list(sys.argv[1:] if argv is None else argv))
        if argv is None and arguments.quiet:
            logging.getLogger("simvid").setLevel(logging.ERROR)
        with collector.paused():
            command = import_module(f"simvid.commands.{arguments.module}")
        code: int = command.main(arguments)
        sys.stdout.flush()
        return code
    except SimvidError as error:
        if arguments.debug:
            raise
        return _complain(str(error), error.exit_code, arguments)
    except KeyboardInterrupt:
        return _complain("stopped; nothing was left half-written, run it again to go on", INTERRUPTED, arguments)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the interpreter's last flush is quiet
        return 1
    except Exception as error:
        if arguments.debug:
            raise
        text = f"simvid has a fault: {type(error).__name__}: {error}\nPlease report it with what --debug shows."
        return _complain(text, INTERNAL, arguments)


def _parsed(argv: list[str]) -> argparse.Namespace:
    """Arguments; a wrong one is answered with the usage of its command and the closest option."""
    Parser.json = "--json" in argv
    arguments, unknown = build_parser().parse_known_args(argv)
    if unknown:
        parser = arguments.parser
        near = get_close_matches(unknown[0].partition("=")[0], parser._option_string_actions, n=1)
        parser.error(f"unknown argument {unknown[0]}" + (f"; did you mean {near[0]}?" if near else ""))
    arguments.argv = argv
    return arguments


def _complain(text: str, code: int, arguments: argparse.Namespace) -> int:
    if getattr(arguments, "json", False):
        print(json.dumps({"error": text, "exit_code": code}))
    print(f"simvid: {text}", file=sys.stderr)
    return code


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(TERMINATED)


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = Parser(prog="simvid", description=DESCRIPTION, epilog=EXIT_CODES, formatter_class=_Plain)
    parser.add_argument("--version", action="version", version=f"simvid {__version__}")
    _habits(parser, False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (
        _run, _simulate, _render, _refine, _validate, _schema, _list, _show, _view, _log, _overlay, _report,
        _pairs, _train, _evaluate, _doctor,
    ):  # fmt: skip
        add(commands)
    add_job_commands(commands, _command)
    add_data_commands(commands, _command)
    return parser


class _Plain(argparse.RawDescriptionHelpFormatter):
    """Keeps examples as they are written."""


def _command(commands: Any, name: str, help_text: str, example: str, module: str | None = None) -> Any:
    """A command with the options that all have."""
    parser = commands.add_parser(
        name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".", formatter_class=_Plain,
        epilog=f"example:\n{example}",
    )  # fmt: skip
    parser.set_defaults(module=module or name, parser=parser)
    _habits(parser, argparse.SUPPRESS)
    return parser


def _habits(parser: argparse.ArgumentParser, default: Any) -> None:
    """Options that stand before or after the command."""
    parser.add_argument("--json", action="store_true", default=default, help="print the result as JSON")
    parser.add_argument(
        "--quiet", "-q", action="store_true", default=default, help="say nothing but results and errors"
    )
    parser.add_argument("--debug", action="store_true", default=default, help="show Python tracebacks")


def _picture_options(parser: Any) -> None:
    parser.add_argument("--renderer", metavar="NAME", help="entry of the renderers shelf, instead of the scene's")
    parser.add_argument(
        "--labels", metavar="NAMES",
        help="labels to write, as in depth,ids,flow or all; instead of the scene's",
    )  # fmt: skip


def _job_options(parser: Any) -> None:
    parser.add_argument("--out", default=None, metavar="DIR", help="folder for clips (default: out)")
    parser.add_argument("--frames", type=int, metavar="N", help="only the first N frames (2 or more)")
    parser.add_argument("--sample", type=int, metavar="K", help="draw what the scene randomizes: which draw")
    parser.add_argument(
        "--force", action="store_true",
        help="run every stage again, even if nothing has changed; the clip is replaced as a whole: its other "
        "refinements, their verdicts and its captions go",
    )  # fmt: skip


def _run(commands: Any) -> None:
    parser = _command(
        commands, "run", "make a clip: simulate, render, refine, write",
        "  simvid run domino_row --labels all\n  simvid run my_scene.yaml --out clips --set cameras.front.fov_y_deg=60",
    )  # fmt: skip
    parser.add_argument("scene", metavar="SCENE", help="a name on the shelf, or the path of a YAML file")
    _job_options(parser)
    scene_options(parser)
    _picture_options(parser)
    parser.add_argument("--refiner", metavar="NAME", help="entry of the refiners shelf, instead of the scene's")
    parser.add_argument("--look", metavar="NAME", help="how the refined video should look, instead of the scene's")
    parser.set_defaults(until="refining")


def _simulate(commands: Any) -> None:
    parser = _command(
        commands, "simulate", "run the physics alone: a clip folder with the trajectory and the contacts",
        "  simvid simulate billiard_break --out out", module="run",
    )  # fmt: skip
    parser.add_argument("scene", metavar="SCENE", help="a name on the shelf, or the path of a YAML file")
    _job_options(parser)
    scene_options(parser)
    parser.set_defaults(until="physics", labels=None, renderer=None, refiner=None, look=None)


def _render(commands: Any) -> None:
    parser = _command(
        commands, "render", "simulate and render a scene, or render the motion of a clip again",
        "  simvid render pendulum\n  simvid render out/pendulum-1a2b3c4d --renderer reference", module="run",
    )  # fmt: skip
    parser.add_argument("scene", metavar="SCENE|CLIP", help="a scene's name or YAML file, or a clip folder")
    _job_options(parser)
    scene_options(parser)
    _picture_options(parser)
    parser.set_defaults(until="rendering", refiner=None, look=None)


def _refine(commands: Any) -> None:
    parser = _command(
        commands, "refine", "refine the frames of a clip, and add the result to its folder",
        "  simvid refine out/pendulum-1a2b3c4d --refiner identity",
    )  # fmt: skip
    parser.add_argument("clip", metavar="CLIP", help="a clip folder")
    parser.add_argument("--refiner", metavar="NAME", help="entry of the refiners shelf (default: that of the scene)")
    parser.add_argument("--look", metavar="NAME", help="how it should look (default: that of the scene)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the refiner (default: that of the scene)")
    parser.add_argument("--force", action="store_true", help="replace a refinement of the same name")
    parser.add_argument(
        "--retries", type=index, metavar="N",
        help="judge the result as  simvid check  does; while it is rejected, refine with the next seed, up to N times",
    )  # fmt: skip


def _validate(commands: Any) -> None:
    parser = _command(
        commands, "validate", "check scene files and say everything that is wrong with them",
        "  simvid validate scenes/*.yaml",
    )  # fmt: skip
    parser.add_argument("scenes", nargs="+", metavar="SCENE", help="names on the shelf, or paths of YAML files")
    parser.add_argument("--syntax-only", action="store_true", help="do not open the meshes and robots that they name")
    scene_options(parser, "scenes")


def _schema(commands: Any) -> None:
    parser = _command(
        commands, "schema", "print the JSON Schema of scene files, for editors", "  simvid schema > scene.schema.json"
    )
    parser.add_argument("--markdown", action="store_true", help="a page that explains every key instead")
    parser.add_argument("--output", metavar="FILE", help="write it to a file instead")


def _list(commands: Any) -> None:
    parser = _command(commands, "list", "list what there is to choose from", "  simvid list scenes", module="listing")
    parser.add_argument(
        "what", nargs="?", choices=("scenes", "renderers", "refiners", "engines", "formats"), help="default: all"
    )
    parser.add_argument("--markdown", action="store_true", help="engines: as a page, docs/engines.md")
    parser.add_argument("--output", metavar="FILE", help="write that page to a file instead")


def _show(commands: Any) -> None:
    parser = _command(
        commands, "show", "say what is in a clip folder, and check that it is whole",
        "  simvid show out/pendulum-1a2b3c4d --verify",
    )  # fmt: skip
    parser.add_argument("clip", metavar="CLIP", help="a clip folder")
    parser.add_argument("--verify", action="store_true", help="read every file and compare its content with its digest")


def _view(commands: Any) -> None:
    parser = _command(
        commands, "view", "show a clip in the browser: splats on a timeline, cameras, labels, contacts",
        "  simvid view out/pendulum-1a2b3c4d\n  simvid view out/pendulum-1a2b3c4d --no-browser --port 9000",
    )  # fmt: skip
    parser.add_argument("clip", metavar="CLIP", help="a clip folder")
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on; 0.0.0.0 lets other machines in"
    )
    parser.add_argument("--port", type=int, metavar="N", help="default: the first free one from 8080 on")
    parser.add_argument("--splats", type=splats, metavar="N", help="Gaussians at most (default: 200000)")
    parser.add_argument("--no-browser", action="store_true", help="say the address and open nothing")


def _log(commands: Any) -> None:
    parser = _command(
        commands, "log", "write a recording for the rerun viewer: cameras, labels, splats, boxes, contacts, joints",
        "  simvid log out/pendulum-1a2b3c4d -o pendulum.rrd\n  rerun pendulum.rrd",
    )  # fmt: skip
    parser.add_argument("clip", metavar="CLIP", help="a clip folder")
    parser.add_argument("--output", "-o", metavar="FILE", help="default: NAME.rrd beside the clip folder")
    parser.add_argument("--splats", type=splats, metavar="N", help="Gaussians at most (default: 200000)")


def _overlay(commands: Any) -> None:
    parser = _command(
        commands, "overlay", "write labels as a video, side by side or over the picture, with legends",
        "  simvid overlay out/pendulum-1a2b3c4d --labels ids,boxes,depth,flow,tracks -o labels.mp4\n"
        "  simvid overlay out/pendulum-1a2b3c4d --labels ids,boxes --layout blend --camera front -o ids.mp4",
    )  # fmt: skip
    parser.add_argument("clip", metavar="CLIP", help="a clip folder")
    parser.add_argument("--labels", metavar="A,B,…", help="which, with commas between them (default: all)")
    parser.add_argument(
        "--camera", action="append", default=[], metavar="NAME", help="default: all; may be given again"
    )
    parser.add_argument("--layout", choices=("side", "blend"), default="side", help="default: side")
    parser.add_argument(
        "--share", type=share, default=0.5, metavar="S", help="how much a label covers in blend, 0 to 1 (default: 0.5)"
    )
    parser.add_argument("--output", "-o", required=True, metavar="FILE", help="an .mp4; H.264")


def _report(commands: Any) -> None:
    parser = _command(
        commands, "report", "write one HTML page about a clip, or about a folder of clips",
        "  simvid report out/pendulum-1a2b3c4d -o pendulum.html\n  simvid report data/table_top",
    )  # fmt: skip
    parser.add_argument("clip", metavar="CLIP|DIR", help="a clip, or a folder of clips")
    parser.add_argument("--output", "-o", metavar="FILE", help="default: NAME.html beside the folder")
    parser.add_argument(
        "--clips", type=positive, default=24, metavar="N", help="how many of a folder to show as videos (default: 24)"
    )


def _pairs(commands: Any) -> None:
    parser = _command(
        commands, "pairs", "make training pairs: coarse splat frames, buffers, and path-traced frames of the same",
        "  simvid pairs --out pairs --count 600 --held-out 60 --workers 2\n"
        "  simvid pairs --out pairs --count 40 --family jelly --family sand",
    )  # fmt: skip
    parser.add_argument("--out", required=True, metavar="DIR", help="of the data set; what is there is not made again")
    parser.add_argument("--count", type=index, required=True, metavar="N", help="pairs for training")
    parser.add_argument("--held-out", type=index, default=0, metavar="N", help="pairs of families never trained on")
    parser.add_argument(
        "--family", action="append", default=[], metavar="NAME",
        help="only of this family of scenes (docs/training.md lists them); may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--frames", type=whole(2, 16), default=16, metavar="N",
        help="of each pair (default: 16); a step of training reads four, and short pairs show more scenes",
    )  # fmt: skip
    parser.add_argument("--seed", type=index, default=0, metavar="N", help="of the whole set (default: 0)")
    parser.add_argument(
        "--size", type=whole(32, 8192), default=256, dest="size_px", metavar="PX",
        help="of the pictures; training crops 96, and 32 at least (default: 256)",
    )  # fmt: skip
    parser.add_argument("--samples", type=positive, default=24, metavar="N", help="paths per pixel (default: 24)")
    parser.add_argument("--workers", type=positive, default=1, metavar="N", help="processes (default: 1)")


def _train(commands: Any) -> None:
    parser = _command(
        commands, "train", "train a refiner on a folder of pairs, or go on with a run that was stopped",
        "  simvid train refiner --data pairs --out runs/first --steps 20000\n"
        "  simvid train refiner --data pairs --out runs/second --recipe runs/first/refiner/recipe.json",
    )  # fmt: skip
    parser.add_argument("what", choices=("refiner",), help="what to train")
    parser.add_argument("--data", required=True, metavar="DIR", help="folder of training pairs")
    parser.add_argument("--out", default="runs/refiner", metavar="DIR", help="of the run (default: runs/refiner)")
    parser.add_argument(
        "--recipe", metavar="FILE",
        help="settings as YAML or JSON (docs/training.md), such as a run leaves beside its weights; options go before",
    )  # fmt: skip
    parser.add_argument("--steps", type=positive, metavar="N", help="of the whole run (default: 60000)")
    parser.add_argument("--batch", type=positive, metavar="N", help="clips per step (default: 4)")
    parser.add_argument("--frames", type=positive, metavar="N", help="frames per clip, 2 or more (default: 4)")
    parser.add_argument("--size", type=positive, metavar="PX", dest="size_px", help="of the crops (default: 96)")
    parser.add_argument("--rate", type=float, metavar="X", help="learning rate (default: 6e-4)")
    parser.add_argument("--seed", type=int, metavar="N", help="of weights, crops and noise (default: 0)")
    parser.add_argument("--threads", type=positive, metavar="N", help="of the processor (default: 1)")
    parser.add_argument("--save-every", type=positive, metavar="N", help="steps between checkpoints (default: 500)")
    parser.add_argument(
        "--from", dest="begin_from", metavar="FOLDER",
        help="begin with the weights of a saved pipeline, the folder refiner/ of another run, and its architecture",
    )  # fmt: skip
    parser.add_argument(
        "--processes", type=positive, default=1, metavar="N",
        help="that share each batch, one GPU each where there are GPUs (default: 1; needs accelerate)",
    )  # fmt: skip


def _evaluate(commands: Any) -> None:
    parser = _command(
        commands, "evaluate", "compare refined with true pictures: a clip with its path-traced twin, or held-out pairs",
        "  simvid evaluate --refiner bundled\n  simvid evaluate --refiner bundled --data pairs --ablate --count 12\n"
        "  simvid evaluate out/pendulum-1a2b3c4d --refined bundled",
    )  # fmt: skip
    parser.add_argument("clip", nargs="?", metavar="CLIP", help="a clip folder; without one, pairs are refined")
    parser.add_argument(
        "--refined", action="append", default=[], metavar="NAME",
        help="a refinement that the clip has; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--reference", metavar="CLIP|DIR",
        help="the path-traced clip, or a folder of PNG pictures (default: the path-traced clip beside it)",
    )  # fmt: skip
    parser.add_argument(
        "--refiner", action="append", default=[], metavar="ENTRY",
        help="entry of the refiners shelf to try; may be given again",
    )  # fmt: skip
    parser.add_argument("--data", metavar="DIR", help="folder of training pairs (default: the sample that comes along)")
    parser.add_argument("--split", choices=("held_out", "train"), help="of the pairs (default: held_out)")
    parser.add_argument("--count", type=positive, metavar="N", help="only so many pairs, spread evenly over all")
    parser.add_argument(
        "--ablate", action="store_true",
        help="also without each control, without a past, and with other steps and strengths",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the refiners (default: 0)")
    parser.add_argument(
        "--out", default="out/evaluation", metavar="DIR", help="for tables and videos (default: out/evaluation)"
    )
    parser.add_argument("--videos", type=index, default=8, metavar="N", help="clips that get a video (default: 8)")


def _doctor(commands: Any) -> None:
    parser = _command(
        commands, "doctor", "say what is installed, what is missing, and try a tiny clip", "  simvid doctor"
    )
    parser.add_argument("--no-test", action="store_true", help="leave out the tiny clip")


if __name__ == "__main__":
    sys.exit(main())
