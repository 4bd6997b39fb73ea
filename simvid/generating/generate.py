"""``simvid.generating.generate``: many clips of one scene that varies, in a folder that survives anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simvid.errors import SceneError
from simvid.generating.clip_task import shared_by_all
from simvid.generating.data_set import DataSet, put_together
from simvid.generating.job_folder import JobFolder, Shard, manifest_of, number
from simvid.generating.pool import Pool, PoolSettings, Task
from simvid.generating.running import Encoding, Executor, Progress, Run, Told
from simvid.generating.worker import Plain
from simvid.jobs.preflight import prepared
from simvid.jobs.stage_inputs import code_version
from simvid.pipeline import Until, first_frames
from simvid.randomize import as_written
from simvid.scene import Scene

STAGES = ("physics", "rendering", "refining", "checking")
MIN_FREE_GB = 2.0
WHOLE = Shard()


@dataclass(frozen=True)
class Options:
    """How a job is run; none of it changes what its clips hold.

    Attributes:
        workers: tasks under way at a time; None is one process on this machine, and every core of a cluster.
        shard: which part of the job.
        timeout_s: for one clip; None lets it take as long as it likes.
        min_free_gb: no clip is begun with less room on the disk.
        patience_s: how long to wait for room.
        retry_failed: try those again that were given up for an error.
        mix_versions: go on with a job of another simvid.
        ray: address of a Ray cluster, ``auto`` or ``local``; None uses processes of this machine.
        data_set: what the clips are encoded for while others are made; it is put together when all are there.
    """

    workers: int | None = None
    shard: Shard = WHOLE
    timeout_s: float | None = None
    min_free_gb: float = MIN_FREE_GB
    patience_s: float = 600.0
    retry_failed: bool = False
    mix_versions: bool = False
    ray: str | None = None
    data_set: DataSet | None = None

    @property
    def settings(self) -> PoolSettings:
        """Of the processes; 0 of them are all cores of a cluster."""
        workers = self.workers if self.workers is not None else 0 if self.ray else 1
        return PoolSettings(workers, self.timeout_s, beside=0 if self.data_set is None else 1)


DEFAULT = Options()


def generate(
    scene: Scene,
    out: str | Path,
    count: int,
    options: Options = DEFAULT,
    *,
    until: Until = "refining",
    frames: int | None = None,
    told: Told = lambda *_: None,
) -> Progress:
    """Make samples 0 to ``count - 1`` of a scene; what is there already is not made again.

    Args:
        scene: with ``randomize``, unless ``count`` is 1.
        out: folder of the job, made where it is missing.
        count: of clips.
        options: how it is run.
        until: the last stage of each clip.
        frames: only the first so many of each clip.
        told: called after each clip, and while it waits.

    Raises:
        SceneError: the scene is faulty, or would give ``count`` equal clips.
        JobError: the folder is for another job, in use, on a full disk, or cannot be written to.
    """
    if count > 1 and not scene.randomize:
        raise SceneError(
            f"{scene._file}: randomizes nothing, so all {count} clips would be alike; add  randomize:  to it"
        )
    prepared(first_frames(as_written(scene), frames))  # all that is wrong with it, before any folder is made
    if options.data_set is not None:
        options.data_set.checked()
    folder = JobFolder(Path(out))
    tasks = [Task(name, {"name": name, "sample": k}) for k in range(count) for name in [number(k)]]
    with folder.locked(options.shard) as lock:
        manifest = manifest_of("generate", shared_by_all(scene, until, frames), count, versions())
        manifest = folder.begin(manifest, mix_versions=options.mix_versions)
        return run_tasks(folder, "clip", manifest.shared, tasks, (lock, options, told))


def run_tasks(
    folder: JobFolder, kind: str, job: Plain, tasks: Sequence[Task], how: tuple[int, Options, Told]
) -> Progress:
    """Run the tasks of a shard on whatever the options name."""
    lock, options, told = how
    mine = [task for k, task in enumerate(tasks) if options.shard.holds(k)]
    encoding = None if options.data_set is None else Encoding(options.settings.workers)
    run = Run(folder, mine, int(options.min_free_gb * 1e9), options.patience_s, options.retry_failed, told, encoding)
    shared = {"job": job, "out": str(folder.out.resolve())}
    if options.data_set is not None:
        shared["data_set"] = options.data_set.plain()
    with executor(kind, shared, options, lock) as workers:
        end = run(workers)
    if options.data_set is not None:
        put_together(folder, options.data_set)
    return end


@contextmanager
def executor(kind: str, shared: Plain, options: Options, lock: int | None = None) -> Iterator[Executor]:
    """Processes of this machine, or a Ray cluster."""
    if options.ray is not None:
        from simvid.generating.ray_cluster import Cluster

        with Cluster(options.ray, kind, shared, options.settings) as cluster:
            yield cluster
        return
    with Pool(kind, shared, options.settings, () if lock is None else (lock,)) as pool:
        yield pool


def versions() -> str:
    """Of simvid, with a digest of all its stages: clips of different code should not be mixed unknowingly."""
    found = [code_version(stage) for stage in STAGES]
    version = found[0].split(" ")[0]
    return " ".join([version, *(text.split(" ")[-1][:8] for text in found)])
