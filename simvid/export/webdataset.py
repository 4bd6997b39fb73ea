"""WebDataset: plain tar shards, one sample per clip and camera, whose files share the name before the first dot.

Members are sorted, without owners or times, so equal clips give equal shards, but for videos now and then (see
``simvid.export.video``). ``.rgb.mp4`` is H.264; labels are
lossless ``.npz``, which the reader's ``decode()`` opens as dictionaries of arrays [T, ...].
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from simvid.clips.arrays import ArrayFile, write_named
from simvid.clips.camera_file import camera_arrays
from simvid.clips.tables import CONTACT_COLUMNS, contact_rows
from simvid.export.base import FILES, Episode, ExportError, Request, View
from simvid.export.robots import joint_arrays
from simvid.export.video import h264, write_frames
from simvid.frames import LABEL_ARRAYS, LABELS
from simvid.scene.base import Model
from simvid.trajectory import pose_matrices

NAME_BYTES = 100
"""Most of a member's name in a USTAR header; the field with a prefix is for folders."""


class WebDatasetSettings(Model):
    """What may be set."""

    shard_mb: float = Field(default=512, gt=0)
    """A shard is closed when the next sample would make it larger [10^6 bytes]."""
    name: str = Field(default="clips", pattern=r"^[A-Za-z0-9_-]+$")
    """Shards are NAME-000000.tar, and so on."""
    pictures: Literal["mp4", "npz"] = "mp4"
    """npz is lossless."""
    crf: int = Field(default=16, ge=0, le=51)
    """Of H.264; less is better and larger."""


