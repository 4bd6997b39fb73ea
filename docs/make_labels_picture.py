"""The picture of docs/labels.md, from a clip with all labels:  python docs/make_labels_picture.py CLIP docs/labels.png

simvid run franka_push --labels all --set 'cameras.front.resolution_px=[640, 480]' --out out/picture
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from simvid.clip import Clip
from simvid.clips.contact_sheet import Colors, font
from simvid.lens import project

FRAME, CAMERA = 22, "front"
COLUMNS, TILE, CAPTION = 4, (250, 188), 22
EDGES = [(a, b) for a in range(8) for b in range(a) if (a ^ b) in (1, 2, 4)]


def main(clip_path: Path, out: Path) -> None:
    """Sixteen tiles with their names."""
    clip = Clip.open(clip_path)
    frame = clip.frame(CAMERA, FRAME)
    pictures = Colors.of([frame], clip.trajectory.parts).pictures(frame)
    base = (frame.rgb * 0.6).astype(np.uint8)
    tiles = {
        "rgb": frame.rgb,
        **{name: pictures[name] for name in ("depth", "depth_surface", "ids", "amodal", "normals", "object_coords")},
        **{name: pictures[name] for name in ("flow", "scene_flow", "occlusion", "alpha")},
        "boxes: tight, loose": boxes(clip, base),
        "boxes_3d": boxes_3d(clip, base),
        "poses": poses(clip, base),
        "tracks: seen, hidden": tracks(clip, base),
        "contacts": contacts(clip, base),
    }
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (TILE[0] + 6) - 6, rows * (TILE[1] + CAPTION)), "white")
    draw = ImageDraw.Draw(sheet)
    for k, (name, tile) in enumerate(tiles.items()):
        x, y = k % COLUMNS * (TILE[0] + 6), k // COLUMNS * (TILE[1] + CAPTION)
        picture = Image.fromarray(np.ascontiguousarray(tile)).resize(TILE, Image.Resampling.LANCZOS)
        sheet.paste(picture, (x, y + CAPTION))
        draw.text((x + 2, y + 4), name, (20, 20, 20), font(14))
    sheet.save(out, optimize=True)


def drawing(base: np.ndarray) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A copy of a picture to draw on."""
    image = Image.fromarray(base)
    return image, ImageDraw.Draw(image)


def boxes(clip: Clip, base: np.ndarray) -> np.ndarray:
    """Tight boxes in yellow, loose ones in blue."""
    image, draw = drawing(base)
    with (clip.path / "cameras" / CAMERA / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if int(row["frame"]) == FRAME:
                for prefix, color in (("loose_", (80, 160, 255)), ("", (255, 210, 60))):
                    if row[f"{prefix}x_min"]:
                        edges = [int(row[f"{prefix}{side}"]) for side in ("x_min", "y_min", "x_max", "y_max")]
                        draw.rectangle(edges, outline=color, width=3)
    return np.asarray(image)


def boxes_3d(clip: Clip, base: np.ndarray) -> np.ndarray:
    """The edges of the boxes of all parts."""
    image, draw = drawing(base)
    for corners in clip.extra(CAMERA, "boxes_3d")["corners_px"][FRAME]:
        if np.isfinite(corners).all():
            for a, b in EDGES:
                draw.line([*corners[a], *corners[b]], fill=(120, 255, 160), width=2)
    return np.asarray(image)


def poses(clip: Clip, base: np.ndarray) -> np.ndarray:
    """The axes of each part, 8 cm long: x red, y green, z blue."""
    image, draw = drawing(base)
    for pose in clip.extra(CAMERA, "poses")["camera_from_part"][FRAME][1:]:
        start, *ends = project(clip.cameras[CAMERA], pose[:3, 3] + np.vstack([np.zeros(3), 0.08 * pose[:3, :3].T]))
        for end, color in zip(ends, ((255, 80, 80), (90, 220, 90), (100, 140, 255)), strict=True):
            if np.isfinite([start, end]).all():
                draw.line([*start, *end], fill=color, width=4)
    return np.asarray(image)


def tracks(clip: Clip, base: np.ndarray) -> np.ndarray:
    """Where the points are, with their way since the first frame."""
    image, draw = drawing(base)
    found = clip.tracks(CAMERA)
    for k, way in enumerate(found.uv[: FRAME + 1].transpose(1, 0, 2)):
        if not np.isfinite(way).all():
            continue
        draw.line([tuple(p) for p in way], fill=(200, 200, 200), width=1)
        u, v = way[-1]
        draw.ellipse([u - 3, v - 3, u + 3, v + 3], fill=(255, 210, 60) if found.visible[FRAME, k] else (110, 70, 160))
    return np.asarray(image)


def contacts(clip: Clip, base: np.ndarray) -> np.ndarray:
    """Points where things touch, with the normals, 8 cm long."""
    image, draw = drawing(base)
    table, camera = clip.trajectory.contacts, clip.cameras[CAMERA]
    eye = np.linalg.inv(camera.world_from_camera[FRAME])
    for point, normal in zip(table.point_m[table.frame == FRAME], table.normal[table.frame == FRAME], strict=True):
        local = np.stack([point, point + 0.08 * normal]) @ eye[:3, :3].T + eye[:3, 3]
        (u, v), tip = project(camera, local)
        draw.line([u, v, *tip], fill=(255, 150, 60), width=3)
        draw.ellipse([u - 4, v - 4, u + 4, v + 4], fill=(255, 90, 60))
    return np.asarray(image)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
