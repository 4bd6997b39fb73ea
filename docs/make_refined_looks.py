"""One clip under all looks: above what is splatted, below what each refiner makes of it.

python docs/make_refined_looks.py docs/refined_looks.jpg [--scene franka_push] [--refiner NAME]... [--frame 24]
"""

import argparse
import tempfile
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image, ImageDraw

import simvid
from simvid.clips.arrays import ArrayFile
from simvid.clips.contact_sheet import font
from simvid.clips.stage_store import STORE
from simvid.jobs.refine_clip import refine_clip
from simvid.scene import LookName

COLUMNS = 4
GAP, CAPTION = 4, 18
PAPER, INK = (18, 20, 24), (220, 222, 226)


def main(arguments: argparse.Namespace) -> None:
    """Four looks a row."""
    width, height = (int(n) for n in arguments.size.split("x"))
    looks = get_args(LookName)
    rows = -(-len(looks) // COLUMNS)
    block = CAPTION + (1 + len(arguments.refiner)) * (height + GAP)
    sheet = Image.new("RGB", (COLUMNS * (width + GAP) + GAP, rows * (block + GAP)), PAPER)
    draw = ImageDraw.Draw(sheet)
    with tempfile.TemporaryDirectory() as folder:
        scene = simvid.load_scene(arguments.scene)
        name = scene.cameras[0].name
        changes = [f"cameras.{name}.resolution_px=[{width}, {height}]", "labels=[]"]
        scene = simvid.load_scene(arguments.scene, changes)
        clip = simvid.run(scene, Path(folder), frames=arguments.frame + 1, until="rendering")
        for k, look in enumerate(looks):
            refined = []
            for refiner in arguments.refiner:
                clip, record = refine_clip(clip, refiner, look=look)
                refined.append(clip.refined(record.name, name)[arguments.frame])
            drawn = max((Path(folder) / STORE).glob(f"frames-*-{name}"), key=lambda p: p.stat().st_mtime_ns)
            coarse = ArrayFile(drawn / "rgb.npz").stack([arguments.frame])[0]
            at = (GAP + k % COLUMNS * (width + GAP), k // COLUMNS * (block + GAP))
            draw.text((at[0], at[1] + 1), look, INK, font(13))
            for row, picture in enumerate((coarse, *refined)):
                place = (at[0], at[1] + CAPTION + row * (height + GAP))
                sheet.paste(Image.fromarray(np.ascontiguousarray(picture)), place)
    sheet.save(arguments.out, quality=90, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scene", default="franka_push")
    parser.add_argument("--refiner", action="append")
    parser.add_argument("--frame", type=int, default=24)
    parser.add_argument("--size", default="232x174")
    given = parser.parse_args()
    given.refiner = given.refiner or ["bundled", "traced"]
    main(given)
