"""``python -m simvid.rendering.pathtrace.probe VARIANT``: draws a small picture with what the path tracer uses.

A process of its own, because a libLLVM that does not know the processor ends the process that calls it.
"""

from __future__ import annotations

import sys


def draw(variant: str) -> float:
    """Mean of the picture."""
    import mitsuba as mi
    import numpy as np

    mi.set_variant(variant)
    at = mi.ScalarTransform4f
    sky = mi.Bitmap(np.ones((8, 16, 3), np.float32))
    scene = mi.load_dict({
        "type": "scene",
        "integrator": {"type": "aov", "aovs": "a:albedo,n:sh_normal", "path": {"type": "path", "max_depth": 4}},
        "sensor": {
            "type": "perspective", "fov": 50, "to_world": at().look_at([3, -3, 2], [0, 0, 0], [0, 0, 1]),
            "film": {"type": "hdrfilm", "width": 16, "height": 12, "rfilter": {"type": "box"}},
            "sampler": {"type": "independent", "sample_count": 2},
        },
        "sky": {"type": "envmap", "bitmap": sky},
        "lamp": {"type": "point", "position": [0, 0, 3], "intensity": 1.0},
        "cube": {
            "type": "cube",
            "bsdf": {"type": "twosided", "nested": {"type": "principled", "roughness": 0.3, "metallic": 0.5}},
        },
    })  # fmt: skip
    return float(np.asarray(mi.render(scene, seed=1)).mean())


if __name__ == "__main__":
    sys.exit(0 if 0.01 < draw(sys.argv[1]) < 100 else 1)
