"""Labels that are lines and dots over a picture: boxes, tracks and contacts of one camera."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.clips.contact_sheet import PAPER, font, names_legend
from simvid.clips.pictures import Picture
from simvid.motion import seen_at
from simvid.rendering.boxes import instance_boxes
from simvid.tracks import Tracks
from simvid.viewing.content import EDGES, Content, box_corners

Floats: TypeAlias = NDArray[np.float64]
Corners: TypeAlias = tuple[float, float, float, float]
"""x0, y0, x1, y1 of a rectangle [px]."""
DRAWN = ("boxes", "boxes_3d", "tracks", "contacts")
CONTACT = (255, 64, 160)
PER_EDGE = 9
"""Points along the edge of a 3-D box; lenses bend it."""
TAIL = 8
"""Frames that a track's tail goes back."""
QUERIES = 160
"""Points that are followed where the clip has no tracks of its own, at most."""


class Drawings:
    """Draws over pictures of one camera.

    Attributes:
        names: of ``DRAWN``, those that the clip has the labels for.
    """

    def __init__(self, content: Content, camera: str, zoom: int = 1) -> None:
        """``zoom``: the pictures are so many times larger than the camera's."""
        self._content, self._camera, self._zoom = content, camera, zoom
        clip, arrays = content.clip, content.clip.arrays(camera)
        have = {
            "boxes": "ids" in arrays,
            "boxes_3d": any(part.box_m is not None for part in content.boxed),
            "tracks": has_tracks(clip, camera) or {"depth", "ids"} <= set(arrays),
            "contacts": len(content.trajectory.contacts) > 0,
        }
        self.names = tuple(name for name in DRAWN if have[name])

    def draw(self, name: str, index: int, picture: Picture) -> Picture:
        """A copy of the picture of frame ``index`` with one of ``names`` on it.

        Raises:
            KeyError: no such drawing.
        """
        from PIL import Image, ImageDraw

        if name not in self.names:
            raise KeyError(name)
        image = Image.fromarray(picture)
        getattr(self, f"_draw_{name}")(ImageDraw.Draw(image), index)
        return np.asarray(image)

    def legend(self, name: str, height: int) -> Picture:
        """What the colours of a drawing mean, [height, W', 3]."""
        if name == "contacts":
            longest = f"longest: {self._content.strong_n_s:.3g} N s"
            return names_legend([("impulse", CONTACT), (longest, PAPER)], height)
        parts = {part.id: part for part in self._content.boxed}
        if name == "tracks":
            return names_legend([(parts[k].name, parts[k].color) for k in self._tracked if k in parts], height)
        instances = {part.instance: k for k, part in enumerate(self._content.trajectory.parts, start=1) if k in parts}
        return names_legend([(name, parts[k].color) for name, k in instances.items()], height)

    def _draw_boxes(self, draw: Any, index: int) -> None:
        content, zoom = self._content, self._zoom
        frame = next(content.clip.stream(self._camera, labels=("ids",), indices=[index]))
        assert frame.ids is not None, "it was asked for"
        table = instance_boxes(frame.ids, index, content.trajectory)
        taken: list[Corners] = []
        for instance, box in zip(table.id, table.box_px, strict=True):
            name, color = self._instances[int(instance)]
            if color is not None:
                x0, y0, x1, y1 = (int(v) * zoom for v in box)
                draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=color, width=self._line)
                self._write(draw, (x0, y0), name, color, taken)

    def _draw_boxes_3d(self, draw: Any, index: int) -> None:
        share = np.linspace(0, 1, PER_EDGE)[:, None]
        for part in self._content.boxed:
            pose = self._content.trajectory.matrices(index)[part.id - 1]
            corners = box_corners(self._content.boxes_at(part)[index]) @ pose[:3, :3].T + pose[:3, 3]
            for start, end in corners[EDGES]:
                self._polyline(draw, self._seen(index, start + share * (end - start)), part.color)

    def _draw_tracks(self, draw: Any, index: int) -> None:
        tracks, colors = self._tracks, self._content.colors
        radius = 1.5 * self._line
        for k, part in enumerate(tracks.part_id):
            color = tuple(int(c) for c in colors[part])
            tail = np.where(tracks.visible[:, k, None], tracks.uv[:, k], np.nan)[max(0, index - TAIL) : index + 1]
            self._polyline(draw, (tail * self._zoom).astype(np.float64), color)
            if tracks.visible[index, k]:
                x, y = (float(v) * self._zoom for v in tracks.uv[index, k])
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color, outline=(0, 0, 0))

    def _draw_contacts(self, draw: Any, index: int) -> None:
        contacts, radius = self._content.contacts(index), 2.0 * self._line
        for points in contacts.arrows:
            self._polyline(draw, self._seen(index, points), CONTACT, 2 * self._line)
        for x, y in self._seen(index, contacts.points):
            if np.isfinite(x):
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=CONTACT, outline=(0, 0, 0))

    def _seen(self, index: int, points: Floats) -> Floats:
        """Places of world points in the zoomed picture, [N, 2]; NaN where the lens cannot see them."""
        return seen_at(self._content.cameras[self._camera], index, points)[0] * self._zoom

    def _polyline(self, draw: Any, points: Floats, color: Any, width: int | None = None) -> None:
        for a, b in pairwise(points):
            if np.isfinite(a).all() and np.isfinite(b).all() and np.abs([a, b]).max() < 1e5:
                draw.line((*a, *b), fill=tuple(int(c) for c in color), width=width or self._line)

    def _write(
        self, draw: Any, at: tuple[int, int], text: str, color: tuple[int, int, int], taken: list[Corners]
    ) -> None:
        """A name over the top left corner of a box, inside the picture; left out where another one stands."""
        size = 9 + 2 * self._line
        x, y = at[0], max(at[1] - size - 3, 0)
        place = (x, y, x + font(size).getlength(text) + 5, y + size + 3)
        if any(place[0] < b[2] and b[0] < place[2] and place[1] < b[3] and b[1] < place[3] for b in taken):
            return
        taken.append(place)
        draw.rectangle(place, fill=color)
        dark = sum(color) > 330
        draw.text((x + 3, y), text, fill=(0, 0, 0) if dark else (255, 255, 255), font=font(size))

    @cached_property
    def _line(self) -> int:
        """Width of lines [px]."""
        camera = self._content.cameras[self._camera]
        return max(1, round(camera.height * self._zoom / 300))

    @cached_property
    def _instances(self) -> dict[int, tuple[str, tuple[int, int, int] | None]]:
        """Name and colour of each instance; no colour for the ground."""
        boxed = {part.id: part for part in self._content.boxed}
        found: dict[int, tuple[str, tuple[int, int, int] | None]] = {}
        for k, part in enumerate(self._content.trajectory.parts, start=1):
            color = None if k not in boxed else tuple(int(c) for c in boxed[k].color)
            assert color is None or len(color) == 3
            if color is not None or part.instance_id not in found:
                found[part.instance_id] = part.instance, color
        return found

    @cached_property
    def _tracks(self) -> Tracks:
        clip, camera = self._content.clip, self._camera
        if has_tracks(clip, camera):
            return clip.tracks(camera)
        frame = next(clip.stream(camera, labels=("ids",), indices=[0]))
        assert frame.ids is not None, "it was asked for"
        y, x = np.nonzero(np.isin(frame.ids, [part.id for part in self._content.boxed]))
        step = max(1, -(-len(x) // QUERIES))
        return clip.tracks(camera, np.stack([x + 0.5, y + 0.5], axis=1)[::step])

    @cached_property
    def _tracked(self) -> list[int]:
        return sorted({int(k) for k in self._tracks.part_id})


def has_tracks(clip: Clip, camera: str) -> bool:
    """Whether the label ``tracks`` was asked for when the clip was made."""
    return f"cameras/{camera}/tracks.npz" in clip.record.files
