"""Pictures to look at: rows of frames with a name on the left and a legend on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from simvid.clips.pictures import (
    HIDDEN_BEFORE,
    HIDDEN_BOTH,
    HIDDEN_NEXT,
    LAYERS,
    SCENE_FLOW_KEY,
    DepthScale,
    Picture,
    alpha_picture,
    amodal_picture,
    flow_picture,
    flow_reach,
    flow_wheel,
    id_colors,
    ids_picture,
    light_picture,
    normals_ball,
    normals_picture,
    object_coords_picture,
    occlusion_picture,
    scene_flow_picture,
    scene_flow_reach,
    turbo,
)
from simvid.frames import BUFFERS, Frame
from simvid.trajectory import Part

if TYPE_CHECKING:
    from PIL.Image import Image

Draw: TypeAlias = Any
PAPER, INK, FAINT, LINE = (18, 20, 24), (236, 238, 242), (150, 156, 166), (46, 50, 58)
MARGIN, GAP, NAMES, LEGEND = 22, 6, 122, 168
TILE_WIDTH = (168, 264)
"""Least and most width of a picture on a sheet [px]."""
LEAST_DISC = 6
"""Of the round legends beside a very low picture [px]."""
HEADER, CAPTION = 66, 24
TITLE_PX, TEXT_PX, SMALL_PX = 25, 15, 13


@dataclass(frozen=True, eq=False)
class Row:
    """One kind of picture at each of the times, with the legend that explains its colours."""

    name: str
    note: str
    tiles: tuple[Picture, ...]
    legend: Picture | None = None


@cache
def font(size: int) -> Any:
    """Pillow's own font."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def columns(frame_count: int, most: int = 5) -> list[int]:
    """Which frames a sheet shows: evenly spread, without the last one (it has no forward flow)."""
    last = max(frame_count - 2, 0)
    return sorted({round(k * last / max(most - 1, 1)) for k in range(most)})


@dataclass(frozen=True, eq=False)
class Colors:
    """What is the same for all frames of a camera: scale of depth, colours of ids, length of flow."""

    depth: DepthScale
    ids: Picture
    flow_px: float
    scene_flow_m: float
    names: tuple[str, ...]
    """Of ids 1, 2, …"""

    @staticmethod
    def of(frames: Sequence[Frame], parts: Sequence[Part]) -> Colors:
        """Colours that suit some frames of a clip."""
        depths = [f.depth for f in frames if f.depth is not None]
        ground_or_sky = [0, *(k for k, part in enumerate(parts, start=1) if part.kind == "ground")]
        solid = [~np.isin(f.ids, ground_or_sky) for f in frames if f.ids is not None]
        flows = [f for g in frames for f in (g.flow_forward, g.flow_backward) if f is not None]
        grounds = {k for k, part in enumerate(parts, start=1) if part.kind == "ground"}
        names = tuple(part.name for part in parts)
        moves = [f.scene_flow for f in frames if f.scene_flow is not None]
        reaches = flow_reach(flows), scene_flow_reach(moves)
        return Colors(DepthScale.of(depths, solid), id_colors(len(parts), grounds), *reaches, names)

    def pictures(self, frame: Frame) -> dict[str, Picture]:
        """The labels of a frame as colours, in the order in which they are shown."""
        found: dict[str, Picture] = {}
        if frame.depth is not None:
            found["depth"] = self.depth.picture(frame.depth)
        if frame.depth_surface is not None:
            found["depth_surface"] = self.depth.picture(frame.depth_surface)
        if frame.depth_sensor is not None:
            found["depth_sensor"] = self.depth.picture(frame.depth_sensor)
        if frame.ids is not None:
            found["ids"] = ids_picture(frame.ids, self.ids)
        if frame.amodal is not None:
            found["amodal"] = amodal_picture(frame.amodal, frame.rgb.shape[1])
        if frame.normals is not None:
            found["normals"] = normals_picture(frame.normals)
        if frame.object_coords is not None:
            found["object_coords"] = object_coords_picture(frame.object_coords)
        if frame.flow_forward is not None:
            found["flow"] = flow_picture(frame.flow_forward, self.flow_px)
        if frame.scene_flow is not None:
            found["scene_flow"] = scene_flow_picture(frame.scene_flow, self.scene_flow_m)
        if frame.occluded_forward is not None and frame.occluded_backward is not None:
            found["occlusion"] = occlusion_picture(frame.rgb, frame.occluded_forward, frame.occluded_backward)
        if frame.alpha is not None:
            found["alpha"] = alpha_picture(frame.alpha)
        return found | _made_up(frame)


