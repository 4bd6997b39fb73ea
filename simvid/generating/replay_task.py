"""One clip seen again, or refined again, in a worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simvid.clip import Clip
from simvid.clips.folders import remove
from simvid.clips.records import CLIP_FILE
from simvid.errors import SceneError
from simvid.generating.clip_task import outcome_of
from simvid.generating.job_folder import JobFolder
from simvid.generating.worker import Make, Plain
from simvid.jobs.refine_clip import refine_clip
from simvid.parsing import parse_scene
from simvid.pipeline import finished, planned
from simvid.scene import Scene

NO_CAMERA = "none"


def maker(kind: str, shared: Plain) -> Make:
    """Replays, or refines, clip after clip."""
    job, folder = shared["job"], JobFolder(Path(shared["out"]))
    source = Path(job["source"])

    def replayed(task: Plain) -> Clip:
        clip = Clip.open(source / task["clip"])
        made = planned(replayed_scene(clip, job), folder.out, None, None, job["until"], clip)
        made.keep = folder.work(task["name"])
        return finished(made)

    def refined(task: Plain) -> Clip:
        clip, store = Clip.open(source / task["clip"]), folder.work(task["name"])
        wanted = clip.scene.refine
        made, _ = refine_clip(clip, job["refiner"] or wanted.refiner, look=job["look"] or wanted.look, store=store)
        remove(store)
        return made

    def make(task: Plain) -> Plain:
        return outcome_of(lambda: (refined if kind == "refine" else replayed)(task), dict)

    return make


def replayed_scene(clip: Clip, job: Mapping[str, Any]) -> Scene:
    """The scene of a clip as it ran, with other cameras and settings.

    Raises:
        SceneError: it has no such camera, or the new ones are faulty.
    """
    tree = dict(clip.record.scene)
    own = list(tree.get("cameras", ()))
    if job["keep"] is not None:
        names = [camera["name"] for camera in own]
        unknown = [name for name in job["keep"] if name not in (*names, NO_CAMERA)]
        if unknown:
            raise SceneError(f"--camera: expected some of {', '.join(names)}, or none, got {', '.join(unknown)}")
        own = [camera for camera in own if camera["name"] in job["keep"]]
    tree["cameras"] = [*own, *job["cameras"]]
    return parse_scene(json.dumps(tree), str(clip.path / CLIP_FILE), clip.scene._base, job["overrides"], cut=True)
