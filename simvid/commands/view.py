"""``simvid view``: a clip in the browser."""

from __future__ import annotations

import argparse
import json
import sys
import webbrowser

from simvid.clip import Clip
from simvid.viewing.server import MOST, Viewer


def main(arguments: argparse.Namespace) -> int:
    """Open the page, and serve it until Ctrl-C."""
    viewer = Viewer(Clip.open(arguments.clip), arguments.host, arguments.port, arguments.splats or MOST)
    try:
        if arguments.json:
            print(json.dumps({"url": viewer.url, "clip": arguments.clip}), flush=True)
        else:
            print(viewer.url if arguments.quiet else f"{viewer.url}   (Ctrl-C ends)", flush=True)
        if not arguments.no_browser:
            webbrowser.open(viewer.url)
        viewer.run()
    except KeyboardInterrupt:
        if not arguments.quiet:
            print("closed", file=sys.stderr)
    finally:
        viewer.close()
    return 0
