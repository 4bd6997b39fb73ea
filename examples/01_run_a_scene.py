"""A scene from the shelf becomes a clip: one call, one folder."""

import sys
from pathlib import Path

import simvid

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples")
scene = simvid.load_scene("pendulum", {"duration_s": 0.25})
clip = simvid.run(scene, out)

frames = clip.frames("front")
print(clip.path)
print(frames)
assert frames.depth is not None, "the scene asks for depth"
print("nearest thing:", float(frames.depth.min()), "m")
