"""One clip of a job, in a worker: sample k of a scene, from its plain values to its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from simvid.clip import Clip
from simvid.clips.folders import disk_at_fault
from simvid.errors import SimvidError
from simvid.generating.job_folder import JobFolder
from simvid.generating.worker import Make, Plain
from simvid.parsing import parse_scene
from simvid.pipeline import finished, planned
from simvid.randomize import sample
from simvid.scene import Scene


def shared_by_all(scene: Scene, until: str, frames: int | None) -> Plain:
    """What the clips of a job have in common, as plain values for ``job.json``."""
    return {
        "scene": scene.model_dump(mode="json", exclude_unset=True),
        "file": scene._file,
        "base": str(Path(scene._base).resolve()),
        "until": until,
        "frames": frames,
    }


def scene_of(shared: Mapping[str, Any]) -> Scene:
    """The scene again."""
    scene = parse_scene(json.dumps(shared["scene"]), shared["file"], shared["base"])
    scene._lines = {}
    return scene


def maker(kind: str, shared: Plain) -> Make:
    """Makes clip after clip of a job."""
    scene, folder = scene_of(shared["job"]), JobFolder(Path(shared["out"]))

    def make(task: Plain) -> Plain:
        name, index = str(task["name"]), int(task["sample"])

        def clip() -> Clip:
            which = index if scene.randomize else None
            job = planned(scene, folder.out, shared["job"]["frames"], which, shared["job"]["until"])
            job.keep = folder.work(name)
            return finished(job)

        return outcome_of(clip, lambda: _about(scene, index))

    return make


def outcome_of(make: Callable[[], Clip], about: Callable[[], Plain]) -> Plain:
    """What became of a clip: ``made``, ``failed`` with its reason, or ``storage`` where the disk is at fault.

    Any error is told, not raised: the next clip may be well.
    """
    try:
        made = make()
    except SimvidError as error:
        if disk_at_fault(error):
            return {"state": "storage", "reason": str(error)}
        return {"state": "failed", "reason": str(error), **about()}
    except MemoryError:
        raise  # a fresh process may have more
    except OSError as error:
        if disk_at_fault(error):
            return {"state": "storage", "reason": str(error)}
        return {"state": "failed", "reason": f"{type(error).__name__}: {error}", **about()}
    except Exception as error:
        return {"state": "failed", "reason": f"simvid has a fault: {type(error).__name__}: {error}", **about()}
    size = sum(file.bytes for file in made.record.files.values())
    checks = [f"{check.name} {check.camera}" for check in made.failed_checks]
    checks += [f"physics {law.name} {law.part}".strip() for law in made.broken_laws]
    return {"state": "made", "clip": made.path.name, "input_hash": made.record.input_hash,
            "failed_checks": checks, "bytes": size}  # fmt: skip


def _about(scene: Scene, index: int) -> Plain:
    """Seed and drawn values of a sample, as far as it can be drawn."""
    try:
        drawn, values = sample(scene, index)
    except SimvidError:
        return {"seed": scene.seed, "sampled": {}}
    return {"seed": drawn.seed, "sampled": json.loads(json.dumps(values))}
