"""``simvid list``: what lies on the shelves, and which engines and export formats there are."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from simvid import catalogue, registry
from simvid.catalogue import SHELVES
from simvid.clips.folders import new_file
from simvid.errors import UsageError


def main(arguments: argparse.Namespace) -> int:
    """Print names, each with the first line of its file."""
    if arguments.markdown:
        return _page(arguments)
    if arguments.output is not None:
        raise UsageError("simvid list --output: expected --markdown beside it, as only the page of engines is written "
                         "to a file")  # fmt: skip
    wanted = [arguments.what] if arguments.what else [*SHELVES, "engines", "formats"]
    found = {what: _entries(what) for what in wanted}
    if arguments.json:
        print(json.dumps({**found, **({"abilities": _abilities()} if "engines" in found else {})}, indent=1))
        return 0
    width = max((len(e["name"]) for entries in found.values() for e in entries), default=0)
    for what, entries in found.items():
        if len(found) > 1 and not arguments.quiet:
            print(f"{what}:")
        for entry in entries:
            indent = "  " if len(found) > 1 and not arguments.quiet else ""
            print(
                entry["name"] if arguments.quiet else f"{indent}{entry['name']:<{width}}  {entry['summary']}".rstrip()
            )
    if arguments.what == "engines" and not arguments.quiet:
        from simvid.physics.capability_page import table_text

        print(f"\n{table_text()}")
    return 0


def _entries(what: str) -> list[dict[str, str]]:
    for shelf in SHELVES:
        if shelf == what:
            return [{"name": e.name, "summary": e.summary, "path": str(e.path)} for e in catalogue.entries(shelf)]
    if what == "formats":
        from simvid.export.job import formats

        return [{"name": name, "summary": kind.summary, "path": ""} for name, kind in formats().items()]
    from simvid.physics.abilities import SUMMARIES

    return [{"name": name, "summary": SUMMARIES.get(name, ""), "path": ""} for name in registry.names("physics")]


def _abilities() -> dict[str, dict[str, dict[str, Any]]]:
    """What each engine says it does, by engine and feature."""
    from simvid.physics.capabilities import abilities_of

    known = {name: abilities_of(name) or {} for name in registry.names("physics")}
    return {name: {feature: asdict(a) for feature, a in own.items()} for name, own in known.items()}


def _page(arguments: argparse.Namespace) -> int:
    """The page of engines, printed or written."""
    if arguments.what != "engines":
        raise UsageError("simvid list --markdown: expected engines before it, which is the one list with a page")
    from simvid.physics.capability_page import engines_page

    if arguments.output is None:
        print(engines_page(), end="")
    else:
        with new_file(Path(arguments.output)) as path:
            path.write_text(engines_page(), encoding="utf-8")
    return 0
