"""Everything that YAML can say, Python can build with the same classes; the classes check themselves."""

import sys
from pathlib import Path

import simvid
from simvid.scene import Body, Box, Camera, CameraPose, Ground, Look, Material, Pose, Scene, Shape

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples")
oak = Material(density_kg_m3=700, friction=0.5, look=Look(texture="wood", base_color=(0.6, 0.42, 0.25)))
scene = Scene(
    simvid=1,
    name="tilted_boxes",
    duration_s=0.25,
    ground=Ground(),
    bodies=tuple(
        Body(
            name=f"box_{k}",
            shape=Shape(box=Box(size_m=(0.1, 0.1, 0.1))),
            material=oak,
            pose=Pose(position_m=(0.15 * k, 0, 0.2), rotation_deg=(0, 15.0 * k, 0)),
        )
        for k in range(4)
    ),
    cameras=(
        Camera(
            name="front",
            resolution_px=(160, 120),
            pose=CameraPose(look_from_m=(0.2, -1.0, 0.5), look_at_m=(0.2, 0, 0.1)),
        ),
    ),
)
clip = simvid.run(scene, out)
print(clip.path)
