"""The README's picture of scenes: one frame of each of sixteen from the shelf.

python docs/make_gallery.py docs/gallery.jpg
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import simvid
from simvid.clips.contact_sheet import font

SHOWN = {
    "franka_pick": 0.7, "task_open_drawer": 0.75, "task_handover": 0.5, "cable_routing": 0.6,
    "jelly_drop": 0.35, "sand_pour": 0.6, "water_glass": 0.4, "clay_press": 0.95,
    "cloth_drape": 0.9, "flag_in_wind": 0.5, "rope_over_peg": 0.4, "capture_squash": 0.5,
    "breaking_bridge": 0.4, "conveyor_sort": 0.45, "ball_pit": 0.6, "task_walk": 0.5,
}  # fmt: skip
"""Scenes of the shelf, and at which share of their time they are shown."""
SIZE, COLUMNS, GAP, CAPTION = (300, 225), 4, 4, 18


def shot(scene: str, share: float) -> Image.Image:
    """A frame of its first camera."""
    loaded = simvid.load_scene(scene, ["labels=[]"])
    frames = simvid.render(loaded, simvid.simulate(loaded), loaded.cameras[0].name)
    picture = Image.fromarray(np.ascontiguousarray(frames.rgb[round(share * (len(frames) - 1))]))
    return picture.resize(SIZE, Image.Resampling.LANCZOS)


def main(out: Path) -> None:
    """Four rows of four."""
    wide, high = SIZE[0] + GAP, SIZE[1] + GAP + CAPTION
    rows = -(-len(SHOWN) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * wide + GAP, rows * high + GAP), (18, 20, 24))
    draw = ImageDraw.Draw(sheet)
    for k, (scene, share) in enumerate(SHOWN.items()):
        at = (GAP + k % COLUMNS * wide, GAP + k // COLUMNS * high)
        sheet.paste(shot(scene, share), at)
        draw.text((at[0] + 2, at[1] + SIZE[1] + 2), scene, (220, 222, 226), font(12))
        print(scene, flush=True)
    sheet.save(out, quality=88, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
