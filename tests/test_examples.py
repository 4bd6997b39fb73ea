"""Every example runs as it stands, in a fresh process."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from simvid.cli import build_parser
from simvid.generating.job_folder import Shard

EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "examples").glob("[0-9]*.py"))
CLUSTER = EXAMPLES[0].parent / "cluster"
SAID = """#!/bin/bash
printf '%s\\n' "$(basename "$0") $*" >> "$SAID"
[[ $(basename "$0") == simvid ]] && "$PYTHON" -c 'import json, sys; print(json.dumps(sys.argv[1:]))' "$@" >> "$TOLD"
exit 0
"""
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
ANSWERS = {"scontrol": "echo node0; echo node1", "hostname": "echo 10.0.0.5 fe80::1"}


def test_all_examples_are_numbered_in_order() -> None:
    assert len(EXAMPLES) >= 4
    assert [int(p.name[:2]) for p in EXAMPLES] == list(range(1, len(EXAMPLES) + 1))


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(path), str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert list(tmp_path.glob("*/clip.json")) or list(tmp_path.glob("*.json"))


Recipe = Callable[..., tuple[argparse.Namespace, list[str]]]


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Runs a recipe where the cluster's commands only say that they were called.

    It gives what simvid was told, and all calls.
    """
    programs = dict.fromkeys(("simvid", "ray", "ssh", "sleep"), SAID) | {"srun": SRUN}
    programs |= {name: f"#!/bin/bash\n{line}\n" for name, line in ANSWERS.items()}
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def run(name: str, *arguments: str, **told: str) -> tuple[argparse.Namespace, list[str]]:
        places = {key: tmp_path / key.lower() for key in ("SAID", "TOLD")}
        for place in places.values():
            place.write_text("")
        known = {"PATH": f"{tmp_path}{os.pathsep}/usr/bin:/bin", "PYTHON": sys.executable}
        known |= {key: str(place) for key, place in places.items()} | told
        command = ["bash", str(CLUSTER / name), *arguments]
        subprocess.run(command, env=known, check=True, timeout=60, capture_output=True)  # waits for what it left behind
        (argv,) = map(json.loads, places["TOLD"].read_text().splitlines())
        return build_parser().parse_args(argv), places["SAID"].read_text().splitlines()

    return run


def test_a_slurm_array_makes_every_clip_once(recipe: Recipe) -> None:
    shards = []
    for k in range(3):
        told, _ = recipe(
            "slurm_array.sh", "table_top", "10", "/shared/a b", SLURM_ARRAY_TASK_ID=str(k),
            SLURM_ARRAY_TASK_COUNT="3", SLURM_CPUS_PER_TASK="4",
        )  # fmt: skip
        assert (told.scene, told.count, told.out, told.workers) == ("table_top", 10, "/shared/a b", 4)
        shards.append(Shard.of(told.shard))
    assert [sum(shard.holds(k) for shard in shards) for k in range(10)] == [1] * 10


def test_ray_on_slurm_has_a_head_and_the_other_nodes(recipe: Recipe) -> None:
    told, said = recipe(
        "slurm_ray.sh", "table_top", "10", "/shared/out", SLURM_JOB_NODELIST="node[0-1]", SLURM_JOB_NUM_NODES="2",
        SLURM_CPUS_PER_TASK="16",
    )  # fmt: skip
    assert (told.ray, told.count, told.shard) == ("node0:6379", 10, None)
    started = sorted(line for line in said if line.startswith("ray"))
    assert started == [
        "ray start --address=node0:6379 --num-cpus=16 --block",
        "ray start --head --node-ip-address=node0 --port=6379 --num-cpus=16 --block",
    ]


def test_ray_by_hand_starts_and_stops_every_machine(recipe: Recipe) -> None:
    told, said = recipe("ray_by_hand.sh", "table_top", "10", "/shared/out", "one", "two")
    assert told.ray == "10.0.0.5:6379"
    assert [line for line in said if line.startswith("ssh")] == [
        "ssh one ray start --address=10.0.0.5:6379", "ssh two ray start --address=10.0.0.5:6379",
        "ssh one ray stop", "ssh two ray stop",
    ]  # fmt: skip
    assert [line for line in said if line.startswith("ray")] == ["ray start --head --port=6379", "ray stop"]


def test_kuberay_runs_a_job_with_the_ray_that_is_tested() -> None:
    tree = yaml.safe_load((CLUSTER / "kuberay.yaml").read_text())
    assert (tree["apiVersion"], tree["kind"]) == ("ray.io/v1", "RayJob")
    program, *argv = shlex.split(tree["spec"]["entrypoint"])
    told = build_parser().parse_args(argv)
    assert (program, told.module, told.ray) == ("simvid", "generate", "auto")
    cluster = tree["spec"]["rayClusterSpec"]
    pins = (CLUSTER.parent.parent / "constraints.txt").read_text().split()
    assert f"ray=={cluster['rayVersion']}" in pins
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        spec = group["template"]["spec"]
        mounts = {m["name"]: m["mountPath"] for c in spec["containers"] for m in c["volumeMounts"]}
        assert told.out.startswith(mounts["data"]), "all pods write to the claim"
        assert [v["name"] for v in spec["volumes"]] == ["data"]
