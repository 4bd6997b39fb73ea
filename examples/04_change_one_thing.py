"""Overrides, and stages that did not change are not run again: the second clip reuses the physics of the first."""

import sys
from pathlib import Path

import simvid

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples")
short = {"duration_s": 0.25}
wide = simvid.run(simvid.load_scene("pendulum", short), out)
close = simvid.run(simvid.load_scene("pendulum", {**short, "cameras.front.fov_y_deg": 25}), out)

print(wide.path.name, close.path.name)
print("same physics:", wide.trajectory.poses.tobytes() == close.trajectory.poses.tobytes())
