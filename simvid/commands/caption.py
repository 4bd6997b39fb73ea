"""``simvid caption``: what happens in a clip, in words and as JSON; questions and answers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from simvid.captions.endpoint import Endpoint, EndpointError, checked, rewritten
from simvid.captions.narration import CAPTION_FILE, captions
from simvid.captions.questions import questions
from simvid.captions.things import things
from simvid.clip import Clip
from simvid.clips.folders import new_file
from simvid.pipeline import simulate


def main(arguments: argparse.Namespace) -> int:
    """Write ``captions.json`` into the clip, or where it is told, and print it."""
    endpoint = _endpoint(arguments)
    clip = Clip.open(arguments.clip)
    found = captions(clip, arguments.seed, arguments.camera)
    if endpoint is not None:
        found |= asked(clip, found, endpoint)
    if arguments.questions:  # last: counterfactuals take minutes
        found["questions"] = [q.as_tree() for q in questions(clip, arguments.seed, simulate)]
    path = Path(arguments.output) if arguments.output else clip.path / CAPTION_FILE
    with new_file(path) as work:
        work.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False))
    elif arguments.quiet:
        print(path)
    else:
        print("\n".join([str(path), found["short"], found["long"], *map(_line, found.get("questions", []))]))
    return 0


def _endpoint(arguments: argparse.Namespace) -> Endpoint | None:
    if arguments.endpoint and not arguments.model:
        raise EndpointError("--endpoint: needs the name of a model too: --model NAME")
    if arguments.model and not arguments.endpoint:
        raise EndpointError("--model: is the model of an endpoint; give --endpoint URL too")
    return Endpoint(arguments.endpoint, arguments.model) if arguments.endpoint else None


def asked(clip: Clip, found: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    """The captions as a model words them, and its verdict on them."""
    nouns = [thing.noun for thing in things(clip)]
    results = {kind: rewritten(found[kind], nouns, endpoint) for kind in ("short", "long")}
    return {
        "short": results["short"]["text"],
        "long": results["long"]["text"],
        "template": {k: found[k] for k in results},
        "rewriting": {
            "model": endpoint.model,
            **{k: {"kept": r["kept"], "why": r["why"]} for k, r in results.items()},
        },
        "check": checked(results["long"]["text"], found["structured"], endpoint),
    }  # fmt: skip


def _line(question: dict[str, Any]) -> str:
    if "choices" in question:
        answer = "; ".join(f"[{'x' if c['correct'] else ' '}] {c['text']}" for c in question["choices"])
    else:
        answer = str(question["answer"])
    return f"{question['kind']}: {question['question']}  {answer}"
