"""Kill a job of short clips 200 times, its workers and the process that runs it, and compare with a job let alone.

The clips go into a data set while they are made, so what encodes them is killed too. Three kills of four wait until the
job has made another clip and then come at any time of the next one, so that the job gets on between them: a job of 50
clips is done after some 50 kills, and the next one begins. The fourth comes at any time, mostly into a start. ``hit``
says what the victims were writing when they died, by the unfinished folders and files that they left.

``python benchmarks/kills.py [--kills 200] [--clips 50] [--workers 2] [--record FILE]``; ends with an error if anything
is lost, half written or different. Starts take most of its time: a worker needs 4 s of a core until its first clip.
What was found so far is in FILE after each kill, so a run that is cut short tells it too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from simvid.generating.pool import same_code
from simvid.testing.killing import Chances, Killings, content_of, kill_at_random

SCENE = """\
simvid: 1
name: short
duration_s: 0.05
fps: 20
seed: 5
bodies:
  - {name: ball, shape: {sphere: {radius_m: 0.1}}, motion: {keyframes: [{t_s: 0, pose: {position_m: [0, 0, 0.3]}}]}}
cameras:
  - {name: front, resolution_px: [32, 32], pose: {look_from_m: [0, -1.6, 0.7], look_at_m: [0, 0, 0.3]}}
labels: [depth, ids]
randomize:
  bodies.ball.shape.sphere.radius_m: {uniform: [0.08, 0.12]}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--clips", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--longest", type=float, default=4.0, help="seconds, for kills that wait for no clip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, help="file for what was found so far")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = kill(Path(name), options)
    print(json.dumps(found, indent=1))
    return 1 if found["half_written"] or found["different"] else 0


def kill(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run, kill, compare; what was found."""
    started = time.monotonic()
    scene = folder / "short.yaml"
    scene.write_text(SCENE)
    command = ["generate", str(scene), "--count", str(options.clips), "--workers", str(options.workers),
               "--format", "lerobot"]  # fmt: skip
    whole = [sys.executable, "-P", "-m", "simvid.cli", *command, "--out", str(folder / "whole"), "--quiet"]
    subprocess.run(whole, check=True, env=same_code(), stdout=subprocess.DEVNULL)
    expected = content_of(folder / "whole")
    compared: list[str] = []
    different: list[str] = []

    def compare(job: Path) -> None:
        compared.append(job.name)
        if content_of(job) != expected:
            different.append(job.name)

    def standing(done: Killings) -> dict[str, Any]:
        return {
            "kills": done.total, "of_the_job": done.parents, "of_workers": done.workers, "amid_work": done.at_work,
            "hit": dict(done.hit.most_common()), "clips_each": options.clips, "jobs_done": len(compared),
            "half_written": done.half_written, "different": different,
            "minutes": round((time.monotonic() - started) / 60, 1),
        }  # fmt: skip

    def keep(done: Killings) -> None:
        if options.record is not None:
            options.record.write_text(json.dumps(standing(done), indent=1) + "\n")

    chances = Chances(options.kills, longest_s=options.longest, seed=options.seed)
    return standing(kill_at_random(command, folder / "killed", chances, keep, compare))


if __name__ == "__main__":
    sys.exit(main())
