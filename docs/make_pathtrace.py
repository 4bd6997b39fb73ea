"""The README's picture of two renderers: two scenes, splatted and path-traced from the same motion.

python docs/make_pathtrace.py docs/pathtrace.png
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import simvid
from simvid.generating.pair_making import window

SHOWN = {"franka_pick": 1.75, "ball_pit": 3.0}
"""Scenes of the shelf, and when they are shown [s]."""
SIZE, FPS = (320, 240), 24


def main(out: Path) -> None:
    """One row per scene: splats on the left."""
    sheet = Image.new("RGB", (2 * SIZE[0], len(SHOWN) * SIZE[1]))
    for row, (scene, time_s) in enumerate(SHOWN.items()):
        for column, renderer in enumerate(("cpu", "pathtrace")):
            size = f"cameras.front.resolution_px={[*SIZE]}"
            loaded = simvid.load_scene(scene, ["labels=[]", f"fps={FPS}", size, f"render={renderer}"])
            frame = window(simvid.simulate(loaded), round(time_s * FPS), 1)
            picture = simvid.render(loaded, frame, "front").rgb[0]
            sheet.paste(Image.fromarray(np.ascontiguousarray(picture)), (column * SIZE[0], row * SIZE[1]))
    sheet.save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