class Shards:
    """Tar files that are closed when they are full."""

    def __init__(self, folder: Path, name: str, most_bytes: int) -> None:
        self._folder, self._name, self._most = folder, name, most_bytes
        self._tar: tarfile.TarFile | None = None
        self.index: list[dict[str, Any]] = []

    def add(self, key: str, members: Mapping[str, bytes], about: Mapping[str, Any]) -> None:
        """Put one sample into the open shard, or into a new one."""
        size = sum(len(data) + 1024 for data in members.values())
        if self._tar is None or self.index[-1]["bytes"] + size > self._most:
            self.close()
            self.index.append({"file": f"{self._name}-{len(self.index):06d}.tar", "samples": [], "bytes": 0})
            self._tar = tarfile.open(self._folder / self.index[-1]["file"], "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        for field in sorted(members):
            entry = tarfile.TarInfo(f"{key}.{field}")
            entry.size, entry.mode = len(members[field]), 0o444
            self._tar.addfile(entry, io.BytesIO(members[field]))
        self.index[-1]["bytes"] += size
        self.index[-1]["samples"].append({"key": key, **about})

    def close(self) -> None:
        """Finish the open shard, and note its size and SHA-256."""
        if self._tar is None:
            return
        self._tar.close()
        self._tar = None
        path = self._folder / self.index[-1]["file"]
        with path.open("rb") as file:
            self.index[-1]["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
        self.index[-1]["bytes"] = path.stat().st_size


class WebDataset:
    """Tar shards for streaming."""

    name: ClassVar[str] = "webdataset"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "WebDataset: tar shards with videos, every label, actions, captions"
    holds: ClassVar[frozenset[str]] = frozenset(LABELS)
    needs: ClassVar[frozenset[str]] = frozenset()
    packages: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[WebDatasetSettings]] = WebDatasetSettings

    def __init__(self, settings: WebDatasetSettings) -> None:
        self._settings = settings

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``NAME-000000.tar`` … and ``index.json``."""
        for view in request.views:
            _expect_short_names(view)
        shards = Shards(folder, self._settings.name, int(self._settings.shard_mb * 10**6))
        for episode in request.episodes:
            encoded = request.encoded(episode)
            for view in episode.views:
                members = dict(self._members(episode, view, folder, encoded))
                record = view.clip.record
                shards.add(view.stem, members, {"seed": record.seed, "content_hash": record.content_hash})
                request.tell(f"{view.stem}: {sum(map(len, members.values())) / 1e6:.1f} MB")
        shards.close()
        (folder / "index.json").write_text(json.dumps({"shards": shards.index}, indent=1) + "\n")
        return {"samples": sum(len(s["samples"]) for s in shards.index), "shards": len(shards.index),
                "bytes": sum(s["bytes"] for s in shards.index)}  # fmt: skip

    def encode(self, episode: Episode, labels: frozenset[str], folder: Path) -> None:
        """``CAMERA.mp4`` of each view, unless pictures are stored without loss."""
        if self._settings.pictures == "mp4":
            for view in episode.views:
                write_frames(folder / f"{view.camera}.mp4", view.pictures(), view.fps, self._codec(view))

    def _members(self, episode: Episode, view: View, folder: Path, encoded: Path) -> Iterator[tuple[str, bytes]]:
        scratch = folder / "scratch"
        if self._settings.pictures == "mp4":
            yield "rgb.mp4", (encoded / f"{view.camera}.mp4").read_bytes()
        else:
            write_named(scratch, {"rgb": np.stack(list(view.pictures()))})
            yield "rgb.npz", _taken(scratch)
        source = view.clip.path / view.record.folder
        for name in sorted({a for label in view.labels for a in LABEL_ARRAYS[label]}):
            write_named(scratch, {name: ArrayFile(source / f"{name}.npz").stack()})
            yield f"{name}.npz", _taken(scratch)
        for label, file in FILES.items():
            if label in view.labels:
                yield file, (source / file).read_bytes()
        yield from _motion(episode, view, scratch)
        write_named(scratch, camera_arrays(view.path))
        yield "camera.npz", _taken(scratch)
        yield "txt", episode.caption.encode()
        yield "json", _json(_about(view))

    def _codec(self, view: View) -> Any:
        odd = view.width % 2 or view.height % 2
        return h264(self._settings.crf, 12, full_chroma=bool(odd))


def _expect_short_names(view: View) -> None:
    """Before anything is encoded.

    Raises:
        ExportError: a file of the sample has a name that a tar shard cannot hold.
    """
    tables = {**FILES, "contacts": "contacts.json"}
    arrays = {f"{a}.npz" for label in view.labels for a in LABEL_ARRAYS[label]}
    fields = {"camera.npz", *arrays, *(tables[label] for label in view.labels & set(tables))}
    name = max((f"{view.stem}.{field}" for field in fields), key=len)
    if len(name) > NAME_BYTES:
        raise ExportError(f"{view.clip.path}: {name}: expected a name of at most {NAME_BYTES} characters in a tar "
                          f"shard, got {len(name)}; rename the clip's folder to a shorter name")  # fmt: skip


def _motion(episode: Episode, view: View, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """What follows from the trajectory."""
    trajectory = episode.clip.trajectory
    if "poses" in view.labels:
        write_named(scratch, {"world_from_part": pose_matrices(trajectory.poses), "twists": trajectory.twists})
        yield "poses.npz", _taken(scratch)
    if "contacts" in view.labels:
        rows = [dict(zip(CONTACT_COLUMNS, row, strict=True)) for row in contact_rows(trajectory)]
        yield "contacts.json", _json(rows)
    if trajectory.robots:
        write_named(scratch, joint_arrays(trajectory))
        yield "joints.npz", _taken(scratch)


def _about(view: View) -> dict[str, Any]:
    tree = view.clip.record.model_dump(mode="json", exclude={"files", "scene", "checks", "stages"})
    return {"camera": view.camera, "refined_pictures": view.refined, "labels": sorted(view.labels), **tree}


def _json(tree: Any) -> bytes:
    return json.dumps(tree, ensure_ascii=False, allow_nan=False).encode()


def _taken(path: Path) -> bytes:
    """The bytes of a file that is no longer needed."""
    data = path.read_bytes()
    path.unlink()
    return data
