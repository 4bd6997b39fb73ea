"""COCO: one picture per frame and camera, one annotation per thing that is seen in it, masks as compressed RLE.

The layout is that of the data format page of the COCO API: ``images/``, ``annotations/instances.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from simvid import __version__
from simvid.export.base import Request, View, array
from simvid.export.files import write_jpeg, write_json, write_png
from simvid.export.instances import categories, category_table, instances
from simvid.export.rle import bounds, encode
from simvid.scene.base import Model


class PictureSettings(Model):
    """How pictures are stored."""

    pictures: Literal["png", "jpg"] = "png"
    quality: int = Field(default=95, ge=1, le=100)
    """Of JPEG."""


def write_picture(folder: Path, name: str, rgb: Any, settings: PictureSettings) -> str:
    """Write ``NAME.png`` or ``NAME.jpg``; the name with its ending."""
    file = f"{name}.{settings.pictures}"
    if settings.pictures == "png":
        write_png(folder / file, rgb)
    else:
        write_jpeg(folder / file, rgb, settings.quality)
    return file


def info() -> dict[str, Any]:
    """``info`` of the file; no date, so that equal clips give equal files."""
    return {"description": "made by simvid", "version": __version__, "contributor": "simvid"}


class InstancePictures:
    """What COCO and YouTube-VIS have in common: pictures, and instances of them."""

    holds: ClassVar[frozenset[str]] = frozenset({"ids"})
    needs: ClassVar[frozenset[str]] = frozenset({"ids"})
    packages: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[PictureSettings]] = PictureSettings

    def __init__(self, settings: PictureSettings) -> None:
        self._settings = settings


class Coco(InstancePictures):
    """Instance segmentation of single pictures."""

    name: ClassVar[str] = "coco"
    version: ClassVar[str] = "1.0"
    summary: ClassVar[str] = "COCO instances: pictures, boxes, masks as RLE"

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``images/STEM_00000.png`` and ``annotations/instances.json``."""
        numbers = categories(request)
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for view in request.views:
            self._add(view, numbers, folder, images, annotations)
            request.tell(f"{view.stem}: {view.frame_count} pictures")
        tree = {"info": info(), "licenses": [], "categories": category_table(numbers), "images": images,
                "annotations": annotations}  # fmt: skip
        write_json(folder / "annotations" / "instances.json", tree, None)
        return {"pictures": len(images), "annotations": len(annotations), "categories": len(numbers)}

    def _add(
        self, view: View, numbers: Mapping[str, int], folder: Path, images: list[Any], annotations: list[Any]
    ) -> None:
        lookup, things = view.clip.trajectory.instance_ids(), instances(view)
        for t, frame in enumerate(view.frames("ids")):
            file = write_picture(folder / "images", f"{view.stem}_{t:05d}", frame.rgb, self._settings)
            number = len(images) + 1
            images.append({"id": number, "file_name": file, "width": view.width, "height": view.height})
            seen = lookup[array(frame, "ids")]
            for thing in things:
                mask = seen == thing.id
                if mask.any():
                    annotations.append(
                        {
                            "id": len(annotations) + 1,
                            "image_id": number,
                            "category_id": numbers[thing.category],
                            "segmentation": encode(mask),
                            "area": int(np.count_nonzero(mask)),
                            "bbox": bounds(mask),
                            "iscrowd": 0,
                        }
                    )
