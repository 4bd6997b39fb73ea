"""The README's picture, from a clip:  python docs/make_pictures.py CLIP docs/franka_push.png

simvid run franka_push --set 'cameras.front.resolution_px=[640, 480]' --out out/picture
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import simvid
from simvid.clips.pictures import DepthScale, flow_picture, flow_reach, id_colors, ids_picture, normals_picture

FRAME = 22
TILE = (640, 480)


def main(clip_path: Path, out: Path) -> None:
    """Picture, depth, ids; normals, flow, and a later picture: two rows of three."""
    frames = simvid.Clip.open(clip_path).frames("front")
    frame = frames[FRAME]
    assert frame.depth is not None
    assert frame.ids is not None
    assert frame.normals is not None
    assert frame.flow_forward is not None
    parts = int(frames.ids.max()) if frames.ids is not None else 0
    tiles = [
        frame.rgb,
        DepthScale.of([frame.depth], [frame.ids > 1]).picture(frame.depth),
        ids_picture(frame.ids, id_colors(parts, frozenset({1}))),
        frames.rgb[-1],
        normals_picture(frame.normals),
        flow_picture(frame.flow_forward, flow_reach([frame.flow_forward])),
    ]
    sheet = Image.new("RGB", (3 * TILE[0] + 16, 2 * TILE[1] + 8), "white")
    for k, tile in enumerate(tiles):
        picture = Image.fromarray(np.ascontiguousarray(tile)).resize(TILE, Image.Resampling.LANCZOS)
        sheet.paste(picture, ((k % 3) * (TILE[0] + 8), (k // 3) * (TILE[1] + 8)))
    sheet.resize((sheet.width * 2 // 3, sheet.height * 2 // 3), Image.Resampling.LANCZOS).save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