def _made_up(frame: Frame) -> dict[str, Picture]:
    """How a frame's picture was made up, and how paths of light draw it."""
    found: dict[str, Picture] = {}
    for name in (*BUFFERS, "surface_albedo"):
        if (values := getattr(frame, name)) is not None:
            found[name] = light_picture(values)
    if frame.surface_normals is not None:
        found["surface_normals"] = normals_picture(frame.surface_normals.astype(np.float32))
    if frame.traced is not None:
        found["traced"] = frame.traced
    return found


NOTES = {
    "depth": "z of the surface",
    "depth_surface": "z of the meshes",
    "depth_sensor": "z as measured",
    "ids": "which part",
    "amodal": "each thing alone",
    "normals": "camera frame",
    "object_coords": "place in its box",
    "flow": "to the next frame",
    "scene_flow": "the same in metres",
    "occlusion": "hidden in",
    "alpha": "covered by parts",
    "albedo": "base colour",
    "roughness": "white is rough",
    "metallic": "white is metal",
    "light_diffuse": "suns and lamps",
    "light_specular": "their gleam",
    "light_ambient": "sky and around",
    "light_reflected": "mirrored sky",
    "light_emitted": "sky and haze",
    "ambient_occlusion": "share of the sky",
    "surface_albedo": "of the meshes",
    "surface_normals": "of the meshes",
    "traced": "by a few paths",
}


def label_rows(frames: Sequence[Frame], colors: Colors, tile: tuple[int, int]) -> list[Row]:
    """One row per label that the frames carry."""
    pictures = [colors.pictures(frame) for frame in frames]
    seen = sorted({int(k) for f in frames if f.ids is not None for k in np.unique(f.ids)} - {0})
    legends = {
        "depth": lambda: depth_legend(colors.depth, tile[1]),
        "depth_surface": lambda: depth_legend(colors.depth, tile[1]),
        "depth_sensor": lambda: depth_legend(colors.depth, tile[1]),
        "ids": lambda: names_legend([(colors.names[k - 1], colors.ids[k]) for k in seen], tile[1]),
        "amodal": lambda: names_legend(
            [(text, LAYERS[n]) for n, text in ((1, "one thing"), (2, "two, one hidden"), (3, "three or more"))], tile[1]
        ),
        "normals": lambda: ball_legend(tile[1]),
        "object_coords": lambda: names_legend(
            [("x from 0 to 1", (255, 0, 0)), ("y", (0, 255, 0)), ("z", (0, 0, 255))], tile[1]
        ),
        "scene_flow": lambda: names_legend(
            [(f"{way} {colors.scene_flow_m:.2g} m", color) for way, color in SCENE_FLOW_KEY], tile[1]
        ),
        "flow": lambda: wheel_legend(colors.flow_px, tile[1]),
        "occlusion": lambda: names_legend(
            [("the next frame", HIDDEN_NEXT), ("the one before", HIDDEN_BEFORE), ("both", HIDDEN_BOTH)], tile[1]
        ),
        "alpha": lambda: alpha_legend(tile[1]),
    }
    made = {name: legends[name]() if name in legends else None for name in pictures[0]}
    return [Row(name, NOTES[name], tuple(p[name] for p in pictures), legend) for name, legend in made.items()]


def tile_size(width: int, height: int) -> tuple[int, int]:
    """Width and height [px] of one picture on a sheet."""
    tile = min(max(width, TILE_WIDTH[0]), TILE_WIDTH[1])
    return tile, max(8, round(tile * height / width))


def draw_sheet(title: str, subtitle: str, captions: Sequence[str], rows: Sequence[Row]) -> Picture:
    """The whole sheet. All tiles have the shape of the first one; ``captions`` stand under the columns."""
    from PIL import Image, ImageDraw

    height, width = rows[0].tiles[0].shape[:2]
    tile_w, tile_h = tile_size(width, height)
    left = MARGIN + NAMES
    right = left + len(captions) * (tile_w + GAP) + GAP
    size = (right + LEGEND + MARGIN, HEADER + MARGIN + len(rows) * (tile_h + GAP) + CAPTION + MARGIN // 2)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    room = size[0] - 2 * MARGIN
    draw.text((MARGIN, MARGIN), fitted(title, room, TITLE_PX), INK, font(TITLE_PX))
    draw.text((MARGIN, MARGIN + TITLE_PX + 9), fitted(subtitle, room, TEXT_PX), FAINT, font(TEXT_PX))
    top = HEADER + MARGIN
    for row in rows:
        draw.text((MARGIN, top + tile_h / 2 - 19), row.name, INK, font(TEXT_PX + 2))
        draw.text((MARGIN, top + tile_h / 2 + 3), fitted(row.note, NAMES - GAP, SMALL_PX), FAINT, font(SMALL_PX))
        for k, tile in enumerate(row.tiles):
            picture = scaled(tile, tile_w, tile_h, smooth=row.name not in {"ids", "amodal", "occlusion"})
            sheet.paste(picture, (left + k * (tile_w + GAP), top))
        if row.legend is not None:
            sheet.paste(Image.fromarray(row.legend), (right, top))
        top += tile_h + GAP
    for k, caption in enumerate(captions):
        at = left + k * (tile_w + GAP) + tile_w / 2
        draw.text((at, top + 4), caption, FAINT, font(SMALL_PX), anchor="ma")
    return np.asarray(sheet)


def scaled(picture: Picture, width: int, height: int, *, smooth: bool) -> Image:
    """A picture at another size; ``smooth=False`` invents no colours."""
    from PIL import Image
    from PIL.Image import Resampling

    shrinks = width <= picture.shape[1]
    how = Resampling.LANCZOS if smooth and shrinks else Resampling.BICUBIC if smooth else Resampling.NEAREST
    return Image.fromarray(picture).resize((width, height), how)


def fitted(text: str, width: float, size: int) -> str:
    """The text, cut with an ellipsis where it is too long for a width [px]."""
    if font(size).getlength(text) <= width:
        return text
    while text and font(size).getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _legend(height: int) -> tuple[Image, Draw]:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (LEGEND, height), PAPER)
    return image, ImageDraw.Draw(image)


