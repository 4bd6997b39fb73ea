"""``simvid list``: what lies on the shelves, and which engines and export formats there are."""

from __future__ import annotations

import argparse
import json

from simvid import catalogue, registry
from simvid.catalogue import SHELVES


def main(arguments: argparse.Namespace) -> int:
    """Print names, each with the first line of its file."""
    wanted = [arguments.what] if arguments.what else [*SHELVES, "engines", "formats"]
    found = {what: _entries(what) for what in wanted}
    if arguments.json:
        print(json.dumps(found, indent=1))
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
    return 0


def _entries(what: str) -> list[dict[str, str]]:
    for shelf in SHELVES:
        if shelf == what:
            return [{"name": e.name, "summary": e.summary, "path": str(e.path)} for e in catalogue.entries(shelf)]
    if what == "formats":
        from simvid.export.job import formats

        return [{"name": name, "summary": kind.summary, "path": ""} for name, kind in formats().items()]
    return [{"name": name, "summary": "", "path": ""} for name in registry.names("physics")]
