"""Rival: what a viewer in a browser does. Instanced quads, back to front, blended by OpenGL on Mesa's llvmpipe.

The Gaussians are projected by ``rivals_numba``'s compiled loop, once each, and sorted by depth; each becomes a quad
along its ellipse's axes; the target has 16-bit floats. llvmpipe draws with one thread. Projection, sorting, upload,
drawing and reading back are all in the time. Needs moderngl and Mesa's EGL (Debian: libegl1, libgl1-mesa-dri).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import rivals_numba
from benchmarks_table import NotHereError, package
from numpy.typing import NDArray

NAME = "instanced quads (llvmpipe)"
LEAST_DB = 45.0
"""16-bit floats; and the splats behind a full pixel are drawn."""
TARGET = 8.0
F = np.float32

VERTEX = """
#version 330
uniform vec2 size;
in vec2 place; in vec3 conic; in float opacity; in vec3 colour;
out vec2 at; flat out vec4 paint;
void main() {
    float det = conic.x * conic.z - conic.y * conic.y;
    float a = conic.z / det, b = -conic.y / det, c = conic.x / det;
    float mid = 0.5 * (a + c), far = sqrt(max(mid * mid - (a * c - b * b), 0.0));
    float most = mid + far, least = max(mid - far, 0.0);
    vec2 axis = abs(b) > 1e-12 ? normalize(vec2(b, most - a)) : (a >= c ? vec2(1, 0) : vec2(0, 1));
    float reach = min(3.33, sqrt(2.0 * log(opacity * 255.0)));
    vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0;
    at = corner * reach;
    vec2 pixel = place + at.x * sqrt(most) * axis + at.y * sqrt(least) * vec2(-axis.y, axis.x);
    gl_Position = vec4(pixel / size * 2.0 - 1.0, 0.0, 1.0);
    paint = vec4(colour, opacity);
}
"""
FRAGMENT = """
#version 330
in vec2 at; flat in vec4 paint; out vec4 result;
void main() {
    float alpha = min(0.999, paint.a * exp(-0.5 * dot(at, at)));
    if (alpha < 1.0 / 255.0) discard;
    result = vec4(paint.rgb * alpha, alpha);
}
"""


def context() -> Any:
    """An OpenGL context without a display, drawn by llvmpipe with one thread.

    Raises:
        NotHereError: no moderngl, or no EGL.
    """
    os.environ.update(
        LP_NUM_THREADS="0", LIBGL_ALWAYS_SOFTWARE="1", EGL_PLATFORM="surfaceless", GALLIUM_DRIVER="llvmpipe"
    )
    moderngl = package("moderngl", "moderngl==5.13.0")
    try:
        made = moderngl.create_context(standalone=True, backend="egl")
    except Exception as error:  # glcontext raises plain exceptions
        raise NotHereError(
            f"{NAME}: skipped, no EGL ({error}); on Debian: apt-get install libegl1 libgl1-mesa-dri"
        ) from error
    if "llvmpipe" not in made.info["GL_RENDERER"]:
        raise NotHereError(f"{NAME}: skipped, OpenGL here is {made.info['GL_RENDERER']}, not llvmpipe")
    return made


def prepare(scene: dict[str, Any], view: dict[str, Any]) -> Callable[[], NDArray[np.float32]]:
    """A call that draws one frame [H, W, 3].

    Raises:
        NotHereError: no moderngl, or no EGL.
    """
    gl = context()
    n, width, height = len(scene["means"]), view["width"], view["height"]
    program = gl.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
    program["size"].value = (width, height)
    records = gl.buffer(reserve=n * 40, dynamic=True)
    names = ("place", "conic", "opacity", "colour")
    quads = gl.vertex_array(program, [(records, "2f 3f 1f 3f 4x/i", *names)])
    target = gl.framebuffer([gl.texture((width, height), 4, dtype="f2")])
    gl.enable(gl.BLEND)
    gl.blend_func = gl.ONE, gl.ONE_MINUS_SRC_ALPHA
    splats, boxes = np.empty((n, 10), F), np.empty((n, 4), np.int32)
    K, matrix = view["K"], view["viewmat"].astype(F)
    lens = tuple(F(v) for v in (K[0, 0], K[1, 1], K[0, 2], K[1, 2]))
    cloud = [scene[name] for name in ("means", "quats", "scales", "opacities", "sh")]

    def draw() -> NDArray[np.float32]:
        rivals_numba.project(matrix, lens, (width, height), *cloud, splats, boxes)
        seen = np.flatnonzero(boxes[:, 1] > boxes[:, 0])
        records.write(splats[seen[np.argsort(-splats[seen, 9], kind="stable")]].tobytes())
        target.use()
        gl.clear()
        quads.render(gl.TRIANGLE_STRIP, vertices=4, instances=len(seen))
        pixels = np.frombuffer(target.read(components=4, dtype="f2"), np.float16)
        return pixels.reshape(height, width, 4)[..., :3]

    return draw
