"""``simvid schema``: the JSON Schema of scene files, or a page of all keys."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from simvid.clips.folders import new_file
from simvid.schema import schema_text
from simvid.schema_page import schema_page


def main(arguments: argparse.Namespace) -> int:
    """Print it, or write it to a file."""
    text = schema_page() if arguments.markdown else schema_text().rstrip("\n") + "\n"
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        with new_file(Path(arguments.output)) as path:
            path.write_text(text, encoding="utf-8")
    return 0
