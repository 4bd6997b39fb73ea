"""``simvid doctor``: a table of what is there, and what to do about what is not."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from simvid.doctor import Finding, findings

MARKS = {True: "ok", False: "!!", None: "--"}


def main(arguments: argparse.Namespace) -> int:
    """Print the table as it is found; 1 if something that is needed is missing."""
    found: list[Finding] = []
    group = ""
    for finding in findings(test=not arguments.no_test):
        found.append(finding)
        if arguments.json or (arguments.quiet and finding.ok is not False):
            continue
        if finding.group != group:
            group = finding.group
            print(f"\n{group}" if len(found) > 1 else group)
        print(f"  {MARKS[finding.ok]}  {finding.name:<14} {finding.value}")
        if finding.advice:
            print(f"      {'':<14} {finding.advice}")
        sys.stdout.flush()
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    ill = [finding.name for finding in found if finding.ok is False]
    if ill and not arguments.json:
        print(f"\nto mend: {', '.join(ill)}", file=sys.stderr)
    return 1 if ill else 0
