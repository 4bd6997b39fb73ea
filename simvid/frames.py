"""Frame and Frames: what one camera saw, with exact ground truth. CameraPath: where it stood."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.camera_path import CameraPath as CameraPath  # noqa: PLC0414  told to type checkers as a public name

BUFFERS: dict[str, tuple[int, ...]] = {
    "albedo": (3,),
    "roughness": (),
    "metallic": (),
    "light_diffuse": (3,),
    "light_specular": (3,),
    "light_ambient": (3,),
    "light_reflected": (3,),
    "light_emitted": (3,),
    "ambient_occlusion": (),
}
"""Material and light buffers -> the trailing shape of their arrays."""
SURFACES = ("surface_albedo", "surface_normals", "surface_opaque")
"""What the label ``surfaces`` brings."""
LABEL_ARRAYS: dict[str, tuple[str, ...]] = {
    "alpha": ("alpha",),
    "depth": ("depth", "depth_expected"),
    "depth_surface": ("depth_surface",),
    "depth_sensor": ("depth_sensor",),
    "ids": ("ids",),
    "amodal": ("amodal", "ids"),
    "normals": ("normals",),
    "object_coords": ("object_coords",),
    "flow": ("flow_forward", "flow_backward"),
    "scene_flow": ("scene_flow",),
    "occlusion": ("occluded_forward", "occluded_backward"),
    "tracks": ("depth", "ids"),
    "boxes": ("ids",),
    "boxes_3d": (),
    "poses": (),
    "contacts": (),
    **{name: (name, "buffers_valid") for name in BUFFERS},
    "buffers": (*BUFFERS, "buffers_valid"),
    "surfaces": SURFACES,
    "traced": ("traced",),
}
"""What a scene may ask for under ``labels`` -> the arrays of ``Frame`` that it brings."""
LABELS = tuple(LABEL_ARRAYS)
"""Names a scene may ask for under ``labels``."""
BUFFER_LABELS = frozenset({*BUFFERS, "buffers", "surfaces", "traced"})
"""Those that ``all`` does not stand for: they say how a picture was made up, not what is in it."""


def arrays_of(labels: Iterable[str]) -> frozenset[str]:
    """Names of the arrays of ``Frame`` that some labels bring; ``rgb`` is always there."""
    return frozenset(array for label in labels for array in LABEL_ARRAYS[label])


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture and its labels. A label that was not asked for is None.

    Attributes:
        rgb: display-referred sRGB, uint8 [H, W, 3].
        alpha: coverage by splats and ground (1 - sky), float32 [H, W].
        depth: z [m] where transmittance passes 0.5 (median), +inf where it never does, float32 [H, W].
        depth_expected: weighted mean z [m], +inf where alpha < 1/255, float32 [H, W].
        depth_surface: z [m] of the nearest surface under the pixel's centre: visual meshes, colliders of captures, the
            ground; +inf where there is none, float32 [H, W].
        depth_sensor: z [m] as a depth sensor would measure it, with noise; NaN where it measures nothing, float32
            [H, W].
        ids: part id that dominates the pixel, 0 = scenery or alpha < 0.5, int32 [H, W].
        normals: unit, camera frame (facing the camera: z < 0), 0 where ids or depth are invalid, float32 [H, W, 3].
        flow_forward: (u right, v down) [px] from this frame to the next, NaN where undefined, float32 [H, W, 2].
        flow_backward: the same to the previous frame.
        occluded_forward: the surface point seen here is hidden or outside the picture in the next frame, bool [H, W].
        occluded_backward: the same for the previous frame.
        amodal: mask of each instance drawn alone, row k for instance k + 1, bits packed along the width (first pixel in
            the highest bit), uint8 [M, H, ceil(W / 8)]; see ``amodal_mask``.
        object_coords: place of the surface in the box of its part, 0 to 1 along each axis of the part, NaN where
            undefined, float32 [H, W, 3].
        scene_flow: displacement [m] of the surface point to the next frame in the world, along the axes of this
            frame's camera, NaN where undefined, float32 [H, W, 3].
        albedo: base colour times 1 - transmission, linear RGB, float16 [H, W, 3]. Buffers are those of the surface that
            owns the pixel.
        roughness: of the microfacets (Burley 2012), 0 to 1, float16 [H, W].
        metallic: 0 to 1, float16 [H, W].
        light_diffuse: light of suns and lamps on the surface with hard shadows, irradiance over pi times the factor of
            Burley's diffuse for the eye, linear RGB, float16 [H, W, 3]. All light is on the scale of the picture: with
            the renderer's exposure.
        light_specular: radiance that suns and lamps have in the surface's gloss, shadows as above, float16 [H, W, 3].
        light_ambient: light of sky and surroundings on the surface, as light_diffuse, float16 [H, W, 3].
        light_reflected: radiance of sky and surroundings in the surface's gloss, float16 [H, W, 3].
        light_emitted: radiance that no material reflects: the sky, and haze over far ground, float16 [H, W, 3].
        ambient_occlusion: share of the sky's light that reaches the surface, 0 to 1, float16 [H, W].
        buffers_valid: False where buffers do not come from a material: the sky, and captures, whose albedo is their
            colour and whose light_diffuse is 1, bool [H, W].
        surface_albedo: base colour of the meshes and the ground themselves, the mean over the pixel's square, linear;
            of captures their colour; 0 where there is sky, float16 [H, W, 3].
        surface_normals: their normals in the camera's frame, turned to the camera, the mean over the pixel's square,
            shorter than 1 where it holds several; 0 where there is sky, float16 [H, W, 3].
        surface_opaque: share of the pixel's square where this says what is seen: 0 where a mesh lets light through,
            a capture is, or exposure or aperture blur the picture, float16 [H, W].
        traced: the picture again, by a few paths of light per pixel and a denoiser, sRGB uint8 [H, W, 3].
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.float32] | None = None
    depth: NDArray[np.float32] | None = None
    depth_expected: NDArray[np.float32] | None = None
    ids: NDArray[np.int32] | None = None
    normals: NDArray[np.float32] | None = None
    flow_forward: NDArray[np.float32] | None = None
    flow_backward: NDArray[np.float32] | None = None
    occluded_forward: NDArray[np.bool_] | None = None
    occluded_backward: NDArray[np.bool_] | None = None
    depth_surface: NDArray[np.float32] | None = None
    depth_sensor: NDArray[np.float32] | None = None
    amodal: NDArray[np.uint8] | None = None
    object_coords: NDArray[np.float32] | None = None
    scene_flow: NDArray[np.float32] | None = None
    albedo: NDArray[np.float16] | None = None
    roughness: NDArray[np.float16] | None = None
    metallic: NDArray[np.float16] | None = None
    light_diffuse: NDArray[np.float16] | None = None
    light_specular: NDArray[np.float16] | None = None
    light_ambient: NDArray[np.float16] | None = None
    light_reflected: NDArray[np.float16] | None = None
    light_emitted: NDArray[np.float16] | None = None
    ambient_occlusion: NDArray[np.float16] | None = None
    buffers_valid: NDArray[np.bool_] | None = None
    surface_albedo: NDArray[np.float16] | None = None
    surface_normals: NDArray[np.float16] | None = None
    surface_opaque: NDArray[np.float16] | None = None
    traced: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        _check_arrays(self, lead=())

    @property
    def labels(self) -> dict[str, NDArray[np.generic]]:
        """The arrays that are present, rgb left out."""
        return {f.name: a for f in fields(self) if f.name != "rgb" and (a := getattr(self, f.name)) is not None}

    def amodal_mask(self, instance_id: int) -> NDArray[np.bool_]:
        """The pixels that an instance would cover if it were alone, bool [H, W].

        Raises:
            ValueError: the frame has no amodal masks, or there is no such instance.
        """
        if self.amodal is None:
            raise ValueError("amodal_mask: the frame has no amodal masks; ask for the label 'amodal'")
        if not 1 <= instance_id <= len(self.amodal):
            raise ValueError(f"amodal_mask: expected an instance id from 1 to {len(self.amodal)}, got {instance_id}")
        return np.unpackbits(self.amodal[instance_id - 1], axis=-1, count=self.rgb.shape[1]).astype(np.bool_)


@dataclass(frozen=True, eq=False)
class Frames:
    """All frames of one camera; each array as in ``Frame`` with a leading T."""

    camera: CameraPath
    rgb: NDArray[np.uint8]
    alpha: NDArray[np.float32] | None = None
    depth: NDArray[np.float32] | None = None
    depth_expected: NDArray[np.float32] | None = None
    ids: NDArray[np.int32] | None = None
    normals: NDArray[np.float32] | None = None
    flow_forward: NDArray[np.float32] | None = None
    flow_backward: NDArray[np.float32] | None = None
    occluded_forward: NDArray[np.bool_] | None = None
    occluded_backward: NDArray[np.bool_] | None = None
    depth_surface: NDArray[np.float32] | None = None
    depth_sensor: NDArray[np.float32] | None = None
    amodal: NDArray[np.uint8] | None = None
    object_coords: NDArray[np.float32] | None = None
    scene_flow: NDArray[np.float32] | None = None
    albedo: NDArray[np.float16] | None = None
    roughness: NDArray[np.float16] | None = None
    metallic: NDArray[np.float16] | None = None
    light_diffuse: NDArray[np.float16] | None = None
    light_specular: NDArray[np.float16] | None = None
    light_ambient: NDArray[np.float16] | None = None
    light_reflected: NDArray[np.float16] | None = None
    light_emitted: NDArray[np.float16] | None = None
    ambient_occlusion: NDArray[np.float16] | None = None
    buffers_valid: NDArray[np.bool_] | None = None
    surface_albedo: NDArray[np.float16] | None = None
    surface_normals: NDArray[np.float16] | None = None
    surface_opaque: NDArray[np.float16] | None = None
    traced: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        _check_arrays(self, lead=(len(self.rgb),))

    def __len__(self) -> int:
        return len(self.rgb)

    def __getitem__(self, index: int) -> Frame:
        arrays: dict[str, Any] = {
            f.name: None if getattr(self, f.name) is None else getattr(self, f.name)[index] for f in fields(Frame)
        }
        return Frame(**arrays)

    def __repr__(self) -> str:
        present = [f.name for f in fields(Frame) if getattr(self, f.name) is not None]
        return f"Frames(camera={self.camera.name!r}, shape={self.rgb.shape}, arrays={present})"

    def _repr_html_(self) -> str:
        """For notebooks: a strip of pictures, and which arrays there are."""
        from simvid.notebook import frames_html

        return frames_html(self)

    @staticmethod
    def stack(camera: CameraPath, frames: Iterable[Frame]) -> Frames:
        """Collect a stream of frames (which must all carry the same labels)."""
        collected = list(frames)
        if not collected:
            raise ValueError("Frames.stack: no frames")
        arrays: dict[str, Any] = {
            f.name: None if getattr(collected[0], f.name) is None else np.stack([getattr(c, f.name) for c in collected])
            for f in fields(Frame)
        }
        return Frames(camera=camera, **arrays)


_TRAILING: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
    "rgb": ((3,), np.uint8),
    "alpha": ((), np.float32),
    "depth": ((), np.float32),
    "depth_expected": ((), np.float32),
    "ids": ((), np.int32),
    "normals": ((3,), np.float32),
    "flow_forward": ((2,), np.float32),
    "flow_backward": ((2,), np.float32),
    "occluded_forward": ((), np.bool_),
    "occluded_backward": ((), np.bool_),
    "depth_surface": ((), np.float32),
    "depth_sensor": ((), np.float32),
    "object_coords": ((3,), np.float32),
    "scene_flow": ((3,), np.float32),
    **{name: (trail, np.float16) for name, trail in BUFFERS.items()},
    "buffers_valid": ((), np.bool_),
    "traced": ((3,), np.uint8),
    **{name: (() if name == "surface_opaque" else (3,), np.float16) for name in SURFACES},
}


def _check_arrays(value: Frame | Frames, lead: tuple[int, ...]) -> None:
    size = value.rgb.shape[len(lead) : len(lead) + 2]
    packed = value.amodal
    if packed is not None:
        wanted = (*lead, packed.shape[len(lead)], size[0], -(-size[1] // 8))
        if packed.shape != wanted or packed.dtype != np.uint8:
            kind = type(value).__name__
            raise ValueError(f"{kind}.amodal: expected uint8 {wanted}, got {packed.dtype} {packed.shape}")
    for name, (trail, dtype) in _TRAILING.items():
        array = getattr(value, name)
        if array is None:
            continue
        wanted = (*lead, *size, *trail)
        if array.shape != wanted or array.dtype != dtype:
            kind = type(value).__name__
            raise ValueError(f"{kind}.{name}: expected {dtype.__name__} {wanted}, got {array.dtype} {array.shape}")
