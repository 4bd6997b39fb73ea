"""Foxglove's messages, made of what a clip holds; and the channels of an MCAP file that they go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.clips.video import frame_rate
from simvid.errors import ClipError
from simvid.frames import CameraPath
from simvid.rotations import pose_vector
from simvid.trajectory import Trajectory

KEY_FRAMES = 12
ARROW_M_PER_N_S = 0.2
"""Length of an arrow per impulse."""
WORLD = "world"
"""Frame that all others stand in."""
OF_PARTS = frozenset({"poses", "boxes_3d"})
"""Labels with which every part is a frame."""
DISTORTION = {"pinhole": ("plumb_bob", "rational_polynomial"), "fisheye": ("kannala_brandt", "kannala_brandt")}


def time_ns(frame: int, fps: float) -> int:
    """Time of a frame [ns]."""
    return round(frame * 1_000_000_000 / Fraction(fps))


class Channels:
    """Registers a schema per kind of message and a channel per topic, when they are first used."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}

    def send(self, topic: str, at_ns: int, message: Any, sequence: int) -> None:
        """Write one message."""
        from mcap_protobuf.schema import register_schema

        kind = type(message)
        name = kind.DESCRIPTOR.full_name
        if name not in self._schemas:
            self._schemas[name] = register_schema(self._writer, kind)
        if topic not in self._channels:
            self._channels[topic] = self._writer.register_channel(topic, "protobuf", self._schemas[name])
        data = message.SerializeToString(deterministic=True)
        self._writer.add_message(self._channels[topic], at_ns, data, at_ns, sequence)


class VideoEncoder:
    """H.264 packets, one per picture, in Annex B, each key frame with its parameter sets."""

    def __init__(self, width: int, height: int, fps: float, crf: int) -> None:
        import av

        self._context: Any = av.CodecContext.create("libx264", "w")
        self._context.width, self._context.height, self._context.pix_fmt = width, height, "yuv420p"
        self._context.framerate, self._context.time_base = frame_rate(fps), 1 / frame_rate(fps)
        self._context.max_b_frames, self._context.gop_size, self._context.thread_count = 0, KEY_FRAMES, 1
        self._context.options = {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency",
                                 "x264-params": "repeat-headers=1:annexb=1"}  # fmt: skip
        self._count = 0

    def encode(self, rgb: NDArray[np.uint8]) -> bytes:
        """The packet of a picture.

        Raises:
            ClipError: the encoder held it back.
        """
        import av
        from av.video.reformatter import Colorspace

        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        yuv = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, threads=1)
        yuv.pts = self._count
        self._count += 1
        packets = self._context.encode(yuv)
        if len(packets) != 1:
            raise ClipError(f"the H.264 encoder gave {len(packets)} packets for a picture; expected 1")
        return bytes(packets[0])


def _stamp(message: Any, at_ns: int) -> None:
    message.timestamp.FromNanoseconds(at_ns)


def video(data: bytes, frame_id: str, at_ns: int) -> Any:
    """CompressedVideo."""
    from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo

    message = CompressedVideo(data=data, format="h264", frame_id=frame_id)
    _stamp(message, at_ns)
    return message


def raw_image(values: NDArray[Any], encoding: str, frame_id: str, at_ns: int) -> Any:
    """RawImage of one channel, little-endian."""
    from foxglove_schemas_protobuf.RawImage_pb2 import RawImage

    height, width = values.shape
    plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    message = RawImage(data=plain.tobytes(), width=width, height=height, encoding=encoding, frame_id=frame_id,
                       step=width * plain.dtype.itemsize)  # fmt: skip
    _stamp(message, at_ns)
    return message


def calibration(camera: CameraPath, at_ns: int) -> Any:
    """CameraCalibration; pixel centres at whole numbers, as OpenCV has them."""
    from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration

    from simvid.export.cameras import integer_centers

    lens = camera.lens
    if lens.kind not in DISTORTION:
        raise ClipError(f"camera {camera.name!r}: Foxglove has no {lens.kind} lens; webdataset and hdf5 hold it")
    K = integer_centers(camera.K)
    model = DISTORTION[lens.kind][any(lens.distortion[5:])]
    values = lens.coefficients if model != "plumb_bob" else lens.coefficients[:5]
    message = CameraCalibration(
        width=camera.width, height=camera.height, frame_id=camera.name, distortion_model=model, D=list(values),
        K=K.reshape(-1).tolist(), R=np.eye(3).reshape(-1).tolist(),
        P=np.hstack([K, np.zeros((3, 1))]).reshape(-1).tolist(),
    )  # fmt: skip
    _stamp(message, at_ns)
    return message


def transforms(
    trajectory: Trajectory, t: int, at_ns: int, cameras: Mapping[str, CameraPath], labels: frozenset[str]
) -> Any:
    """FrameTransforms from the world to every camera, and to every part where poses are written."""
    from foxglove_schemas_protobuf.FrameTransforms_pb2 import FrameTransforms

    message = FrameTransforms()
    parts = trajectory.parts if labels & OF_PARTS else ()
    poses = {part.name: trajectory.poses[t, k] for k, part in enumerate(parts)}
    poses |= {name: pose_vector(path.world_from_camera[t]) for name, path in cameras.items()}
    for name, pose in poses.items():
        entry = message.transforms.add(parent_frame_id=WORLD, child_frame_id=name)
        _stamp(entry, at_ns)
        _set(entry.translation, pose[:3])
        _turn(entry.rotation, pose[3:])
    return message