def depth_legend(scale: DepthScale, height: int) -> Picture:
    """A bar, near on top, with depths [m] beside it."""
    from PIL import Image

    image, draw = _legend(height)
    top, long = 8, max(height - 16, 1)
    bar = turbo(1 - (np.arange(long) + 0.5) / long)
    image.paste(Image.fromarray(np.repeat(bar[:, None], 18, axis=1)), (4, top))
    for tick in scale.ticks(max(2, min(7, long // 24))):
        y = top + float(scale.position(np.array(tick))) * long
        draw.line((22, y, 28, y), FAINT)
        draw.text((34, y), f"{tick:.4g} m", INK, font(SMALL_PX), anchor="lm")
    return np.asarray(image)


def names_legend(names: Sequence[tuple[str, Any]], height: int) -> Picture:
    """Swatches with names, in two columns where one is too short, and how many had no room."""
    image, draw = _legend(height)
    step = 19
    lines = max(1, height // step)
    wide = LEGEND if len(names) <= lines else LEGEND // 2
    room = lines * (1 if wide == LEGEND else 2)
    shown = list(names) if len(names) <= room else list(names[: room - 1])
    for k, (name, color) in enumerate(shown):
        x, y = k // lines * wide, k % lines * step
        draw.rounded_rectangle((x + 4, y + 3, x + 16, y + 15), 3, tuple(int(c) for c in color))
        draw.text((x + 22, y + 9), fitted(name, wide - 26, SMALL_PX), INK, font(SMALL_PX), anchor="lm")
    if len(shown) < len(names):
        k = len(shown)
        at = (k // lines * wide + 4, k % lines * step + 9)
        draw.text(at, f"+ {len(names) - k} more", FAINT, font(SMALL_PX), anchor="lm")
    return np.asarray(image)


def ball_legend(height: int) -> Picture:
    """A ball in the colours of its normals."""
    from PIL import Image

    image, _ = _legend(height)
    side = min(max(height - 16, LEAST_DISC), LEGEND - 60, 108)
    _paste_disc(image, Image.fromarray(normals_ball(4 * side)), side, (4, (height - side) // 2))
    return np.asarray(image)


def wheel_legend(most_px: float, height: int) -> Picture:
    """The colour wheel of flow; its rim is ``most_px``."""
    from PIL import Image

    image, draw = _legend(height)
    side = min(max(height - 16, LEAST_DISC), LEGEND - 66, 108)
    top = (height - side) // 2
    _paste_disc(image, Image.fromarray(flow_wheel(4 * side)), side, (4, top))
    draw.text((side + 12, height / 2 - 9), "up to", FAINT, font(SMALL_PX), anchor="lm")
    draw.text((side + 12, height / 2 + 9), f"{most_px:.3g} px", INK, font(SMALL_PX), anchor="lm")
    return np.asarray(image)


def _paste_disc(image: Image, disc: Image, side: int, at: tuple[int, int]) -> None:
    """Paste a round picture with a smooth rim."""
    from PIL import Image as Images
    from PIL import ImageDraw
    from PIL.Image import Resampling

    mask = Images.new("L", disc.size, 0)
    ImageDraw.Draw(mask).ellipse((4, 4, disc.size[0] - 5, disc.size[1] - 5), 255)
    small = (side, side)
    image.paste(disc.resize(small, Resampling.LANCZOS), at, mask.resize(small, Resampling.LANCZOS))


def alpha_legend(height: int) -> Picture:
    """White and black."""
    return names_legend([("covered", (255, 255, 255)), ("sky", (0, 0, 0))], height)


def save_png(path: Path, picture: Picture) -> None:
    """Write a PNG."""
    from PIL import Image

    Image.fromarray(picture).save(path, "PNG", compress_level=3)
