"""The picture of docs/viewing.md, from a clip and a headless Chromium:  python docs/make_viewer_picture.py CLIP OUT.png

simvid run franka_push --out out/picture
"""

import sys
import tempfile
import threading
from pathlib import Path

from PIL import Image

from simvid.clip import Clip
from simvid.testing.browser import HOW, Browser, installed
from simvid.viewing.server import Viewer

FRAME = 40
SIZE = (1280, 800)
SCENE = (slice(10, 790), slice(0, 860))
"""Rows and columns that show the scene: right of it is the panel."""
SAYS = "(document.body?.innerText ?? '')"
LABEL = "[...document.querySelectorAll('input')].find(i => i.value === 'rgb')"
NOTE = "document.querySelector('.mantine-Notification-closeButton')"
"""Closes viser's note that there is no graphics card."""
IDS = "[...document.querySelectorAll('[role=option]')].find(o => o.innerText.trim() === 'ids')"


def main(clip: Clip, out: Path) -> None:
    """One frame with boxes and contacts, and its ids in the panel."""
    binary = installed()
    if binary is None:
        raise SystemExit(HOW)
    viewer, stopped = Viewer(clip), threading.Event()
    thread = threading.Thread(target=viewer.run, args=(stopped.is_set,))
    thread.start()
    try:
        viewer.timeline.seek(FRAME)
        viewer.panel.turn_on("boxes")
        if not viewer.ready.wait(120):
            raise SystemExit("no splats after two minutes")
        with tempfile.TemporaryDirectory() as profile, Browser(binary, Path(profile), SIZE) as page:
            page.open(viewer.url)
            page.until(f"{SAYS}.includes('frame {FRAME} of') && document.querySelector('canvas') !== null")
            page.click(LABEL)
            page.until(f"!!({IDS})")
            page.click(IDS)
            page.until(f"{SAYS}.includes('Look through this camera')")
            page.until(f"!!({NOTE})")
            page.click(NOTE)
            Image.fromarray(page.settled(SCENE, timeout_s=120)).save(out, optimize=True)
    finally:
        stopped.set()
        viewer.timeline.wake()
        thread.join(30)
        viewer.close()


if __name__ == "__main__":
    main(Clip.open(Path(sys.argv[1])), Path(sys.argv[2]))
