"""HDF5 as robomimic has it, read back by h5py, and by robomimic itself where it is."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.clips.arrays import read_named
from simvid.export.base import View
from simvid.export.hdf5 import FILE, Hdf5, Hdf5Settings
from simvid.export.job import Choice, export, requested
from simvid.frames import Frame
from simvid.testing.exporting import JOINTS, ExporterContract


class TestHdf5(ExporterContract):
    kind = Hdf5


def test_held_out_scenes_are_in_a_mask_of_their_own(exported_clip: Clip, tmp_path: Path) -> None:
    """The name ``d`` hashes to 0.096, the fixture's to 0.63."""
    exporter = Hdf5(Hdf5Settings(held_out=0.1))
    held = Clip(exported_clip.path, exported_clip.record.model_copy(update={"name": "d"}))
    exporter.write(requested(exporter, [exported_clip, held, exported_clip], Choice(("front",), ())), tmp_path)
    with h5py.File(tmp_path / FILE) as file:
        assert [n.decode() for n in file["mask/train"]] == ["demo_0", "demo_2"]
        assert [n.decode() for n in file["mask/valid"]] == ["demo_1"]


def test_h5py_reads_every_value(exported_clip: Clip, second_clip: Clip, tmp_path: Path) -> None:
    clips = [exported_clip, second_clip]
    export([c.path for c in clips], "hdf5", tmp_path / "out")
    with h5py.File(tmp_path / "out" / FILE) as file:
        assert file["data"].attrs["total"] == 8
        assert json.loads(file["data"].attrs["env_args"])["env_name"] == "simvid"
        assert [n.decode() for n in file["mask/train"]] == ["demo_0", "demo_1"]
        for k, clip in enumerate(clips):
            demo, trajectory = file[f"data/demo_{k}"], clip.trajectory
            assert demo.attrs["num_samples"] == clip.frame_count
            assert json.loads(demo.attrs["joint_names"]) == [f"arm.{j}" for j in JOINTS]
            assert json.loads(demo.attrs["joint_control"]) == ["position"] * len(JOINTS)
            robot = trajectory.robots[0]
            assert (demo["actions"][:] == robot.targets).all()
            assert (demo["obs/joint_pos"][:] == robot.positions).all()
            assert (demo["obs/joint_vel"][:] == robot.velocities).all()
            state = demo["states"][:].reshape(clip.frame_count, len(trajectory.parts), 13)
            assert (state[..., :7] == trajectory.poses).all()
            assert (state[..., 7:] == trajectory.twists).all()
            assert demo["dones"][:].tolist() == [0] * (clip.frame_count - 1) + [1]
            for camera in ("front", "side"):
                frames = clip.frames(camera)
                assert (demo[f"obs/{camera}_image"][:] == frames.rgb).all()
                for name in clip.arrays(camera)[1:]:
                    stored, values = demo[f"obs/{camera}_{name}"][:], getattr(frames, name)
                    assert stored.dtype == values.dtype
                    assert np.array_equal(stored, values, equal_nan=values.dtype.kind == "f"), name
                for label in ("tracks", "boxes_3d"):
                    for name, values in read_named(clip.path / "cameras" / camera / f"{label}.npz").items():
                        stored = demo[f"labels/{camera}/{label}/{name}"][()]
                        assert np.array_equal(stored, values, equal_nan=values.dtype.kind == "f")
                pose = demo[f"labels/{camera}/camera/world_from_camera"][:]
                assert (pose == clip.cameras[camera].world_from_camera).all()
            assert (demo["labels/contacts/impulse_z_n_s"][:] == trajectory.contacts.impulse_n_s[:, 2]).all()
            assert demo["labels/contacts/event"][:].tolist() == [b"begin", b"persist", b"end"]


def test_robomimic_reads_it(exported_clip: Clip, second_clip: Clip, lerobot_python: Path, tmp_path: Path) -> None:
    """Windows of two steps, the last frame of a clip twice; in the environment of lerobot, which has it too."""
    here = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    if subprocess.run(
        [lerobot_python, "-c", "import robomimic"], check=False, env=here, capture_output=True
    ).returncode:
        pytest.skip("to run this, make the environment again:  tests/export/make_lerobot_environment.sh")
    clips = [exported_clip, second_clip]
    export([c.path for c in clips], "hdf5", tmp_path / "out")
    script = Path(__file__).with_name("read_robomimic.py")
    command = [lerobot_python, script, tmp_path / "out" / FILE, tmp_path / "got.npz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=here, timeout=300)
    assert done.returncode == 0, done.stderr
    got = np.load(tmp_path / "got.npz")
    assert got["demos"].tolist() == ["demo_0", "demo_1"]

    def windows(arrays: list[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([np.stack([a, np.concatenate([a[1:], a[-1:]])], axis=1) for a in arrays])

    robots = [c.trajectory.robots[0] for c in clips]
    assert np.allclose(got["actions"], windows([r.targets for r in robots]), atol=1e-7)
    assert np.allclose(got["joint_pos"], windows([r.positions for r in robots]), atol=1e-7)
    assert np.allclose(got["joint_vel"], windows([r.velocities for r in robots]), atol=1e-6)
    assert got["dones"][:, 0].tolist() == [0, 0, 1, 0, 0, 0, 0, 1]
    assert not got["rewards"].any()
    for camera in ("front", "side"):
        assert (got[f"{camera}_image"] == windows([np.asarray(c.frames(camera, ()).rgb) for c in clips])).all()


def test_it_can_be_left_unpacked(exported_clip: Clip, tmp_path: Path) -> None:
    choice = Choice(("side",), ("depth",))
    export([exported_clip.path], "hdf5", tmp_path / "out", choice=choice, options={"compression": 0})
    with h5py.File(tmp_path / "out" / FILE) as file:
        obs = file["data/demo_0/obs"]
        assert obs["side_depth"].compression is None
        assert set(obs) == {"joint_pos", "joint_vel", "side_image", "side_depth", "side_depth_expected"}


@pytest.mark.parametrize("compression", [0, 4])
def test_arrays_that_hold_nothing(
    exported_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: int
) -> None:
    """As the whole silhouettes of a clip without instances; HDF5 has no chunks of no values."""
    frames = View.frames

    def without_instances(view: View, *labels: str) -> Iterator[Frame]:
        for frame in frames(view, *labels):
            assert frame.amodal is not None
            yield replace(frame, amodal=frame.amodal[:0])

    monkeypatch.setattr(View, "frames", without_instances)
    choice, options = Choice(("side",), ("amodal",)), {"compression": compression}
    export([exported_clip.path], "hdf5", tmp_path / "out", choice=choice, options=options)
    with h5py.File(tmp_path / "out" / FILE) as file:
        obs = file["data/demo_0/obs"]
        assert (obs["side_amodal"].shape, obs["side_amodal"].dtype) == ((3, 0, 32, 6), np.uint8)
        assert (obs["side_image"][:] == exported_clip.frames("side").rgb).all()
