"""``simvid validate``: every fault of every file."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from simvid.errors import SceneError, SimvidError
from simvid.parsing import load_scene


def main(arguments: argparse.Namespace) -> int:
    """Check all files; 2 if any has a fault."""
    results = [_checked(name, arguments) for name in arguments.scenes]
    if arguments.json:
        print(json.dumps(results, indent=1))
    else:
        for result in results:
            if result["ok"] and not arguments.quiet:
                print(f"{result['scene']}: ok")
            elif not result["ok"]:
                print(result["text"], file=sys.stderr)
    bad = sum(not result["ok"] for result in results)
    if bad and not arguments.json and len(results) > 1:
        print(f"{bad} of {len(results)} scenes are faulty", file=sys.stderr)
    return SceneError.exit_code if bad else 0


def _checked(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    try:
        scene = load_scene(name, arguments.overrides)
        if not arguments.syntax_only:
            from simvid.jobs.backends import engine_of
            from simvid.jobs.preflight import prepared
            from simvid.randomize import as_written, sample

            for drawn in (as_written(scene), *([sample(scene, 0)[0]] if scene.randomize else [])):
                engine_of(drawn).use.check(prepared(drawn))
    except SimvidError as error:
        faults = [
            {"file": f.file, "line": f.line, "field": f.field, "message": f.message, "hint": f.hint}
            for f in getattr(error, "faults", ())
        ]
        return {"scene": name, "ok": False, "text": str(error), "faults": faults}
    return {"scene": name, "ok": True, "text": "", "faults": []}