def _set(vector: Any, values: Sequence[float] | NDArray[Any]) -> None:
    vector.x, vector.y, vector.z = (float(v) for v in values)


def _turn(quaternion: Any, wxyz: NDArray[Any]) -> None:
    quaternion.w, quaternion.x, quaternion.y, quaternion.z = (float(v) for v in wxyz)


def joint_states(trajectory: Trajectory, t: int, at_ns: int) -> Any:
    """JointStates: what the joints did."""
    from foxglove_schemas_protobuf.JointStates_pb2 import JointStates

    message = JointStates()
    _stamp(message, at_ns)
    for robot in trajectory.robots:
        for j, name in enumerate(robot.joint_names):
            message.joints.add(name=f"{robot.name}.{name}", position=robot.positions[t, j],
                               velocity=robot.velocities[t, j], effort=robot.efforts[t, j])  # fmt: skip
    return message


def joint_targets(trajectory: Trajectory, t: int, at_ns: int) -> Any:
    """JointStates: what the joints were told, a position or a velocity."""
    from foxglove_schemas_protobuf.JointStates_pb2 import JointStates

    message = JointStates()
    _stamp(message, at_ns)
    for robot in trajectory.robots:
        for j, name in enumerate(robot.joint_names):
            message.joints.add(name=f"{robot.name}.{name}", **{robot.control: robot.targets[t, j]})
    return message


def scene(clip: Clip, t: int, at_ns: int, labels: frozenset[str], boxes_m: NDArray[np.float64]) -> Any:
    """SceneUpdate: a cube per part with a box, in the part's frame, and an arrow per contact in the world.

    ``boxes_m``: lowest and highest corner of each part at this frame, NaN without, [B, 2, 3].
    """
    from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate

    message = SceneUpdate()
    for part, (low, high) in zip(clip.record.parts, boxes_m, strict=True) if "boxes_3d" in labels else ():
        if part.box_m is None:
            continue
        entity = message.entities.add(id=part.name, frame_id=part.name, frame_locked=True)
        _stamp(entity, at_ns)
        cube = entity.cubes.add()
        _set(cube.pose.position, (low + high) / 2)
        cube.pose.orientation.w = 1.0
        _set(cube.size, high - low)
        cube.color.r, cube.color.g, cube.color.b, cube.color.a = 0.2, 0.6, 1.0, 0.3
    if "contacts" in labels:
        _contacts(message, clip.trajectory, t, at_ns)
    return message


def _contacts(message: Any, trajectory: Trajectory, t: int, at_ns: int) -> None:
    c, names = trajectory.contacts, [p.name for p in trajectory.parts]
    entity = message.entities.add(id="contacts", frame_id=WORLD)
    _stamp(entity, at_ns)
    for k in np.flatnonzero(c.frame == t):
        a, b = names[c.id_a[k] - 1], names[c.id_b[k] - 1]
        strength = float(np.linalg.norm(c.impulse_n_s[k]))
        entity.metadata.add(key=f"{a} {b}", value=",".join(map(repr, c.impulse_n_s[k].tolist())))
        arrow = entity.arrows.add(shaft_length=ARROW_M_PER_N_S * strength, shaft_diameter=0.01, head_length=0.02,
                                  head_diameter=0.02)  # fmt: skip
        _set(arrow.pose.position, c.point_m[k])
        _turn(arrow.pose.orientation, _from_x(c.impulse_n_s[k]))
        arrow.color.r, arrow.color.a = 1.0, 1.0


def _from_x(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quaternion (w, x, y, z) that turns +x to a direction; none for a vector without length."""
    length = float(np.linalg.norm(direction))
    if length == 0:
        return np.array([1.0, 0, 0, 0])
    x, y, z = direction / length
    q = np.array([1 + x, 0.0, -z, y]) if x > -1 + 1e-9 else np.array([0.0, 0, 0, 1.0])
    return np.asarray(q / np.linalg.norm(q))


def box_annotations(rows: Sequence[Mapping[str, str]], at_ns: int) -> Any:
    """ImageAnnotations: a loop of lines and a name per box; places have pixel centres at whole numbers."""
    from foxglove_schemas_protobuf.ImageAnnotations_pb2 import ImageAnnotations
    from foxglove_schemas_protobuf.PointsAnnotation_pb2 import PointsAnnotation

    message = ImageAnnotations()
    for row in rows:
        if not row["x_min"]:
            continue
        x0, y0, x1, y1 = (float(row[k]) - 0.5 for k in ("x_min", "y_min", "x_max", "y_max"))
        loop = message.points.add(type=PointsAnnotation.LINE_LOOP, thickness=1)
        _stamp(loop, at_ns)
        for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)):
            loop.points.add(x=x, y=y)
        loop.outline_color.g, loop.outline_color.a = 1.0, 1.0
        text = message.texts.add(text=row["instance"], font_size=8)
        _stamp(text, at_ns)
        text.position.x, text.position.y = x0, y0
    return message
