"""``simvid log``: a clip as a recording for the rerun viewer (``.rrd``)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.clips.pictures import Picture
from simvid.errors import MissingExtraError, SimvidError, UsageError
from simvid.frames import CameraPath, Frame
from simvid.lens import parallel
from simvid.rendering.boxes import instance_boxes
from simvid.viewing.content import Content, ShownPart
from simvid.viewing.drawings import CONTACT
from simvid.viewing.pictures import CameraPictures

if TYPE_CHECKING:
    from simvid.viewing.bent import BentLook
    from simvid.viewing.looks import PartLook

Floats: TypeAlias = NDArray[np.float64]
FRAME, TIME = "frame", "time"
"""The two timelines: a count, and seconds of the clip."""
AS_ARRAYS = ("rgb", "depth", "ids")
"""Labels that are logged with their values; the others as pictures in colours."""
JPEG_QUALITY = 85
SPLAT_BYTES = 44
"""Of a Gaussian: place, scales, quaternion and colour."""
BENT_BYTES = 300_000_000
"""Of all Gaussians that deform, all frames together."""


class Recorder:
    """Logs one clip. What stands where:

    - ``world/parts/NAME`` takes the part's pose; ``splats`` and ``box`` hang below it;
    - ``world/deforming/NAME/splats`` are those of a part that deforms, in the world, frame by frame;
    - ``world/cameras/NAME`` is a camera (pose, pinhole); ``rgb`` (PNG), ``depth`` (float32 [m], 0 where there is none),
      ``ids`` (uint16), ``boxes`` and the other labels in colours hang below it;
    - ``world/contacts/points`` and ``world/contacts/impulses``, ``world/particles/NAME``;
    - ``joints/ROBOT/JOINT/WHAT`` and ``contacts/WHAT`` are numbers over time.
    """

    def __init__(self, clip: Clip, path: Path) -> None:
        """Begin a file.

        Raises:
            MissingExtraError: rerun is not installed.
        """
        self._rr = rerun()
        self._clip, self._content = clip, Content(clip)
        frames = np.arange(clip.frame_count)
        self._times = [
            self._rr.TimeColumn(FRAME, sequence=frames), self._rr.TimeColumn(TIME, duration=frames / clip.fps),
        ]  # fmt: skip
        self._stream = self._rr.RecordingStream("simvid", recording_id=f"{clip.name}-{clip.content_hash[:16]}")
        self._stream.save(str(path))

    def record(self, most: int) -> str:
        """Log everything, with at most so many Gaussians; why there are none, empty if there are."""
        self._log_world()
        self._log_parts()
        self._log_particles()
        self._log_contacts()
        self._log_joints()
        for name, camera in self._content.cameras.items():
            self._log_camera(name, camera)
        trouble = self._log_splats(most)
        self._send_blueprint(particles=bool(trouble))
        self._stream.flush()
        self._stream.disconnect()
        return trouble

    def _static(self, path: str, *what: Any) -> None:
        self._stream.log(path, *what, static=True)

    def _columns(self, path: str, columns: Any) -> None:
        self._stream.send_columns(path, indexes=self._times, columns=columns)

    def _at(self, frame: int) -> None:
        self._stream.reset_time()
        self._stream.set_time(FRAME, sequence=frame)
        self._stream.set_time(TIME, duration=frame / self._clip.fps)

    def _log_world(self) -> None:
        rr, content = self._rr, self._content
        self._static("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP)
        colors = content.colors.tolist()
        table = [(0, "scenery", colors[0]), *((part.id, part.name, part.color.tolist()) for part in content.parts)]
        self._static("/", rr.AnnotationContext(table))
        about = f"# {self._clip.name}\n{self._clip.record.description}\n\n`{self._clip.content_hash}`"
        self._static("about", rr.TextDocument(about, media_type="text/markdown"))

    def _log_parts(self) -> None:
        rr = self._rr
        for part in self._content.parts:
            path = part_path(part.name)
            poses = self._content.trajectory.poses[:, part.id - 1]
            turned = poses[:, [4, 5, 6, 3]]  # rerun wants x, y, z, w
            if part.moves:
                self._columns(path, rr.Transform3D.columns(translation=poses[:, :3], quaternion=turned))
            else:
                self._static(path, rr.Transform3D(translation=poses[0, :3], quaternion=turned[0]))
            if part.box_m is not None and part.kind != "ground":
                self._log_box(f"{path}/box", part)

    def _log_box(self, path: str, part: ShownPart) -> None:
        """Once; that of what deforms frame by frame."""
        rr, boxes = self._rr, self._content.boxes_at(part)
        centers, half_sizes = boxes.mean(axis=1), (boxes[:, 1] - boxes[:, 0]) / 2
        about = {"class_ids": [part.id], "labels": [part.name], "show_labels": False}
        if part.id in self._content.deforming:
            self._static(path, rr.Boxes3D.from_fields(**about))
            self._columns(path, rr.Boxes3D.columns(centers=centers, half_sizes=half_sizes))
        else:
            self._static(path, rr.Boxes3D(centers=centers[:1], half_sizes=half_sizes[:1], **about))

    def _log_splats(self, most: int) -> str:
        from simvid.viewing.bent import BentLooks
        from simvid.viewing.looks import covered, looks_of

        try:
            assets, look = covered(self._clip, most)
        except SimvidError as error:
            return str(error)
        names = {part.id: part.name for part in self._content.parts}
        bent = BentLooks(self._clip, assets, look, self._most_bent())
        for rigid in looks_of(self._clip, look):
            if rigid.id not in bent.ids:
                self._static(f"{part_path(names[rigid.id])}/splats", self._splats(rigid))
        for frame in range(self._clip.frame_count if bent.ids else 0):
            self._at(frame)
            for one in bent.at(frame):
                self._stream.log(f"{bent_path(names[one.id])}/splats", self._splats(one))
        return ""

    def _most_bent(self) -> int:
        """Gaussians of a body that deforms: as many as the viewer shows, fewer where the file would grow too large."""
        from simvid.viewing.bent import MOST_BENT

        bodies, frames = len(self._content.trajectory.particles), self._clip.frame_count
        return min(MOST_BENT, BENT_BYTES // (SPLAT_BYTES * max(bodies, 1) * frames) + 1)

    def _splats(self, look: PartLook | BentLook) -> Any:
        alpha = np.rint(look.opacities * 255).astype(np.uint8)
        return self._rr.GaussianSplats3D(
            look.means, scales=look.scales, quaternions=look.quats[:, [1, 2, 3, 0]],
            colors=np.concatenate([look.colors, alpha[:, None]], axis=1),
        )  # fmt: skip

    def _log_particles(self) -> None:
        for motion in self._content.trajectory.particles:
            for frame, points in enumerate(motion.positions):
                self._at(frame)
                radius = 0.003 * self._content.size_m
                self._stream.log(f"world/particles/{_escaped(motion.name)}", self._rr.Points3D(points, radii=radius))

    def _log_contacts(self) -> None:
        rr, size = self._rr, self._content.size_m
        counts, totals = np.zeros(self._clip.frame_count), np.zeros(self._clip.frame_count)
        for frame in range(self._clip.frame_count):
            contacts = self._content.contacts(frame)
            counts[frame], totals[frame] = len(contacts.points), contacts.impulse_n_s.sum()
            self._at(frame)
            points = rr.Points3D(contacts.points, radii=0.004 * size, colors=CONTACT)
            starts, ends = contacts.arrows[:, 0], contacts.arrows[:, 1]
            arrows = rr.Arrows3D(origins=starts, vectors=ends - starts, radii=0.003 * size, colors=CONTACT)
            self._stream.log("world/contacts/points", points)
            self._stream.log("world/contacts/impulses", arrows)
        self._columns("contacts/count", rr.Scalars.columns(scalars=counts))
        self._columns("contacts/impulse_n_s", rr.Scalars.columns(scalars=totals))

    def _log_joints(self) -> None:
        for robot in self._content.trajectory.robots:
            for k, joint in enumerate(robot.joint_names):
                for what in ("positions", "targets", "velocities", "efforts"):
                    path = f"joints/{_escaped(robot.name)}/{_escaped(joint)}/{what}"
                    self._columns(path, self._rr.Scalars.columns(scalars=getattr(robot, what)[:, k]))

    def _log_camera(self, name: str, camera: CameraPath) -> None:
        rr, path = self._rr, camera_path(name)
        poses = camera.world_from_camera
        columns = rr.Transform3D.columns(translation=poses[:, :3, 3], mat3x3=poses[:, :3, :3])
        self._columns(path, columns)
        if not parallel(camera):
            pinhole = rr.Pinhole(
                image_from_camera=camera.K, resolution=[camera.width, camera.height], camera_xyz=rr.ViewCoordinates.RDF,
                image_plane_distance=0.1 * self._content.size_m,
            )  # fmt: skip
            self._static(path, pinhole)
        pictures = CameraPictures(self._content, name)
        labels = [label for label in pictures.colored if label not in AS_ARRAYS]
        for index, frame in enumerate(self._clip.stream(name)):
            self._at(index)
            self._log_frame(path, frame, index)
            for label in labels:
                self._picture(f"{path}/{label}", pictures.picture(label, index), "jpeg")

    def _log_frame(self, path: str, frame: Frame, index: int) -> None:
        rr = self._rr
        self._picture(f"{path}/rgb", frame.rgb, "png")
        if frame.depth is not None:
            depth = np.where(np.isfinite(frame.depth), frame.depth, np.float32(0))
            self._stream.log(f"{path}/depth", rr.DepthImage(depth, meter=1.0))
        if frame.ids is not None:
            self._stream.log(f"{path}/ids", rr.SegmentationImage(frame.ids.astype(np.uint16)))
            table = instance_boxes(frame.ids, index, self._content.trajectory)
            parts = self._content.trajectory.parts
            names = {part.instance_id: part.instance for part in parts if part.kind != "ground"}
            seen = np.isin(table.id, list(names))
            labels = [names[int(k)] for k in table.id[seen]]
            boxes = rr.Boxes2D(array=table.box_px[seen], array_format=rr.Box2DFormat.XYXY, labels=labels)
            self._stream.log(f"{path}/boxes", boxes)

    def _picture(self, path: str, picture: Picture, kind: str) -> None:
        from PIL import Image

        data, image = io.BytesIO(), Image.fromarray(picture)
        if kind == "png":
            image.save(data, "PNG", compress_level=1)
        else:
            image.save(data, "JPEG", quality=JPEG_QUALITY)
        self._stream.log(path, self._rr.EncodedImage(contents=data.getvalue(), media_type=f"image/{kind}"))

    def _send_blueprint(self, particles: bool) -> None:
        """Which views there are; ``particles`` are shown at first, or can be turned on."""
        import rerun.blueprint as rrb

        cameras: list[Any] = [
            rrb.Spatial2DView(origin=camera_path(name), name=name, contents=["$origin/rgb", "$origin/boxes"])
            for name in self._content.cameras
        ]
        charts: list[Any] = [rrb.TimeSeriesView(origin="contacts", name="contacts")]
        charts += [
            rrb.TimeSeriesView(
                origin=f"joints/{_escaped(robot.name)}", name=f"{robot.name}: joint positions",
                contents=[f"$origin/{_escaped(joint)}/positions" for joint in robot.joint_names],
            )
            for robot in self._content.trajectory.robots
        ]  # fmt: skip
        right = rrb.Vertical(*cameras, *charts)
        contents = ["+ $origin/**"]
        for name, camera in self._content.cameras.items():  # pictures in space, but no clouds made from depth
            path = f"/{camera_path(name)}"
            contents += [f"- {path}/**", *([] if parallel(camera) else [f"+ {path}", f"+ {path}/rgb"])]
        shown: dict[Any, Any] = {"world/particles": rrb.EntityBehavior(visible=particles)}
        world = rrb.Spatial3DView(origin="world", name="world", contents=contents, overrides=shown)
        layout = rrb.Horizontal(world, right, column_shares=[3, 2])
        self._stream.send_blueprint(rrb.Blueprint(layout))


def write_recording(clip: Clip, path: Path, most: int) -> str:
    """Write a clip as a rerun recording; it appears when it is whole.

    Args:
        clip: to log.
        path: of the ``.rrd`` file.
        most: Gaussians at most.

    Returns:
        Why there are no splats in it (the scene's meshes cannot be read); empty if there are.

    Raises:
        MissingExtraError: rerun is not installed.
        SimvidError: the path does not end in .rrd, or its folder is not there.
    """
    if path.suffix != ".rrd":
        raise UsageError(f"--output: expected a file that ends in .rrd, got {path}")
    if not path.parent.is_dir():
        raise UsageError(f"--output: no folder {path.parent}; make it first")
    unfinished = path.with_name(f".{path.stem}.unfinished.rrd")
    try:
        trouble = Recorder(clip, unfinished).record(most)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return trouble


def part_path(name: str) -> str:
    """Where a part stands in the recording; links of robots below their robot."""
    return "/".join(["world", "parts", *(_escaped(piece) for piece in name.split("/"))])


def bent_path(name: str) -> str:
    """Where the splats of a part that deforms stand in the recording."""
    return f"world/deforming/{_escaped(name)}"


def camera_path(name: str) -> str:
    """Where a camera stands in the recording."""
    return f"world/cameras/{_escaped(name)}"


def _escaped(name: str) -> str:
    return str(rerun().escape_entity_path_part(name))


def rerun() -> Any:
    """The package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import rerun as rr
    except ImportError as error:
        raise MissingExtraError("rerun-sdk", "view", "simvid log") from error
    return rr
