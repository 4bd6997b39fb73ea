"""The 3-D half of the viewer: splats, boxes, cameras, contacts and paths as nodes of a viser scene."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.frames import CameraPath
from simvid.lens import fov_y_rad, parallel
from simvid.rotations import quat_from_matrix
from simvid.viewing.content import Content, ShownPart, box_corners, box_segments
from simvid.viewing.looks import PartLook

if TYPE_CHECKING:
    import viser

    from simvid.clips.pictures import Picture
    from simvid.viewing.bent import BentLook

Floats: TypeAlias = NDArray[np.float64]
LAYERS = ("splats", "boxes", "names", "cameras", "contacts", "paths", "particles", "ground")
"""What can be shown and hidden, in the order of the panel."""
SHOWN_AT_FIRST = {"splats": True, "boxes": False, "names": False, "cameras": True, "contacts": True, "paths": False,
                  "particles": False, "ground": True}  # fmt: skip
CONTACT_COLOR, PICKED_COLOR = (255, 64, 160), (255, 255, 255)
PICKED_GROWN = 0.01
"""How far the box around what is picked stands off, in its sizes."""
ASIDE = 0.25
"""How far the scene starts left of the middle, where the panel does not hide it, in sizes of the scene."""
NEAREST, FARTHEST = 1.7, 4.0
"""Distance of the eye from the middle at the start, in sizes of the scene."""
FRUSTUM_COLOR = (240, 190, 60)
FACES = np.array(
    [
        [0, 2, 3], [0, 3, 1], [4, 5, 7], [4, 7, 6], [0, 1, 5], [0, 5, 4],
        [2, 6, 7], [2, 7, 3], [0, 4, 6], [0, 6, 2], [1, 3, 7], [1, 7, 5],
    ]
)  # fmt: skip
"""Triangles of a box over the corners of ``box_corners``."""


class Stage:
    """Nodes of one viser scene. Only one thread may call it.

    Every part is a frame ``/parts/ID`` that takes its pose; what belongs to the part hangs below it. What deforms has
    its Gaussians and particles below ``/bent/ID``, in the world.
    """

    def __init__(self, server: viser.ViserServer, content: Content) -> None:
        self._scene, self._content = server.scene, content
        self._nodes: dict[str, list[Any]] = {name: [] for name in LAYERS}
        self._visible = dict(SHOWN_AT_FIRST)
        self._frame = 0
        self._boxes: dict[int, Any] = {}
        self._picked: tuple[ShownPart, Any] | None = None
        self._points: list[Any] = []
        self._bent: dict[int, tuple[Any, float]] = {}
        self._place_camera(server)
        self._parts = [self._scene.add_frame(f"/parts/{part.id}", show_axes=False) for part in content.parts]
        self._worlds = {
            m.part + 1: self._scene.add_frame(f"/bent/{m.part + 1}", show_axes=False)
            for m in content.trajectory.particles
        }
        self._add_boxes()
        self._add_paths()
        self._add_contacts()
        self._add_particles()
        self._add_cameras()

    def add_looks(self, looks: Iterable[PartLook]) -> None:
        """Hang Gaussians below their parts."""
        for look in looks:
            # viser keeps covariances as half floats, so they are given in units of the usual Gaussian
            unit = float(np.median(look.scales))
            node = self._scene.add_gaussian_splats(
                f"/parts/{look.id}/splats", look.means / unit, look.covariances() / unit**2, look.colors / 255,
                look.opacities[:, None], scale=unit, visible=self._visible["splats"],
            )  # fmt: skip
            self._nodes["splats"].append(node)

    def show_bent(self, looks: Iterable[BentLook]) -> None:
        """Put Gaussians of parts that deform where they are now; those of parts that are not given stay."""
        for look in looks:
            if look.id not in self._bent:
                unit = float(np.sqrt(np.median(np.trace(look.covariances(), axis1=1, axis2=2) / 3)))
                node = self._scene.add_gaussian_splats(
                    f"/bent/{look.id}/splats", *_in_units(look, unit), scale=unit, visible=self._visible["splats"]
                )
                self._bent[look.id] = node, unit
                self._nodes["splats"].append(node)
            else:
                node, unit = self._bent[look.id]
                node.set_gaussians(*_in_units(look, unit))

    def add_solid_boxes(self) -> None:
        """Boxes instead of Gaussians, for clips whose meshes are no longer there."""
        for part in self._content.boxed:
            assert part.box_m is not None, "it has a box"
            corners = box_corners(part.box_m).astype(np.float32)
            node = self._scene.add_mesh_simple(
                f"/parts/{part.id}/solid", corners, FACES.astype(np.uint32), color=_rgb(part.color), flat_shading=True,
                visible=self._visible["splats"],
            )  # fmt: skip
            self._nodes["splats"].append(node)

    def add_sky(self, color: tuple[int, int, int]) -> None:
        """What is behind everything."""
        self._scene.set_background_image(np.full((8, 8, 3), color, np.uint8), format="png")

    def add_ground(self, color: tuple[int, int, int]) -> None:
        """A plane with lines a tenth of the scene (a round length) apart."""
        ground = next((part for part in self._content.parts if part.kind == "ground"), None)
        if ground is None:
            return
        cell = 10.0 ** np.floor(np.log10(self._content.size_m)) / 2
        position = self._content.trajectory.poses[0, ground.id - 1, :3]
        line = (int(0.82 * color[0]), int(0.82 * color[1]), int(0.82 * color[2]))
        node = self._scene.add_grid(
            "/ground", infinite_grid=True, cell_size=cell, section_size=2 * cell, cell_color=line, section_color=line,
            plane_color=color, plane_opacity=1.0, fade_distance=30 * self._content.size_m, position=position,
            visible=self._visible["ground"],
        )  # fmt: skip
        self._nodes["ground"].append(node)

    def show(self, frame: int) -> None:
        """Move everything to a frame; pictures come by ``show_picture``."""
        self._frame = frame
        poses = self._content.trajectory.poses[frame]
        for node, pose in zip(self._parts, poses, strict=True):
            node.position, node.wxyz = pose[:3], pose[3:]
        for name, node in self._frustums.items():
            _place(node, self._content.cameras[name].world_from_camera[frame])
        contacts = self._content.contacts(frame)
        marks: tuple[tuple[Any, Floats], ...] = ((self._marks, contacts.points), (self._arrows, contacts.arrows))
        for mark, points in marks:
            mark.visible = bool(len(points)) and self._visible["contacts"]
            if len(points):
                mark.points = points.astype(np.float32)
        for cloud, motion in zip(self._points, self._content.trajectory.particles, strict=True):
            cloud.points = motion.positions[frame]
        for part in self._content.boxed:
            if part.id in self._content.deforming:
                self._boxes[part.id].points = self._edges(part)
        if self._picked is not None and self._picked[0].id in self._content.deforming:
            self._picked[1].points = self._edges(self._picked[0], PICKED_GROWN)

    def show_picture(self, camera: str, picture: Picture) -> None:
        """Put a picture on the far side of a camera's frustum."""
        step = max(1, picture.shape[1] // 320)
        self._frustums[camera].image = np.ascontiguousarray(picture[::step, ::step])

    def set_visible(self, layer: str, visible: bool) -> None:
        """Show or hide one of ``LAYERS``."""
        self._visible[layer] = visible
        for node in self._nodes[layer]:
            node.visible = visible

    def hide(self, ids: Set[int]) -> None:
        """Show all parts but these."""
        for part, node in zip(self._content.parts, self._parts, strict=True):
            node.visible = part.id not in ids
        for id_, node in self._worlds.items():
            node.visible = id_ not in ids

    def pick(self, part: ShownPart | None) -> None:
        """Put a white box around one part."""
        if self._picked is not None:
            self._picked[1].remove()
            self._picked = None
        if part is not None and part.box_m is not None:
            lines = self._scene.add_line_segments(
                f"/parts/{part.id}/picked", self._edges(part, PICKED_GROWN), PICKED_COLOR, thickness=2.5,
                thickness_units="screen",
            )  # fmt: skip
            self._picked = part, lines

    def _edges(self, part: ShownPart, grown: float = 0.0) -> NDArray[np.float32]:
        """Edges of a part's box at this frame in its own frame, [12, 2, 3]; wider on each side by a share of itself."""
        box = self._content.boxes_at(part)[self._frame]
        return box_segments(box + np.array([[-grown], [grown]]) * np.ptp(box, axis=0)).astype(np.float32)

    def on_camera_click(self, call: Any) -> None:
        """Call ``call(client, camera name)`` when a frustum is clicked."""
        for name, node in self._frustums.items():
            node.on_click(lambda event, name=name: call(event.client, name))

    def _add_boxes(self) -> None:
        for part in self._content.boxed:
            assert part.box_m is not None, "it has a box"
            lines = self._scene.add_line_segments(
                f"/parts/{part.id}/box", self._edges(part), _rgb(part.color), thickness=1.5,
                thickness_units="screen", visible=self._visible["boxes"],
            )  # fmt: skip
            top = np.array([*part.box_m.mean(axis=0)[:2], part.box_m[1, 2]])
            text = self._scene.add_label(
                f"/parts/{part.id}/name", f"{part.id} {part.name}", position=top, visible=self._visible["names"],
                anchor="bottom-center", font_screen_scale=0.8,
            )  # fmt: skip
            self._boxes[part.id] = lines
            self._nodes["boxes"].append(lines)
            self._nodes["names"].append(text)

    def _add_paths(self) -> None:
        segments, colors = self._content.paths()
        if len(segments):
            ends = np.repeat(colors[:, None], 2, axis=1)
            node = self._scene.add_line_segments(
                "/paths", segments.astype(np.float32), ends, thickness=2.0, thickness_units="screen",
                visible=self._visible["paths"],
            )  # fmt: skip
            self._nodes["paths"].append(node)

    def _add_contacts(self) -> None:
        size = self._content.size_m
        nowhere = np.array([[[0, 0, 0], [0, 0, 1]]], np.float32)
        self._marks = self._scene.add_point_cloud(
            "/contacts/points", nowhere[0], CONTACT_COLOR, point_size=0.012 * size, point_shape="circle",
            precision="float32", visible=False,
        )  # fmt: skip
        self._arrows = self._scene.add_arrows(
            "/contacts/impulses", nowhere, CONTACT_COLOR, shaft_radius=0.004 * size, head_radius=0.01 * size,
            head_length=0.025 * size, visible=False,
        )  # fmt: skip
        self._nodes["contacts"] += [self._marks, self._arrows]

    def _add_particles(self) -> None:
        for motion in self._content.trajectory.particles:
            node = self._scene.add_point_cloud(
                f"/bent/{motion.part + 1}/particles", motion.positions[0], (150, 200, 255),
                point_size=0.006 * self._content.size_m, precision="float32", visible=self._visible["particles"],
            )  # fmt: skip
            self._points.append(node)
            self._nodes["particles"].append(node)

    def _add_cameras(self) -> None:
        self._frustums: dict[str, Any] = {}
        for name, camera in self._content.cameras.items():
            fov = shown_fov_rad(camera)
            node = self._scene.add_camera_frustum(
                f"/cameras/{name}", fov, camera.width / camera.height, scale=0.08 * self._content.size_m,
                color=FRUSTUM_COLOR, thickness=1.5, thickness_units="screen", format="jpeg", jpeg_quality=80,
                cast_shadow=False, receive_shadow=False, visible=self._visible["cameras"],
            )  # fmt: skip
            self._frustums[name] = node
            self._nodes["cameras"].append(node)

    def _place_camera(self, server: viser.ViserServer) -> None:
        """Start behind and beside the first camera, looking at the middle of the scene."""
        low, high = self._content.bounds_m
        middle, size = (low + high) / 2, self._content.size_m
        cameras = list(self._content.cameras.values())
        way = cameras[0].world_from_camera[0, :3, 3] - middle if cameras else np.array([1.0, -1.2, 0.8])
        far = float(np.clip(1.5 * np.linalg.norm(way), NEAREST * size, FARTHEST * size)) if cameras else NEAREST * size
        way = way / max(float(np.linalg.norm(way)), 1e-9)
        side = np.array([-way[1], way[0], 0.0])
        way = way + 0.25 * side + np.array([0.0, 0.0, 0.15])
        aside = np.array([-way[1], way[0], 0.0]) * (ASIDE / max(float(np.hypot(way[0], way[1])), 1e-9))
        start = server.initial_camera
        start.look_at = middle + size * aside
        start.position = start.look_at + far * way / float(np.linalg.norm(way))
        start.near, start.far = 0.01 * size, 1000 * size
        start.fov = float(np.radians(50))


def shown_fov_rad(camera: CameraPath) -> float:
    """Vertical angle of a pinhole frustum that stands for a camera [rad]: 5 degrees for parallel rays, 120 at most."""
    return float(np.clip(0.0 if parallel(camera) else fov_y_rad(camera), np.radians(5), np.radians(120)))


def _in_units(look: BentLook, unit: float) -> tuple[NDArray[Any], ...]:
    """Centres, covariances, colours and opacities as viser takes them; lengths in units (see ``add_looks``)."""
    return look.means / unit, look.covariances() / unit**2, look.colors, look.opacities[:, None]


def _place(node: Any, pose: Floats) -> None:
    node.position, node.wxyz = pose[:3, 3], quat_from_matrix(pose[:3, :3])


def _rgb(color: Picture) -> tuple[int, int, int]:
    return int(color[0]), int(color[1]), int(color[2])
