"""``simvid dataset``: what a folder of training data holds, and its card."""

from __future__ import annotations

import argparse
import json

from simvid.dataset import open as open_dataset
from simvid.dataset.card import CARD_FILE, PAGE_FILE, card, write_card


def main(arguments: argparse.Namespace) -> int:
    """Print a summary, and write the card if it is asked for."""
    data = open_dataset(arguments.folder, arguments.held_out)
    found = write_card(data) if arguments.card else card(data)
    if arguments.json:
        print(json.dumps(found))
        return 0
    if not arguments.quiet:
        print(f"{data.path}: {found['items']} items, {found['frames']} frames, {found['seconds']:g} s")
        for split, about in found["splits"].items():
            families = ", ".join(f"{name} {count}" for name, count in about["families"].items()) or "none"
            print(f"  {split:<9} {about['items']} items, {about['frames']} frames: {families}")
        print(f"  targets   {', '.join(f'{name} {count}' for name, count in found['targets'].items())}")
        print(f"  arrays    {', '.join(found['arrays'])}")
        print(f"  licences  {', '.join(found['licences']) or 'none stated'}")
    if arguments.card:
        print(f"{data.path / PAGE_FILE}\n{data.path / CARD_FILE}")
    return 0
