"""Self-checks pass on a sound folder, and each notices the errors that it is for."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.pieces import Collider, Visual
from simvid.checking.base import Subject, grown, spread, worst_median
from simvid.checking.box_checks import boxes_are_tight
from simvid.checking.checks import CHECKS, self_checks
from simvid.checking.contact_checks import contacts_touch
from simvid.checking.file_checks import files_hold
from simvid.checking.flow_checks import flow_follows_pose, flow_returns
from simvid.checking.support import ids_match_surfaces
from simvid.clips.arrays import ArrayFile, ArrayWriter
from simvid.clips.camera_file import write_camera_file
from simvid.clips.digests import file_record
from simvid.clips.records import CheckRecord
from simvid.clips.writing import View, write_camera
from simvid.frames import BUFFER_LABELS, LABELS
from simvid.gaussians import Gaussians
from simvid.jobs.label_files import watchers_of
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.renderer import render_frames
from simvid.rotations import quat_from_euler_deg
from simvid.scene import Camera, Ground, Look, Orbit
from simvid.scene.lenses import Fisheye, Lens, Orthographic, Pinhole
from simvid.scene.sensors import Rolling, Shutter
from simvid.testing.staging import Prop, box_mesh, checkered, matte, sphere_mesh, staged
from simvid.trajectory import Contacts

FRAMES = 4
BOX_M = (0.2, 0.2, 0.2)
RADIUS_M = 0.1
BALL_TOUCHES_M = (0.0, 0.0, 0.2)
Change: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]


def spinning_box() -> NDArray[np.float64]:
    """Turns by 6 degrees per frame on the ground."""
    return np.array([[0, 0, 0.1, *quat_from_euler_deg((0, 0, 6.0 * k))] for k in range(FRAMES)])


def touching(count: int) -> Contacts:
    """The ball lies on the box, on the box's axis, in every frame from the first on."""
    frames = np.arange(1, count, dtype=np.int32)
    n = len(frames)
    return Contacts(
        frame=frames, time_s=frames / 24, id_a=np.full(n, 2, np.int32), id_b=np.full(n, 3, np.int32),
        point_m=np.tile(BALL_TOUCHES_M, (n, 1)), normal=np.tile([0.0, 0, -1], (n, 1)),
        impulse_n_s=np.tile([0.0, 0, -0.1], (n, 1)), depth_m=np.zeros(n),
        event=np.array([0] + [1] * (n - 1), np.uint8),
    )  # fmt: skip


def card() -> Prop:
    """A capture: a card of flat Gaussians, with a collider."""
    x, z = (a.ravel() for a in np.meshgrid(np.linspace(-0.06, 0.06, 16), np.linspace(-0.06, 0.06, 16)))
    n, f = len(x), np.float32
    gaussians = Gaussians(
        np.stack([x, 0 * x, z], axis=-1).astype(f), np.tile([1, 0, 0, 0], (n, 1)).astype(f),
        np.tile([0.006, 0.0005, 0.006], (n, 1)).astype(f), np.full(n, 0.95, f), np.full((n, 1, 3), 0.5, f),
        np.zeros(n, np.int32),
    )  # fmt: skip
    collider = Collider("box", (0.06, 0.002, 0.06), np.eye(4), 0.5, 0.0)
    return Prop("card", (Visual(Look(), capture=gaussians),), np.array([0.1, -0.25, 0.1, 1, 0, 0, 0]), (collider,))


