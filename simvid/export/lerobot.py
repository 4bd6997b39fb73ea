"""LeRobotDataset v3.0: one episode per clip, its cameras as video features, depth as 12-bit video, joints, tasks.

Layout and codes are those of lerobot 0.6.1. One video file per episode and camera; one row group per episode.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simvid.clips.folders import link_or_copy
from simvid.export import lerobot_tables as tables
from simvid.export import robots, statistics
from simvid.export.base import Episode, ExportError, Request, View, common, split_episodes
from simvid.export.encoded import in_order
from simvid.export.files import write_json
from simvid.export.log_depth import LogDepth
from simvid.export.video import GRAY12, Codec, av1, h264, write_frames
from simvid.scene.base import Model
from simvid.scene.rules import Problem, Rule

SIDE_BY_SIDE = 2
"""Clips that are encoded at the same time, and videos of each; the encoders run outside Python's lock."""
VIDEOS_FILE = "videos.json"
"""Beside the encoded videos of a clip: their statistics."""
KEY_FRAMES = 2
"""Training reads frames at random, so every second one can be decoded alone."""
CHUNK = 1000
SHORT = {"position": "pos", "velocity": "vel"}
"""How lerobot's own robots name what a column holds."""


def _near_before_far(settings: LeRobotSettings) -> Iterator[Problem]:
    if settings.depth_min_m >= settings.depth_max_m:
        yield Problem(("depth_min_m",), f"a number below depth_max_m ({settings.depth_max_m:g})",
                      f"{settings.depth_min_m:g}", "set either")  # fmt: skip


