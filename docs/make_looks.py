"""The picture of docs/looks.md: all looks and all materials, splatted and path traced.

python docs/make_looks.py docs/looks.jpg
"""

import sys
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import simvid
from simvid.clips.contact_sheet import font
from simvid.scene import LookName

LOOK_PX, BOARD_PX = (184, 138), (370, 308)
GAP, CAPTION = 4, 16
ONE_STEP = "duration_s=0.0416666667"


def shot(scene: str, size: tuple[int, int], *overrides: str) -> NDArray[np.uint8]:
    """The first frame of a scene."""
    resolution = f"cameras.front.resolution_px=[{size[0]}, {size[1]}]"
    loaded = simvid.load_scene(scene, [ONE_STEP, resolution, "labels=[]", *overrides])
    return simvid.render(loaded, simvid.simulate(loaded), "front").rgb[0]


def main(out: Path) -> None:
    """Two columns of pairs of looks, then the materials."""
    scenes = Path(__file__).parent.parent / "scenes"
    pair = 2 * LOOK_PX[0] + GAP
    width, row = 2 * pair + 3 * GAP, LOOK_PX[1] + CAPTION + GAP
    sheet = Image.new("RGB", (width, 4 * row + BOARD_PX[1] + CAPTION + 2 * GAP), (18, 20, 24))
    draw = ImageDraw.Draw(sheet)

    def put(scene: str, size: tuple[int, int], at: tuple[int, int], name: str, *overrides: str) -> None:
        draw.text(at, f"{name}: splats, path traced", (220, 222, 226), font(12))
        for k, renderer in enumerate(("cpu", "pathtrace")):
            picture = Image.fromarray(shot(str(scenes / scene), size, f"render={renderer}", *overrides))
            sheet.paste(picture, (at[0] + k * (size[0] + GAP), at[1] + CAPTION))

    for k, look in enumerate(get_args(LookName)):
        put("kitchen_stack.yaml", LOOK_PX, (GAP + k % 2 * (pair + GAP), GAP + k // 2 * row), look, f"look={look}")
    put("materials.yaml", BOARD_PX, (GAP, GAP + 4 * row), "materials")
    sheet.save(out, quality=90, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
