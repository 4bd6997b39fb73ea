"""Refined pictures one by one, each before the next frame is drawn, under another light than the clip's."""

import sys
from pathlib import Path

import simvid
from simvid.catalogue import entries

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples")
bundled = any(entry.name == "bundled" for entry in entries("refiners"))
name, look = ("bundled", "sunset") if bundled else ("identity", "as_rendered")
clip = simvid.run(simvid.load_scene("pendulum", {"duration_s": 0.25, "cameras.front.resolution_px": [160, 120]}), out)

refiner = simvid.load_refiner(name, clip)
for k, picture in enumerate(refiner.stream(look=look)):
    print(f"frame {k}: {picture.shape}, mean {picture.mean():.1f}")
print(f"{name} reads {', '.join(refiner.reads) or 'nothing but the picture'}; nothing was stored")