class LeRobotSettings(Model):
    """What may be set."""

    codec: Literal["h264", "av1"] = "h264"
    """Of colour videos."""
    crf: int = Field(default=20, ge=0, le=63)
    depth_min_m: float = Field(default=0.01, gt=0)
    depth_max_m: float = Field(default=10.0, gt=0)
    """Farther depths, and the sky, are stored as this."""
    depth_shift_m: float = Field(default=3.5, ge=0)
    task: str | None = None
    """Text of the task; None takes each clip's description."""
    bodies: bool = False
    """Whether the poses of moving bodies are a feature, ``observation.environment_state``; then all clips have the
    same bodies."""
    held_out: float = Field(default=0.0, ge=0, le=1)
    """Share of the scenes whose episodes are the split ``valid``, after those of ``train``."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("depth_min_m", "depth_max_m"), _near_before_far),)


class LeRobot:
    """Episodes for robot policies."""

    name: ClassVar[str] = "lerobot"
    version: ClassVar[str] = "v3.0"
    summary: ClassVar[str] = "LeRobotDataset v3.0: videos, depth, joint state, actions, tasks"
    holds: ClassVar[frozenset[str]] = frozenset({"depth"})
    needs: ClassVar[frozenset[str]] = frozenset()
    packages: ClassVar[tuple[str, ...]] = ("pyarrow",)
    Settings: ClassVar[type[LeRobotSettings]] = LeRobotSettings

    def __init__(self, settings: LeRobotSettings) -> None:
        self._settings = settings
        self._code = LogDepth(settings.depth_min_m, settings.depth_max_m, settings.depth_shift_m)

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``meta/``, ``data/``, ``videos/``."""
        splits = split_episodes(request.episodes, self._settings.held_out)
        request = replace(request, episodes=tuple(chain.from_iterable(splits.values())))
        features = self._features(request)
        tasks = list(dict.fromkeys(self._task(e) for e in request.episodes))
        rows, numbers, first, beyond = [], [], 0, 0
        with tables.DataFiles(folder) as data, ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
            ready = in_order(threads, request.encoded, request.episodes, SIDE_BY_SIDE)
            for k, (episode, encoded) in enumerate(zip(request.episodes, ready, strict=True)):
                columns = self._columns(episode, k, first, tasks.index(self._task(episode)), features)
                stats = {name: statistics.of_rows(values) for name, values in columns.items()}
                keys = [key for key, _, _ in self._videos(episode, request.labels)]
                found, far = _take_videos(encoded, keys, folder, k)
                stats, beyond = stats | found, beyond + far
                place = data.add(columns, features)
                videos = dict.fromkeys(keys, k)
                rows.append(tables.episode_row(k, self._task(episode), episode, first, place, videos, stats))
                numbers.append(stats)
                first += episode.clip.frame_count
                request.tell(f"{episode.stem}: episode {k}, {episode.clip.frame_count} frames")
        tables.write_episodes(folder, rows)
        tables.write_tasks(folder, tasks)
        totals = {name: statistics.merged([n[name] for n in numbers]) for name in numbers[0]}
        write_json(
            folder / "meta" / "stats.json", {n: {k: v.tolist() for k, v in s.items()} for n, s in totals.items()}, 4
        )
        write_json(folder / "meta" / "info.json", self._info(request, features, len(tasks), first, splits), 4)
        done = {"episodes": len(rows), "frames": first, "tasks": len(tasks)}
        return {**done, "depths_beyond_max": beyond} if "depth" in request.labels else done

    def encode(self, episode: Episode, labels: frozenset[str], folder: Path) -> None:
        """``KEY.mp4`` for each video of a clip, side by side, and what is known of them in ``videos.json``."""
        with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
            jobs = {
                key: threads.submit(self._video, folder / f"{key}.mp4", view, depth=depth)
                for key, view, depth in self._videos(episode, labels)
            }
            known = {key: job.result() for key, job in jobs.items()}
        tree = {k: {"stats": {n: v.tolist() for n, v in stats.items()}, "beyond": far}
                for k, (stats, far) in known.items()}  # fmt: skip
        write_json(folder / VIDEOS_FILE, tree)

    def _task(self, episode: Episode) -> str:
        return self._settings.task or episode.caption

    def _features(self, request: Request) -> dict[str, dict[str, Any]]:
        """Name -> dtype, shape, names, info; the same in every episode, or it is refused."""
        stems = [e.stem for e in request.episodes]
        fps = common([e.clip.fps for e in request.episodes], "frames per second", stems, "export them apart")
        if fps != round(fps):
            raise ExportError(f"{stems[0]}: LeRobot has whole frames per second alone, got {fps:g}; webdataset and "
                              "mcap can hold it")  # fmt: skip
        keys = [[(key, v.height, v.width) for key, v, _ in self._videos(e, request.labels)] for e in request.episodes]
        common(keys, "cameras and their sizes", stems, "choose with --camera, or export them apart")
        found = {
            key: self._video_feature(view, int(fps), depth=depth)
            for key, view, depth in self._videos(request.episodes[0], request.labels)
        }
        motions = [e.clip.trajectory for e in request.episodes]
        apart = "export them apart"
        joints = common([robots.joint_names(t) for t in motions], "joints of the robots", stems, apart)
        told = common([robots.controls(t) for t in motions], "what targets of joints are", stems, apart)
        if joints:
            found["observation.state"] = _vector([f"{joint}.pos" for joint in joints])
            found["action"] = _vector([f"{joint}.{SHORT[kind]}" for joint, kind in zip(joints, told, strict=True)])
        if self._settings.bodies:
            bodies = common([robots.body_state_names(t) for t in motions], "moving bodies", stems,
                            "say --option bodies=false")  # fmt: skip
            if bodies:
                found["observation.environment_state"] = _vector(bodies)
        found["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
        for name in ("frame_index", "episode_index", "index", "task_index"):
            found[name] = {"dtype": "int64", "shape": [1], "names": None}
        return found

    def _columns(
        self, episode: Episode, number: int, first: int, task: int, features: Mapping[str, Any]
    ) -> dict[str, NDArray[Any]]:
        trajectory, count = episode.clip.trajectory, episode.clip.frame_count
        frames = np.arange(count)
        every: dict[str, NDArray[Any]] = {
            "observation.state": robots.joints(trajectory, "positions").astype(np.float32),
            "action": robots.joints(trajectory, "targets").astype(np.float32),
            "observation.environment_state": robots.body_state(trajectory).astype(np.float32),
            "timestamp": (frames / episode.clip.fps).astype(np.float32),
            "frame_index": frames,
            "episode_index": np.full(count, number),
            "index": first + frames,
            "task_index": np.full(count, task),
        }
        return {name: values for name, values in every.items() if name in features}

    def _videos(self, episode: Episode, labels: frozenset[str]) -> Iterator[tuple[str, View, bool]]:
        """Feature, camera, and whether it is depth."""
        names = {view.camera for view in episode.views}
        for view in episode.views:
            yield f"observation.images.{view.camera}", view, False
            if "depth" in labels:
                if f"{view.camera}_depth" in names:
                    raise ExportError(f"{episode.stem}: camera {view.camera}_depth and the depth of camera "
                                      f"{view.camera} would have the same name here; rename one, choose with --camera, "
                                      "or leave out depth with --labels")  # fmt: skip
                yield f"observation.images.{view.camera}_depth", view, True

    def _codec(self, view: View) -> Codec:
        odd = bool(view.width % 2 or view.height % 2)
        if self._settings.codec == "av1":
            if odd or min(view.width, view.height) < 64:
                raise ExportError(f"{view.stem}: AV1 needs even sizes of 64 px or more, got {view.width} x "
                                  f"{view.height}; say --option codec=h264")  # fmt: skip
            return av1(self._settings.crf, KEY_FRAMES)
        return h264(min(self._settings.crf, 51), KEY_FRAMES, full_chroma=odd)

    def _video_feature(self, view: View, fps: int, *, depth: bool) -> dict[str, Any]:
        codec = GRAY12 if depth else self._codec(view)
        channels = 1 if depth else 3
        info: dict[str, Any] = {
            "video.height": view.height, "video.width": view.width, "video.fps": fps, "video.channels": channels,
            "video.codec": "hevc" if depth else self._settings.codec, "video.pix_fmt": codec.pix_fmt,
            "video.g": codec.gop, "is_depth_map": depth, "has_audio": False,
        }  # fmt: skip
        if depth:
            code = self._code
            info |= {"depth_unit": "m", "video.depth_min": code.near_m, "video.depth_max": code.far_m,
                     "video.shift": code.shift_m, "video.use_log": True}  # fmt: skip
        else:
            info["video.crf"] = self._settings.crf
        names = ["height", "width", "channels"]
        return {"dtype": "video", "shape": [view.height, view.width, channels], "names": names, "info": info}

    def _video(self, path: Path, view: View, *, depth: bool) -> tuple[statistics.Stats, int]:
        """Encode one; its statistics, and how many depths lay beyond the last code."""
        wanted, samples, far = statistics.sampled(view.frame_count), [], [0]
        top = self._code.far_m

        def depths() -> Iterator[NDArray[Any]]:
            for t, values in enumerate(view.array("depth")):
                far[0] += int(np.count_nonzero(np.isfinite(values) & (values > top)))
                if t in wanted:
                    samples.append(statistics.thinned(np.clip(np.nan_to_num(values, posinf=top), 0, top)[..., None]))
                yield self._code.encode(values)

        def colours() -> Iterator[NDArray[Any]]:
            for t, rgb in enumerate(view.pictures()):
                if t in wanted:
                    samples.append(statistics.thinned(rgb))
                yield rgb

        write_frames(path, depths() if depth else colours(), view.fps, GRAY12 if depth else self._codec(view))
        numbers = statistics.of_pictures if depth else statistics.of_bytes
        return numbers(samples, view.frame_count), far[0]

    def _info(
        self, request: Request, features: Mapping[str, Any], tasks: int, frames: int,
        splits: Mapping[str, Sequence[Episode]],
    ) -> dict[str, Any]:  # fmt: skip
        names = [robot.name for robot in request.episodes[0].clip.trajectory.robots]
        count, train = len(request.episodes), len(splits["train"])
        ranges = {"train": f"0:{train}", "valid": f"{train}:{count}"}
        return {
            "codebase_version": self.version, "robot_type": "+".join(names) or None, "total_episodes": count,
            "total_frames": frames, "total_tasks": tasks, "chunks_size": CHUNK,
            "data_files_size_in_mb": tables.DATA_MB, "video_files_size_in_mb": 200,
            "fps": int(request.episodes[0].clip.fps), "splits": {split: ranges[split] for split in splits},
            "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
            "features": features,
        }  # fmt: skip


def _take_videos(
    encoded: Path, keys: Sequence[str], folder: Path, number: int
) -> tuple[dict[str, statistics.Stats], int]:
    """Link the videos of an encoded clip into their places; their statistics, and how many depths lay beyond."""
    known = json.loads((encoded / VIDEOS_FILE).read_bytes())
    for key in keys:
        path = folder / "videos" / key / f"chunk-{number // CHUNK:03d}" / f"file-{number % CHUNK:03d}.mp4"
        link_or_copy(encoded / f"{key}.mp4", path)
    stats = {key: {name: np.array(values) for name, values in known[key]["stats"].items()} for key in keys}
    return stats, sum(known[key]["beyond"] for key in keys)


def _vector(names: Sequence[str]) -> dict[str, Any]:
    return {"dtype": "float32", "shape": [len(names)], "names": list(names)}