def filmed(folder: Path, **lens: Any) -> Subject:
    """Ground (1), a spinning box (2) with a ball on it (3), a post (4) that stands still, a captured card (5)."""
    orbit = Orbit(center_m=(0, 0, 0.15), radius_m=0.9, height_m=0.35, sweep_deg=12)
    camera = Camera(name="front", resolution_px=(120, 90), orbit=orbit, **lens)
    still = np.array([1.0, 0, 0, 0])
    props = [
        Prop("box", (matte(checkered(box_mesh(BOX_M))),), spinning_box()),
        Prop("ball", (matte(sphere_mesh(RADIUS_M, (0.8, 0.2, 0.1))),), np.array([0, 0, 0.3, *still])),
        Prop("post", (matte(box_mesh((0.06, 0.06, 0.3), (0.2, 0.4, 0.8))),), np.array([0.05, 0.26, 0.15, *still])),
        card(),
    ]
    assets, trajectory = staged(props, [camera], frames=FRAMES, ground=Ground())
    trajectory = replace(trajectory, contacts=touching(FRAMES))
    path = camera_path(camera, assets.scene, trajectory)
    labels = tuple(label for label in LABELS if label not in BUFFER_LABELS)
    watchers = watchers_of(labels, assets, trajectory, path)
    view = View(path, trajectory.parts, trajectory.fps, watchers)
    frames = render_frames(assets, trajectory, path, CpuRasterizer(), labels, RenderSettings(threads=1))
    folder.mkdir()
    return Subject("front", folder, write_camera(folder, view, frames), assets, trajectory)


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Filmed by a pinhole."""
    return filmed(tmp_path_factory.mktemp("sound") / "front", fov_y_deg=50)


@pytest.fixture
def copied(sound: Subject, tmp_path: Path) -> Subject:
    """A copy that may be damaged."""
    folder = tmp_path / "front"
    shutil.copytree(sound.folder, folder)
    return replace(sound, folder=folder, files=dict(sound.files))


def plant(subject: Subject, name: str, change: Change, *, told: bool = True) -> Subject:
    """Change an array of a copied folder; its record too, unless it shall not be told."""
    path = subject.folder / f"{name}.npz"
    values = change(ArrayFile(path).stack())
    path.unlink()
    writer = ArrayWriter(path)
    for value in values:
        writer.append(np.ascontiguousarray(value))
    writer.close()
    files = dict(subject.files)
    if told:
        files[path.name] = file_record(path, "array", writer.digest)
    return replace(subject, files=files)


def stacked(subject: Subject, name: str) -> NDArray[Any]:
    """All frames of an array."""
    return ArrayFile(subject.folder / f"{name}.npz").stack()


def shifted_where(subject: Subject, part: int, px: float) -> Change:
    """Add something to the flow of one part alone."""

    def change(flow: NDArray[Any]) -> NDArray[Any]:
        mine = stacked(subject, "ids") == part
        return np.where(mine[..., None], flow + np.float32(px), flow).astype(np.float32)

    return change


def test_a_sound_folder_passes_all(sound: Subject) -> None:
    checks = self_checks(sound)
    assert [c.name for c in checks] == [check.__name__ for check in CHECKS]
    assert [c.line() for c in checks if c.passed is not True] == []
    assert {c.camera for c in checks} == {"front"}
    for check in checks:
        assert check.measured.keys() >= check.limits.keys() > set()
        assert all(check.measured[name] <= limit for name, limit in check.limits.items())
        assert check.note == ""


CAMERAS: dict[str, dict[str, Any]] = {
    "distorted": {"lens": Lens(pinhole=Pinhole(k1=-0.2, k2=0.03, p1=0.002)), "fov_y_deg": 50},
    "fisheye": {"lens": Lens(fisheye=Fisheye(k1=0.02)), "fov_y_deg": 80},
    "orthographic": {"lens": Lens(orthographic=Orthographic(height_m=0.8))},
    "rolling": {"shutter": Shutter(rolling=Rolling(readout_s=0.03))},
    "blurred": {"shutter": Shutter(angle_deg=180, samples=4)},
}


@pytest.mark.parametrize("camera", CAMERAS)
def test_every_camera_passes_all(camera: str, tmp_path: Path) -> None:
    subject = filmed(tmp_path / camera, **CAMERAS[camera])
    assert [c.line() for c in self_checks(subject) if c.passed is not True] == []
    if camera == "distorted":  # a camera file that tells another story is noticed
        plain = replace(subject.camera, lens=replace(subject.camera.lens, distortion=()))
        write_camera_file(subject.folder / "camera.npz", plain)
        assert flow_follows_pose(replace(subject)).passed is False


def test_what_is_not_stored_is_not_checked(sound: Subject) -> None:
    bare = replace(sound, files={k: f for k, f in sound.files.items() if k in {"rgb.npz", "rgb.mp4", "camera.npz"}})
    checks = {c.name: c for c in self_checks(bare)}
    assert checks.pop("files_hold").passed is True
    assert {c.passed for c in checks.values()} == {None}
    assert checks["flow_returns"].note == "needs ids, flow_forward, flow_backward, occluded_forward"
    assert all(c.note.startswith("needs ") for c in checks.values())


class TestFlowFollowsPose:
    """(a)"""

    @pytest.mark.parametrize(("part", "px", "passed"), [(1, 0.15, False), (2, 0.15, False), (4, -0.15, False),
                                                        (2, 0.03, True)])  # fmt: skip
    def test_a_part_whose_flow_is_shifted(self, copied: Subject, part: int, px: float, passed: bool) -> None:
        check = flow_follows_pose(plant(copied, "flow_forward", shifted_where(copied, part, px)))
        assert check.passed is passed
        kind = "moving_median_px" if part == 2 else "static_median_px"
        assert check.measured[kind] == pytest.approx(abs(px) * 2**0.5, abs=0.02)
        if not passed:
            assert f"part '{copied.trajectory.parts[part - 1].name}'" in check.note

    @pytest.mark.parametrize("change", [
        lambda flow: flow[..., ::-1],
        lambda flow: -flow,
        lambda flow: np.roll(flow, 1, axis=0),
        lambda flow: np.full_like(flow, np.nan),
    ], ids=["columns and rows", "sign", "frames", "nothing"])  # fmt: skip
    def test_flow_of_another_convention(self, copied: Subject, change: Change) -> None:
        assert flow_follows_pose(plant(copied, "flow_forward", change)).passed is False

    def test_scaled_depth(self, copied: Subject) -> None:
        assert flow_follows_pose(plant(copied, "depth", lambda d: d * np.float32(1.1))).passed is False

    def test_another_camera(self, copied: Subject) -> None:
        poses = copied.camera.world_from_camera.copy()
        poses[1, :3, 3] += [0.005, 0, 0]
        write_camera_file(copied.folder / "camera.npz", replace(copied.camera, world_from_camera=poses))
        assert flow_follows_pose(replace(copied)).passed is False

    def test_two_frames_out_of_order(self, copied: Subject) -> None:
        turned = replace(copied.trajectory, poses=copied.trajectory.poses[::-1].copy())
        check = flow_follows_pose(replace(copied, trajectory=turned))
        assert check.passed is False
        assert "part 'box'" in check.note


class TestFlowReturns:
    """(b)"""

    @pytest.mark.parametrize("part", [1, 2, 3, 4])
    def test_a_part_whose_flow_back_is_shifted(self, copied: Subject, part: int) -> None:
        check = flow_returns(plant(copied, "flow_backward", shifted_where(copied, part, 0.6)))
        assert check.passed is False
        assert f"part '{copied.trajectory.parts[part - 1].name}'" in check.note

    @pytest.mark.parametrize("change", [lambda f: -f, lambda f: f * 2, lambda f: np.full_like(f, np.nan)],
                             ids=["sign", "scale", "nothing"])  # fmt: skip
    def test_flow_back_of_another_convention(self, copied: Subject, change: Change) -> None:
        assert flow_returns(plant(copied, "flow_backward", change)).passed is False

    def test_what_is_hidden_does_not_count(self, copied: Subject) -> None:
        everything = plant(copied, "occluded_forward", np.ones_like)
        assert flow_returns(everything).measured == {}
        assert flow_returns(everything).passed is None


class TestIdsMatchSurfaces:
    """(c)"""

    @pytest.mark.parametrize("change", [
        lambda ids: np.where(ids == 2, 3, np.where(ids == 3, 2, ids)).astype(np.int32),
        lambda ids: np.where(ids == 4, 0, ids).astype(np.int32),
        lambda ids: np.roll(ids, 5, axis=2),
        np.zeros_like,
    ], ids=["swapped", "missing", "beside", "nothing"])  # fmt: skip
    def test_wrong_ids(self, copied: Subject, change: Change) -> None:
        check = ids_match_surfaces(plant(copied, "ids", change))
        assert check.passed is False
        assert check.measured["wrong_share"] > check.limits["wrong_share"]

    @pytest.mark.parametrize("change", [
        lambda d: d * np.float32(1.02),
        lambda d: d * np.float32(0.98),
        lambda d: np.where(np.isfinite(d), np.float32(1.0), d),
    ], ids=["farther", "nearer", "flat"])  # fmt: skip
    def test_wrong_depth(self, copied: Subject, change: Change) -> None:
        check = ids_match_surfaces(plant(copied, "depth", change))
        assert check.passed is False
        assert check.measured["depth_median_share"] > check.limits["depth_median_share"]

    def test_distance_in_place_of_depth(self, copied: Subject) -> None:
        from simvid.motion import distance

        camera = copied.camera
        check = ids_match_surfaces(plant(copied, "depth", lambda ds: np.stack([distance(camera, d) for d in ds])))
        assert check.passed is False


class TestBoxesAreTight:
    """(d)"""

    @staticmethod
    def edited(subject: Subject, table: str, column: str, row: int = 4, by: float = 1) -> CheckRecord:
        """Change one cell."""
        path = subject.folder / table
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        rows[row][column] = str(type(by)(rows[row][column]) + by)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        return boxes_are_tight(subject)

    @pytest.mark.parametrize("column", ["x_min", "y_min", "x_max", "y_max", "visible_px", "loose_x_min", "loose_y_max",
                                        "amodal_px"])  # fmt: skip
    def test_off_by_one(self, copied: Subject, column: str) -> None:
        check = self.edited(copied, "boxes.csv", column)
        assert check.passed is False
        assert check.measured["wrong_boxes"] >= 1
        assert "boxes.csv frame 1, id 2: expected" in check.note

    def test_a_wrong_visibility(self, copied: Subject) -> None:
        check = self.edited(copied, "boxes.csv", "visibility", by=0.01)
        assert "expected visibility" in check.note

    @pytest.mark.parametrize("column", ["x_min", "y_max"])
    def test_boxes_of_parts(self, copied: Subject, column: str) -> None:
        assert "part_boxes.csv frame 1" in self.edited(copied, "part_boxes.csv", column).note

    @pytest.mark.parametrize("table", ["boxes.csv", "part_boxes.csv"])
    def test_a_row_too_few(self, copied: Subject, table: str) -> None:
        path = copied.folder / table
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:2] + lines[3:]))
        check = boxes_are_tight(copied)
        assert check.passed is False
        assert "a mask without a box" in check.note

    def test_another_mask(self, copied: Subject) -> None:
        assert boxes_are_tight(plant(copied, "ids", lambda ids: np.where(ids == 3, 0, ids))).note.count("without") >= 2


class TestContactsTouch:
    """(e)"""

    @pytest.mark.parametrize("by_m", [(0.0, 0.2, 0.0), (0.0, -0.2, 0.0), (0.0, 0.0, 0.35)])
    def test_a_contact_elsewhere(self, sound: Subject, by_m: tuple[float, float, float]) -> None:
        contacts = sound.trajectory.contacts
        moved = replace(contacts, point_m=contacts.point_m + by_m)
        check = contacts_touch(replace(sound, trajectory=replace(sound.trajectory, contacts=moved)))
        assert check.passed is False
        assert check.measured["farthest_px"] > 2
        assert check.note.endswith("'box' and 'ball'")

    def test_a_pixel_or_two_are_allowed(self, sound: Subject) -> None:
        contacts = sound.trajectory.contacts
        moved = replace(contacts, point_m=contacts.point_m + np.array([0, 0, 0.001]))
        assert contacts_touch(replace(sound, trajectory=replace(sound.trajectory, contacts=moved))).passed is True

    @pytest.mark.parametrize(("speed_m_s", "after_s", "passed"), [
        (8.0, 1 / 48, True), (0.0, 1 / 48, False), (4.0, 1 / 48, False), (8.0, 1 / 24, False),
    ], ids=["it was there", "it lies still", "too slow", "too late"])  # fmt: skip
    def test_a_ball_that_bounces_between_two_frames(
        self, sound: Subject, speed_m_s: float, after_s: float, passed: bool
    ) -> None:
        """It touches 15 cm below where both frames show it."""
        ids, times = np.array([1], np.int32), np.array([after_s])
        touch = Contacts(ids, times, ids, np.array([3], np.int32), np.array([[0, 0, 0.05]]), np.array([[0, 0, -1.0]]),
                         np.array([[0, 0, -1.0]]), np.zeros(1), np.zeros(1, np.uint8))  # fmt: skip
        twists = sound.trajectory.twists.copy()
        twists[0, 2, 2], twists[1, 2, 2] = -speed_m_s, speed_m_s
        check = contacts_touch(replace(sound, trajectory=replace(sound.trajectory, contacts=touch, twists=twists)))
        assert check.passed is passed

    def test_no_contact(self, sound: Subject) -> None:
        check = contacts_touch(replace(sound, trajectory=replace(sound.trajectory, contacts=Contacts.none())))
        assert (check.passed, check.note) == (None, "no contact is seen")


class TestFilesHold:
    """(f)"""

    def test_a_video_cut_short(self, copied: Subject) -> None:
        data = (copied.folder / "rgb.mp4").read_bytes()
        (copied.folder / "rgb.mp4").write_bytes(data[: len(data) // 2])
        assert files_hold(copied).passed is False

    def test_a_video_of_fewer_pictures(self, copied: Subject, tmp_path: Path) -> None:
        from simvid.clips.video import VideoWriter

        camera = copied.camera
        with VideoWriter(tmp_path / "short.mp4", camera.width, camera.height, 24.0) as video:
            for picture in stacked(copied, "rgb")[:-1]:
                video.write(picture)
        check = files_hold(replace(copied, refined={"refined": tmp_path / "short.mp4"}))
        assert check.note == "refined: expected 4 pictures of 120 x 90 px, got 3 of 120 x 90"

    def test_an_array_of_other_values(self, copied: Subject) -> None:
        changed = plant(copied, "depth", lambda d: d + np.float32(1e-6), told=False)
        assert files_hold(changed).note.startswith("depth.npz: its digest is")

    def test_an_array_with_a_frame_less(self, copied: Subject) -> None:
        assert files_hold(plant(copied, "ids", lambda ids: ids[:-1])).note == "ids.npz: expected 4 frames, got 3"

    @pytest.mark.parametrize("name", ["depth.npz", "tracks.npz", "boxes.csv"])
    def test_a_damaged_file(self, copied: Subject, name: str) -> None:
        data = bytearray((copied.folder / name).read_bytes())
        data[len(data) // 2] ^= 255
        (copied.folder / name).write_bytes(data)
        check = files_hold(copied)
        assert check.passed is False
        assert name in check.note


def test_frames_are_spread() -> None:
    assert spread(0) == []
    assert spread(1) == [0]
    assert spread(4) == [0, 1, 2, 3]
    assert spread(101) == [0, 20, 40, 60, 80, 100]


def test_the_worst_part_counts() -> None:
    ids = np.repeat(np.array([[0], [1], [2]], np.int32), 30, axis=1)
    errors = np.array([[0.1], [5.0], [0.3]]) + np.zeros((3, 30))
    assert worst_median(errors, ids, np.ones(ids.shape, np.bool_)) == (5.0, 1)
    few = np.ones(ids.shape, np.bool_)
    few[1, 10:] = False
    assert worst_median(errors, ids, few) == (0.3, 2)
    value, owner = worst_median(errors, ids, np.zeros(ids.shape, np.bool_))
    assert np.isnan(value)
    assert owner == 0


def test_a_mask_grows_along_both_axes() -> None:
    mask = np.zeros((7, 9), np.bool_)
    mask[3, 4] = True
    assert np.argwhere(grown(mask, 2)).tolist() == [[v, u] for v in range(1, 6) for u in range(2, 7)]
