"""Plain ``.npy`` arrays, one per label, which are read by mapping: the fastest tier for training, and the largest.

``STEM/NAME.npy`` holds [T, ...] without loss: ``coarse`` (the rendered pictures), ``target`` (the refined ones, if they
were chosen), every label. Where the refined ones were made from others than the rendered pictures, these and labels of
light are left out; ``STEM/item.json`` says what it is. ``simvid.dataset`` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.lib import format as npy_format

from simvid.clips.camera_file import camera_arrays
from simvid.clips.refined_inputs import input_record, not_refined
from simvid.export.base import NoSettings, Request, View
from simvid.export.files import write_json
from simvid.frames import LABEL_ARRAYS, LABELS

ITEM_FILE = "item.json"
NO_ARRAYS = frozenset({"tracks", "boxes", "boxes_3d", "poses", "contacts"})


class Npy:
    """Arrays to be mapped."""

    name: ClassVar[str] = "npy"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "plain .npy arrays to be mapped: the fastest tier of simvid.dataset"
    holds: ClassVar[frozenset[str]] = frozenset(LABELS) - NO_ARRAYS
    needs: ClassVar[frozenset[str]] = frozenset()
    packages: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[NoSettings]] = NoSettings

    def __init__(self, settings: NoSettings) -> None:
        self._settings = settings

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``STEM/coarse.npy`` and so on."""
        total = 0
        for view in request.views:
            total += self._view(view, folder / view.stem)
            without = f", without coarse pictures and light: refined/{view.refined} was made from others"
            request.tell(f"{view.stem}: {view.frame_count} frames{without if _left_out(view) else ''}")
        return {"items": len(request.views), "bytes": total}

    def _view(self, view: View, folder: Path) -> int:
        folder.mkdir()
        left_out = _left_out(view)
        names = sorted({a for label in view.labels for a in LABEL_ARRAYS[label]} - {*left_out})
        pictures = "coarse" not in left_out
        stores: dict[str, IO[bytes]] = {}
        plain = View(view.clip, view.camera, view.stem, view.labels)
        with ExitStack() as files:

            def put(arrays: Mapping[str, Any]) -> None:
                for name, values in arrays.items():
                    if name not in stores:
                        stores[name] = files.enter_context((folder / f"{name}.npy").open("wb"))
                        _write_header(stores[name], values, view.frame_count)
                    stores[name].write(np.ascontiguousarray(values).tobytes())

            for frame in plain.frames(*view.labels):
                put({**({"coarse": frame.rgb} if pictures else {}), **{n: getattr(frame, n) for n in names}})
            for rgb in () if view.refined is None else view.pictures():
                put({"target": rgb})
        np.savez(folder / "camera.npz", allow_pickle=False, **camera_arrays(view.path))
        record = view.clip.record
        refined = None if view.refined is None else view.clip.refinement(view.refined)
        gate = None if refined is None else refined.gate
        write_json(folder / ITEM_FILE, {
            "simvid_item": 1, "name": view.stem, "scene": record.name, "camera": view.camera, "fps": view.fps,
            "frames": view.frame_count, "height": view.height, "width": view.width, "refined": view.refined,
            "gate": None if gate is None else gate.model_dump(mode="json"), "arrays": list(stores),
            "content_hash": record.content_hash, "seed": record.seed, "sample_index": record.sample_index,
            "licences": list(record.licences), "tools": record.tools,
            **input_record(view.clip, refined),
        })  # fmt: skip
        return sum(p.stat().st_size for p in folder.iterdir())


def _left_out(view: View) -> tuple[str, ...]:
    return () if view.refined is None else not_refined(view.clip, view.clip.refinement(view.refined))


def _write_header(file: IO[bytes], frame: Any, count: int) -> None:
    """Of an array of so many frames like this one, which follow as they come. Nothing is written through a map: a disk
    that is full would end the process there, without an error.
    """
    about = {"descr": npy_format.dtype_to_descr(frame.dtype), "fortran_order": False, "shape": (count, *frame.shape)}
    npy_format.write_array_header_1_0(file, about)
