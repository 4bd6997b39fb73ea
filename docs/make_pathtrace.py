"""The README's picture of two renderers: two scenes, splatted and path-traced from the same motion.

python docs/make_pathtrace.py docs/pathtrace.png
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import simvid

SHOWN = {"franka_pick": 1.75, "ball_pit": 3.0}
"""Scenes of the shelf, and when they are shown [s]."""
SIZE, FPS = (320, 240), 4


def main(out: Path) -> None:
    """One row per scene: splats on the left."""
    sheet = Image.new("RGB", (2 * SIZE[0], len(SHOWN) * SIZE[1]))
    for row, (scene, time_s) in enumerate(SHOWN.items()):
        for column, renderer in enumerate(("cpu", "pathtrace")):
            changes = ["labels=[]", f"fps={FPS}", f"cameras.front.resolution_px={[*SIZE]}"]
            loaded = simvid.load_scene(scene, [*changes, f"render={renderer}"])
            frames = simvid.render(loaded, simvid.simulate(loaded), "front")
            sheet.paste(Image.fromarray(np.ascontiguousarray(frames.rgb[round(time_s * FPS)])), (column * SIZE[0], row * SIZE[1]))
    sheet.save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
