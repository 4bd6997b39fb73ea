"""Lossless arrays: what is written comes back, bytes depend on content alone, damage is told."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.clips.arrays import ArrayFile, ArrayWriter, digest, named_digest, read_named, write_named
from simvid.errors import ClipError

RNG = np.random.default_rng(0)
SAMPLES: dict[str, NDArray[Any]] = {
    "noise": RNG.normal(size=(4, 60, 80)).astype(np.float32),
    "ids": (np.arange(4 * 60 * 80).reshape(4, 60, 80) // 999).astype(np.int32),
    "mask": RNG.random((4, 60, 80)) < 0.1,
    "rgb": RNG.integers(0, 255, (4, 60, 80, 3)).astype(np.uint8),
    "special": np.array([[np.nan, np.inf], [-np.inf, -0.0]], np.float32),
}


def write(path: Path, array: NDArray[Any]) -> str:
    writer = ArrayWriter(path)
    for frame in array:
        writer.append(frame)
    writer.close()
    return writer.digest


@pytest.mark.parametrize("name", SAMPLES)
def test_round_trip_is_exact(tmp_path: Path, name: str) -> None:
    array = SAMPLES[name]
    written = write(tmp_path / "a.npz", array)
    back = ArrayFile(tmp_path / "a.npz").stack()
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()
    assert written == digest(ArrayFile(tmp_path / "a.npz")) == digest(array)


def test_numpy_alone_opens_it(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", SAMPLES["noise"])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        assert stored.files == ["00000", "00001", "00002", "00003"]
        assert np.array_equal(stored["00002"], SAMPLES["noise"][2])


def test_equal_arrays_give_equal_bytes_and_others_do_not(tmp_path: Path) -> None:
    for name, array in (("a", SAMPLES["ids"]), ("b", SAMPLES["ids"].copy()), ("c", SAMPLES["ids"] + 1)):
        write(tmp_path / name, array)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c
    times = {info.date_time for info in zipfile.ZipFile(tmp_path / "a").infolist()}
    assert times == {(1980, 1, 1, 0, 0, 0)}, "the clock is in no byte"


def test_digest_sees_type_shape_order_and_values() -> None:
    frames = SAMPLES["noise"]
    variants = [frames, frames[::-1], frames.reshape(4, 80, 60), frames.astype(np.float64), frames + 1e-6, frames[:3]]
    assert len({digest(v) for v in variants}) == len(variants)
    plain = hashlib.sha256(b"<i4(2,)\n" + np.array([1, 2], "<i4").tobytes()).hexdigest()
    assert digest([np.array([1, 2], ">i4")]) == plain, "the same on big-endian machines, and as documented"


def test_noise_is_stored_and_ids_are_deflated(tmp_path: Path) -> None:
    write(tmp_path / "noise", RNG.integers(0, 255, (1, 300, 300), np.uint8))
    write(tmp_path / "ids", np.zeros((1, 300, 300), np.int32))
    kinds = {n: zipfile.ZipFile(tmp_path / n).infolist()[0].compress_type for n in ("noise", "ids")}
    assert kinds == {"noise": zipfile.ZIP_STORED, "ids": zipfile.ZIP_DEFLATED}


def test_single_frames_slices_and_bounds(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", SAMPLES["rgb"])
    file = ArrayFile(tmp_path / "a.npz")
    assert len(file) == 4
    assert np.array_equal(file[-1], SAMPLES["rgb"][3])
    assert [f.tobytes() for f in file[1:3]] == [f.tobytes() for f in SAMPLES["rgb"][1:3]]
    assert np.array_equal(file.stack([2, 0]), SAMPLES["rgb"][[2, 0]])
    with pytest.raises(IndexError, match="frame 4 asked for, there are 4"):
        file[4]


@pytest.mark.parametrize("cut", [0, 10, 0.5, 0.9])
def test_a_cut_file_is_told(tmp_path: Path, cut: float) -> None:
    path = tmp_path / "a.npz"
    write(path, SAMPLES["rgb"])
    data = path.read_bytes()
    path.write_bytes(data[: int(cut * len(data)) if cut < 1 else int(cut)])
    with pytest.raises(ClipError, match="damaged"):
        ArrayFile(path).stack()


def test_a_flipped_byte_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write(path, SAMPLES["rgb"])
    data = bytearray(path.read_bytes())
    data[5000] ^= 255
    path.write_bytes(data)
    with pytest.raises(ClipError, match="frame 0 is damaged"):
        ArrayFile(path).stack()


def test_pickles_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("00000.npy", "w") as entry:
        np.lib.format.write_array(entry, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ClipError, match="allow_pickle"):
        ArrayFile(tmp_path / "a.npz").stack()


def test_named_arrays(tmp_path: Path) -> None:
    arrays = {"K": np.eye(3), "size": np.array([4, 5]), "about": np.array("text"), "none": np.zeros((0, 3))}
    written = write_named(tmp_path / "c.npz", arrays)
    back = read_named(tmp_path / "c.npz")
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[k], v) and back[k].shape == v.shape for k, v in arrays.items())
    assert written == named_digest(back) != named_digest({**arrays, "K": np.eye(3) * 2})
    with pytest.raises(ClipError, match="missing"):
        read_named(tmp_path / "nothing.npz")
