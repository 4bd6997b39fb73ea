"""Rival: Blender's Cycles with its denoiser, through the package ``bpy``: colour, z, normals, object ids and vectors.

``bpy`` wants a Python environment of its own. Name its interpreter in SIMVID_BENCH_BLENDER:
    python3.11 -m venv /some/where/blender && /some/where/blender/bin/pip install bpy==4.5.15
    export SIMVID_BENCH_BLENDER=/some/where/blender/bin/python

This file is also what that interpreter runs (it imports nothing of simvid): build the scene from ``rivals_scene``'s
arrays, draw frames with one thread and persistent data, print CPU seconds of each. Nothing is written to disk while the
clock runs. ``--look FOLDER`` draws one frame with all passes into files instead.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

VARIABLE = "SIMVID_BENCH_BLENDER"
PASSES = {"Image": "rgb", "Depth": "depth", "IndexOB": "ids", "Normal": "normals", "Vector": "vector"}


def measured(scene: Path, frames: list[int], engine: str, samples: int, look: Path | None = None) -> dict[str, Any]:
    """CPU seconds of each frame, by another interpreter; ``look`` as above.

    Raises:
        NotHereError: no interpreter with bpy.
        RuntimeError: Blender failed; with its last words.
    """
    from benchmarks_table import NotHereError

    interpreter = os.environ.get(VARIABLE)
    if not interpreter:
        raise NotHereError(f"Blender: skipped; set {VARIABLE} to a Python interpreter with bpy==4.5.15")
    command = [interpreter, __file__, str(scene), "--engine", engine, "--samples", str(samples)]
    command += ["--frames", ",".join(map(str, frames))] + (["--look", str(look)] if look else [])
    software = {"LP_NUM_THREADS": "0", "LIBGL_ALWAYS_SOFTWARE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | software, timeout=550, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise RuntimeError(f"Blender failed ({done.returncode}): {(done.stdout + done.stderr)[-600:]}")
    return dict(json.loads(lines[-1]))


def build(data: Any, engine: str, samples: int) -> Any:
    """The scene in Blender, animated."""
    import bpy
    from mathutils import Matrix

    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    materials: dict[tuple[float, ...], Any] = {}
    for k, (part, v0, v1, f0, f1) in enumerate(data["pieces"].tolist()):
        mesh = bpy.data.meshes.new(f"piece_{k}")
        mesh.from_pydata(data["vertices"][v0:v1].tolist(), [], data["faces"][f0:f1].tolist())
        thing = bpy.data.objects.new(f"piece_{k}", mesh)
        look = tuple(data["looks"][k].tolist())
        if look not in materials:
            materials[look] = material(look)
        mesh.materials.append(materials[look])
        thing.pass_index, thing.rotation_mode = part + 1, "QUATERNION"
        scene.collection.objects.link(thing)
        animate(thing, data["poses"][:, part])
    eye = bpy.data.cameras.new("camera")
    eye.sensor_fit, eye.angle_y, eye.clip_start = "VERTICAL", float(data["fov_y"]), 0.01
    camera = bpy.data.objects.new("camera", eye)
    camera.rotation_mode = "QUATERNION"
    scene.collection.objects.link(camera)
    poses = []
    for matrix in data["camera"]:
        place, turn, _ = Matrix((matrix @ np.diag([1, -1, -1, 1])).tolist()).decompose()
        poses.append([*place, *turn])
    animate(camera, np.array(poses))
    scene.camera = camera
    light(scene, data)
    settings(scene, data["size"].tolist(), engine, samples)
    return scene


def material(look: tuple[float, ...]) -> Any:
    """A principled material."""
    import bpy

    made = bpy.data.materials.new("look")
    made.use_nodes = True
    principled = made.node_tree.nodes["Principled BSDF"]
    principled.inputs["Base Color"].default_value = (*look[:3], 1)
    principled.inputs["Roughness"].default_value, principled.inputs["Metallic"].default_value = look[3:]
    return made


def animate(thing: Any, poses: Any) -> None:
    """Keys at every frame."""
    for frame, pose in enumerate(poses):
        thing.location, thing.rotation_quaternion = pose[:3], pose[3:]
        thing.keyframe_insert("location", frame=frame)
        thing.keyframe_insert("rotation_quaternion", frame=frame)
    for curve in thing.animation_data.action.fcurves:
        for key in curve.keyframe_points:
            key.interpolation = "LINEAR"


def light(scene: Any, data: Any) -> None:
    """The sun, and an even sky."""
    import bpy
    from mathutils import Vector

    sun = bpy.data.lights.new("sun", "SUN")
    irradiance = data["sun_irradiance"]
    sun.energy, sun.color = float(irradiance.max()), (irradiance / irradiance.max()).tolist()
    sun.angle = 2 * float(data["sun_spread"])
    thing = bpy.data.objects.new("sun", sun)
    thing.rotation_mode = "QUATERNION"
    thing.rotation_quaternion = Vector(data["sun"].tolist()).to_track_quat("Z", "Y")
    scene.collection.objects.link(thing)
    scene.world = bpy.data.worlds.new("sky")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (*data["sky"].tolist(), 1)


def settings(scene: Any, size: list[int], engine: str, samples: int) -> None:
    """One thread, the passes, the sample count."""
    render, layer = scene.render, scene.view_layers[0]
    render.engine = engine
    render.resolution_x, render.resolution_y = size
    render.threads_mode, render.threads = "FIXED", 1
    render.use_persistent_data = True
    scene.view_settings.view_transform = "Standard"
    layer.use_pass_z = layer.use_pass_normal = layer.use_pass_vector = layer.use_pass_object_index = True
    if engine == "CYCLES":
        cycles = scene.cycles
        cycles.device, cycles.samples, cycles.use_adaptive_sampling = "CPU", samples, False
        cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    else:
        scene.eevee.taa_render_samples = samples


def times(scene: Any, frames: list[int]) -> list[float]:
    """CPU seconds of each frame; a first one does not count."""
    import bpy

    taken = []
    for frame in [frames[0], *frames]:
        started = time.process_time()
        scene.frame_set(frame)
        bpy.ops.render.render(write_still=False)
        taken.append(time.process_time() - started)
    return taken[1:]


def look_at(scene: Any, frame: int, folder: Path) -> None:
    """All passes of one frame: ``blender.png`` and ``blender.npz``."""
    import bpy

    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    layers = tree.nodes.new("CompositorNodeRLayers")
    out = tree.nodes.new("CompositorNodeOutputFile")
    out.base_path, out.format.file_format, out.format.color_depth = str(folder), "OPEN_EXR", "32"
    out.format.color_mode = "RGBA"
    out.file_slots.clear()
    for name in [n for n in PASSES if n in layers.outputs and layers.outputs[n].enabled]:
        out.file_slots.new(name)
        tree.links.new(layers.outputs[name], out.inputs[name])
    scene.frame_set(frame)
    scene.render.filepath = str(folder / "blender.png")
    bpy.ops.render.render(write_still=True)
    arrays = {}
    for name, ours in PASSES.items():
        path = folder / f"{name}{frame:04d}.exr"
        if path.exists():
            image = bpy.data.images.load(str(path))
            image.colorspace_settings.name, image.alpha_mode = "Non-Color", "CHANNEL_PACKED"
            width, height = image.size
            arrays[ours] = np.array(image.pixels[:], np.float32).reshape(height, width, -1)[::-1]
            path.unlink()
    np.savez(folder / "blender.npz", **arrays)


def main() -> None:
    """What the interpreter with bpy runs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scene", type=Path)
    parser.add_argument("--engine", default="CYCLES")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--frames", default="1")
    parser.add_argument("--look", type=Path)
    arguments = parser.parse_args()
    frames = [int(f) for f in arguments.frames.split(",")]
    scene = build(np.load(arguments.scene), arguments.engine, arguments.samples)
    if arguments.look:
        look_at(scene, frames[0], arguments.look)
    import bpy

    seconds = [] if arguments.look else times(scene, frames)
    print(json.dumps({"cpu_s": seconds, "version": bpy.app.version_string}))
    sys.stdout.flush()
    os._exit(0)  # bpy may crash while it cleans up


if __name__ == "__main__":
    main()
