"""HDF5 in the layout of robomimic (also robosuite, RoboCasa, Isaac Lab Mimic): ``data/demo_0/{actions, obs, states}``.

Everything is lossless. Robots give ``actions`` (targets of all joints) and ``obs/joint_pos``; ``states`` are poses and
twists of all parts. Labels are observations, ``obs/CAMERA_ARRAY``; tables lie under ``labels``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simvid import __version__
from simvid.clips.arrays import read_named
from simvid.clips.camera_file import camera_arrays
from simvid.clips.tables import CONTACT_COLUMNS, contact_rows
from simvid.export import robots
from simvid.export.base import Episode, ExportError, Request, View, split_episodes
from simvid.frames import LABEL_ARRAYS, LABELS
from simvid.scene.base import Model

FILE = "dataset.hdf5"


class Hdf5Settings(Model):
    """What may be set."""

    compression: int = Field(default=4, ge=0, le=9)
    """Of gzip."""
    held_out: float = Field(default=0.0, ge=0, le=1)
    """Share of the scenes whose clips are in ``mask/valid`` instead of ``mask/train``."""


class Hdf5:
    """Demonstrations with observations."""

    name: ClassVar[str] = "hdf5"
    version: ClassVar[str] = "robomimic 0.3"
    summary: ClassVar[str] = "HDF5 as robomimic has it: actions, states, observations, every label"
    holds: ClassVar[frozenset[str]] = frozenset(LABELS) - {"boxes"}
    needs: ClassVar[frozenset[str]] = frozenset()
    packages: ClassVar[tuple[str, ...]] = ("h5py",)
    Settings: ClassVar[type[Hdf5Settings]] = Hdf5Settings

    def __init__(self, settings: Hdf5Settings) -> None:
        self._settings = settings

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``dataset.hdf5``, one ``demo_k`` per clip."""
        import h5py

        splits, total = split_episodes(request.episodes, self._settings.held_out), 0
        with h5py.File(folder / FILE, "w", libver="v110", track_order=False) as file:
            data = file.create_group("data")
            for k, episode in enumerate(request.episodes):
                self._demo(data.create_group(f"demo_{k}"), episode, request.labels)
                total += episode.clip.frame_count
                request.tell(f"{episode.stem}: demo_{k}, {episode.clip.frame_count} frames")
            data.attrs["total"] = total
            about = {"simvid": __version__, "scenes": sorted({e.clip.name for e in request.episodes})}
            data.attrs["env_args"] = json.dumps({"env_name": "simvid", "type": 2, "env_kwargs": about})
            for split, chosen in splits.items():
                names = np.array([f"demo_{request.episodes.index(e)}" for e in chosen], dtype="S")
                file.create_dataset(f"mask/{split}", data=names, track_times=False)
        return {"demos": len(request.episodes), "frames": total}

    def _demo(self, group: Any, episode: Episode, labels: frozenset[str]) -> None:
        trajectory, count = episode.clip.trajectory, episode.clip.frame_count
        group.attrs["num_samples"] = count
        group.attrs["caption"] = episode.caption
        group.attrs["content_hash"] = episode.clip.content_hash
        group.attrs["seed"] = episode.clip.record.seed
        group.attrs["fps"] = episode.clip.fps
        state = np.concatenate([trajectory.poses, trajectory.twists], axis=2).reshape(count, -1)
        names = robots.joint_names(trajectory)
        self._put(group, "actions", robots.joints(trajectory, "targets"))
        self._put(group, "states", state)
        self._put(group, "dones", (np.arange(count) == count - 1).astype(np.int64))
        self._put(group, "rewards", np.zeros(count))
        group.attrs["joint_names"] = json.dumps(names)
        group.attrs["joint_control"] = json.dumps(robots.controls(trajectory))
        group.attrs["part_names"] = json.dumps([p.name for p in trajectory.parts])
        if names:
            self._put(group, "obs/joint_pos", robots.joints(trajectory, "positions"))
            self._put(group, "obs/joint_vel", robots.joints(trajectory, "velocities"))
        for view in episode.views:
            self._view(group, view, labels)
        if "poses" in labels:
            self._put(group, "labels/poses", trajectory.poses)
            self._put(group, "labels/twists", trajectory.twists)
        if "contacts" in labels:
            columns = list(zip(*contact_rows(trajectory), strict=True)) or [()] * len(CONTACT_COLUMNS)
            for name, column in zip(CONTACT_COLUMNS, columns, strict=True):
                values = np.array(column)
                self._put(group, f"labels/contacts/{name}", values.astype("S") if values.dtype.kind == "U" else values)

    def _view(self, group: Any, view: View, labels: frozenset[str]) -> None:
        arrays = sorted({a for label in labels for a in LABEL_ARRAYS[label]})
        stores: dict[str, Any] = {}
        for t, frame in enumerate(view.frames(*labels)):
            found = {"image": frame.rgb, **{name: getattr(frame, name) for name in arrays}}
            for name, values in found.items():
                if name not in stores:
                    stores[name] = self._grown(group, f"obs/{view.camera}_{name}", view.frame_count, values)
                stores[name][t] = values
        for label in ("tracks", "boxes_3d"):
            if label in labels:
                path = view.clip.path / view.record.folder / f"{label}.npz"
                for name, values in read_named(path).items():
                    self._put(group, f"labels/{view.camera}/{label}/{name}", values)
        for name, values in camera_arrays(view.path).items():
            stored = values.astype("S") if values.dtype.kind == "U" else values
            self._put(group, f"labels/{view.camera}/camera/{name}", stored)

    def _grown(self, group: Any, name: str, count: int, first: NDArray[Any]) -> Any:
        shape = (count, *first.shape)
        if name in group:
            raise ExportError(f"{name}: two cameras would have the same name here; rename one")
        packed = {"chunks": (1, *first.shape), **self._packed()} if first.size else {}  # chunks hold one value or more
        return group.create_dataset(name, shape, first.dtype, track_times=False, **packed)

    def _put(self, group: Any, name: str, values: NDArray[Any]) -> None:
        packed = self._packed() if values.size and values.ndim else {}
        group.create_dataset(name, data=values, track_times=False, **packed)

    def _packed(self) -> dict[str, Any]:
        level = self._settings.compression
        return {"compression": "gzip", "compression_opts": level, "shuffle": True} if level else {}
