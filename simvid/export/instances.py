"""Things as annotation formats count them: instances with a category, never the ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simvid.export.base import Request, View


@dataclass(frozen=True)
class Instance:
    """A body, or a whole robot."""

    id: int
    """In its clip."""
    name: str
    category: str


def instances(view: View) -> tuple[Instance, ...]:
    """The things of a clip in the order of their ids."""
    found = {
        p.instance_id: Instance(p.instance_id, p.instance, p.category)
        for p in view.clip.trajectory.parts
        if p.kind != "ground"
    }
    return tuple(found[k] for k in sorted(found))


def categories(request: Request) -> dict[str, int]:
    """Category -> number from 1, by name, over all clips."""
    names = sorted({i.category for view in request.views for i in instances(view)})
    return {name: k for k, name in enumerate(names, start=1)}


def category_table(numbers: dict[str, int]) -> list[dict[str, Any]]:
    """``categories`` of COCO and YouTube-VIS."""
    return [{"id": k, "name": name, "supercategory": "object"} for name, k in numbers.items()]
