"""What each label holds: depth in metres, ids of parts, flow in pixels, the contact table."""

import sys
from pathlib import Path

import numpy as np

import simvid
from simvid.trajectory import EVENTS

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples")
clip = simvid.run(simvid.load_scene("falling_stack", {"duration_s": 0.5}), out)
frames = clip.frames("front")
trajectory = clip.trajectory
assert frames.ids is not None
assert frames.depth is not None
assert frames.flow_forward is not None

for part_id, part in enumerate(trajectory.parts, start=1):
    seen = frames.ids[0] == part_id
    if seen.any():
        print(f"{part.name:10s} id {part_id:2d}: {seen.sum():5d} px, {np.median(frames.depth[0][seen]):.2f} m away")

speed = np.linalg.norm(frames.flow_forward[5], axis=-1)
print(f"fastest pixel of frame 5 moves {np.nanmax(speed):.1f} px to frame 6")

contacts = trajectory.contacts
for row in np.flatnonzero(contacts.event == EVENTS.index("begin"))[:5]:
    a, b = (trajectory.parts[i[row] - 1].name for i in (contacts.id_a, contacts.id_b))
    print(f"{contacts.time_s[row]:.3f} s: {a} touches {b}")
