"""Captures of every format: round trips within the format's steps, other writers' files, and broken files."""

from __future__ import annotations

import gzip
import logging
import struct
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.capture_compressed import morton_order
from simvid.assets.capture_fields import raw_from
from simvid.assets.capture_spz import write_spz
from simvid.assets.captures import load_capture, save_capture
from simvid.errors import AssetError
from simvid.gaussians import Gaussians
from simvid.rotations import quat_multiply
from simvid.spherical_harmonics import rotated

HALF_TURN_X = np.diag([1.0, -1.0, -1.0])


def random_gaussians(count: int = 1000, degree: int = 3, seed: int = 0) -> Gaussians:
    rng = np.random.default_rng(seed)
    quats = rng.normal(size=(count, 4))
    sh = rng.uniform(-0.9, 0.9, size=(count, (degree + 1) ** 2, 3))
    return Gaussians(
        rng.normal(0, 3, size=(count, 3)).astype(np.float32),
        (quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32),
        np.exp(rng.normal(-4, 1, size=(count, 3))).astype(np.float32),
        rng.uniform(0, 1, count).astype(np.float32),
        sh.astype(np.float32),
        np.zeros(count, np.int32),
    )


def chosen(gaussians: Gaussians, rows: NDArray[np.integer[Any]]) -> Gaussians:
    names = ("means", "quats", "scales", "opacities", "sh", "owner")
    return Gaussians(*(getattr(gaussians, name)[rows] for name in names))


def turn_between(a: Gaussians, b: Gaussians) -> float:
    """Largest angle between rotations [rad]."""
    dot = np.abs(np.einsum("nk,nk->n", a.quats.astype(np.float64), b.quats.astype(np.float64)))
    return float(2 * np.arccos(np.minimum(dot, 1)).max())


def worst(a: Gaussians, b: Gaussians) -> dict[str, float]:
    """Largest difference of every field."""
    return {
        "means": float(np.abs(a.means - b.means).max()),
        "turn": turn_between(a, b),
        "log_scales": float(np.abs(np.log(a.scales) - np.log(b.scales)).max()),
        "opacities": float(np.abs(a.opacities - b.opacities).max()),
        "dc": float(np.abs(a.sh[:, 0] - b.sh[:, 0]).max()),
        "rest": float(np.abs(a.sh[:, 1:] - b.sh[:, 1:]).max(initial=0)),
    }


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_3dgs_ply_comes_back_exactly(tmp_path: Path, degree: int) -> None:
    gaussians = random_gaussians(degree=degree)
    save_capture(tmp_path / "a.ply", gaussians)
    back = load_capture(tmp_path / "a.ply")
    assert np.array_equal(back.means, gaussians.means)
    assert np.array_equal(back.sh, gaussians.sh)
    difference = worst(back, gaussians)
    assert difference["turn"] < 1e-3  # arccos near 1 in float32
    assert difference["log_scales"] < 1e-6
    assert difference["opacities"] < 1e-6


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_compressed_ply_comes_back_within_its_steps(tmp_path: Path, degree: int) -> None:
    gaussians = random_gaussians(count=1000, degree=degree)  # 3 whole chunks and one of 232
    save_capture(tmp_path / "a.compressed.ply", gaussians)
    back = load_capture(tmp_path / "a.compressed.ply")
    original = chosen(gaussians, morton_order(gaussians.means))
    difference = worst(back, original)
    # half a step of the chunk's extent: 10 bits for y, the coarsest axis
    for k in range(0, 1000, 256):
        rows = slice(k, k + 256)
        extent = np.ptp(original.means[rows], axis=0)
        error = np.abs(back.means[rows] - original.means[rows]).max(axis=0)
        assert (error <= extent / np.array([2047, 1023, 2047]) * 0.51 + 1e-6).all()
    assert difference["turn"] < 4 * 2**0.5 / 1023  # half a step of 1.414 / 1023 in each of three parts
    assert difference["log_scales"] < np.ptp(np.log(original.scales)) / 1023
    assert difference["opacities"] < 0.51 / 255
    assert difference["dc"] < np.ptp(original.sh[:, 0]) * 0.51 / 255
    assert difference["rest"] < 1.01 / 64  # steps of 8 / 256


@pytest.mark.parametrize(("version", "degree"), [(3, 0), (3, 1), (3, 2), (3, 3), (2, 3)])
def test_spz_comes_back_within_its_steps(tmp_path: Path, version: int, degree: int) -> None:
    gaussians = random_gaussians(degree=degree)
    if version == 3:
        save_capture(tmp_path / "a.spz", gaussians)
    else:
        write_spz(tmp_path / "a.spz", raw_from(gaussians), version=2)
    difference = worst(load_capture(tmp_path / "a.spz"), gaussians)
    assert difference["means"] < 0.51 * 2**-12
    assert difference["log_scales"] < 0.51 / 16
    assert difference["opacities"] < 0.51 / 255
    assert difference["dc"] < 0.51 / 255 / 0.15
    assert difference["rest"] < 1.01 / 128  # 1 itself has no byte
    # version 2 keeps no digits of w: a small w may be off by the root of a step
    assert difference["turn"] < (4 * 0.7071 / 511 if version == 3 else 0.25)


def test_spz_axes_are_those_of_ply(tmp_path: Path) -> None:
    """The bytes hold y up and z back; what comes out is y down and z forward, rotations and harmonics included."""
    gaussians = random_gaussians(count=20)
    save_capture(tmp_path / "a.spz", gaussians)
    data = gzip.decompress((tmp_path / "a.spz").read_bytes())
    words = np.frombuffer(data, np.uint8, 20 * 9, 16).reshape(20, 3, 3).astype(np.int64)
    value = words @ [1, 256, 65536]
    stored = np.where(value >= 1 << 23, value - (1 << 24), value) / 4096
    assert np.abs(stored * [1, -1, -1] - gaussians.means).max() < 2e-4
    turned = quat_multiply(np.array([0.0, 1, 0, 0]), gaussians.quats.astype(np.float64))
    in_file = replace(
        gaussians,
        means=(gaussians.means @ HALF_TURN_X).astype(np.float32),
        quats=turned.astype(np.float32),
        sh=rotated(gaussians.sh, HALF_TURN_X),
    )
    raw = raw_from(in_file)
    # writing what the file's axes say, as if they were PLY's, must give the same bytes as half a turn more
    write_spz(tmp_path / "b.spz", raw)
    twice = load_capture(tmp_path / "b.spz")
    assert np.abs(twice.means @ HALF_TURN_X - gaussians.means).max() < 2e-4
    assert np.abs(rotated(twice.sh, HALF_TURN_X) - gaussians.sh).max() < 0.02


def test_spz_rejects_what_it_cannot_hold(tmp_path: Path) -> None:
    gaussians = random_gaussians(count=5)
    far = replace(gaussians, means=gaussians.means + np.float32(5000))
    with pytest.raises(ValueError, match="positions reach"):
        save_capture(tmp_path / "a.spz", far)
    with pytest.raises(ValueError, match="version"):
        write_spz(tmp_path / "a.spz", raw_from(gaussians), version=4)
    assert list(tmp_path.iterdir()) == []


def ply(properties: list[str], rows: NDArray[np.void], extra: bytes = b"") -> bytes:
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}", *properties, "end_header"]
    return ("\n".join(lines) + "\n").encode() + rows.tobytes() + extra


NAMES = ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2",
         "rot_0", "rot_1", "rot_2", "rot_3"]  # fmt: skip


def rows_of(gaussians: Gaussians, names: list[str], kind: str = "<f4") -> NDArray[np.void]:
    raw = raw_from(gaussians)
    columns = dict(zip(NAMES, np.concatenate(
        [raw.means, raw.sh[:, 0], raw.logits[:, None], raw.log_scales, raw.quats], axis=1
    ).T, strict=True))  # fmt: skip
    rows = np.zeros(len(gaussians), [(n, kind) for n in names])
    for name in names:
        rows[name] = columns.get(name, 7.0)
    return rows


def test_any_order_type_and_further_properties_of_ply(tmp_path: Path) -> None:
    gaussians = random_gaussians(degree=0, count=50)
    names = ["segment", *reversed(NAMES), "confidence"]
    rows = rows_of(gaussians, names, "<f8")
    (tmp_path / "a.ply").write_bytes(ply([f"property double {n}" for n in names], rows, b"trailing"))
    difference = worst(load_capture(tmp_path / "a.ply"), gaussians)
    assert max(difference.values()) < 1e-3
    assert difference["means"] == 0


def test_unfit_gaussians_are_dropped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gaussians = random_gaussians(degree=0, count=50)
    rows = rows_of(gaussians, NAMES)
    rows["x"][3], rows["opacity"][5], rows["scale_1"][7], rows["f_dc_2"][9] = np.nan, np.nan, 200.0, np.inf
    for k in range(4):
        rows[f"rot_{k}"][11] = 0.0
    rows["scale_0"][13] = -200.0  # exp of it is 0
    rows["rot_0"][20], rows["rot_1"][20], rows["rot_2"][20], rows["rot_3"][20] = 0.0, 0.0, 0.0, -5.0
    (tmp_path / "a.ply").write_bytes(ply([f"property float {n}" for n in NAMES], rows))
    with caplog.at_level(logging.WARNING, "simvid"):
        back = load_capture(tmp_path / "a.ply", owner=4)
    assert len(back) == 44
    assert "left out 6 of 50" in caplog.text
    assert set(back.owner.tolist()) == {4}
    assert np.allclose(np.linalg.norm(back.quats, axis=1), 1, atol=1e-6)


def test_higher_harmonics_can_be_left_out(tmp_path: Path) -> None:
    gaussians = random_gaussians()
    save_capture(tmp_path / "a.ply", gaussians)
    assert np.array_equal(load_capture(tmp_path / "a.ply", max_sh_degree=1).sh, gaussians.sh[:, :4])
    with pytest.raises(ValueError, match="max_sh_degree"):
        load_capture(tmp_path / "a.ply", max_sh_degree=4)


def test_opacities_of_nought_and_one_survive(tmp_path: Path) -> None:
    gaussians = replace(random_gaussians(count=2), opacities=np.array([0, 1], np.float32))
    for name in ("a.ply", "a.compressed.ply", "a.spz"):
        save_capture(tmp_path / name, gaussians)
        assert np.allclose(sorted(load_capture(tmp_path / name).opacities), [0, 1], atol=1e-6)


def test_writing_replaces_whole_files_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ends in"):
        save_capture(tmp_path / "a.splat", random_gaussians(count=3))
    with pytest.raises(OSError, match="nothing"):
        save_capture(Path("/proc/nothing/a.ply"), random_gaussians(count=3))
    assert list(tmp_path.iterdir()) == []


def spz(
    count: int, version: int = 3, degree: int = 0, fraction: int = 12, data: bytes = b"", magic: int = 0x5053474E
) -> bytes:
    return gzip.compress(struct.pack("<IIIBBBB", magic, version, count, degree, fraction, 0, 0) + data, mtime=0)


def without(name: str) -> bytes:
    rows = rows_of(random_gaussians(count=3, degree=0), [n for n in NAMES if n != name])
    return ply([f"property float {n}" for n in NAMES if n != name], rows)


def with_rest(count: int) -> bytes:
    names = NAMES + [f"f_rest_{k}" for k in range(count)]
    return ply([f"property float {n}" for n in names], rows_of(random_gaussians(count=3, degree=0), names))


BINARY = "ply\nformat binary_little_endian 1.0\n"
X = "property float x\nend_header\n"
BOUNDS = "".join(f"property float {e}_{a}\n" for e in ("min", "max") for a in "xyz")
CHUNKED = (
    f"{BINARY}element chunk 1\n{BOUNDS}element vertex 300\nproperty uint packed_position\nend_header\n" + "\0" * 10_000
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "expected a Gaussian capture"),
        ("PK\x03\x04 some zip", "expected a Gaussian capture"),
        ("NGSP\x04\0\0\0", "SPZ version 4 or later is not supported"),
        (without("opacity"), "property 'opacity' is missing"),
        (without("rot_3"), "property 'rot_3' is missing"),
        (without("x"), "property 'x' is missing"),
        (with_rest(10), "expected 0, 9, 24 or 45 f_rest"),
        (without("opacity")[:-1], "promises 3 vertex"),
        (f"ply\nformat ascii 1.0\nelement vertex 1\n{X}0\n", "expected binary_little_endian"),
        (f"ply\nformat binary_big_endian 1.0\nelement vertex 1\n{X}0000", "expected binary_little_endian"),
        (f"{BINARY}element vertex 0\n{X}", "an empty one"),
        (f"{BINARY}element face 1\n{X}0000", "no vertex element"),
        (f"{BINARY}element vertex 2500000000\n{X}0000", r"promises 2,500,000,000 vertex \(10,000,000,0"),
        (f"{BINARY}element vertex {10**30}\n{X}0000", "promises"),
        (f"{BINARY}element vertex 1\nproperty list int int x\nend_header\n0000", "holds lists"),
        (f"{BINARY}{X}", "header is damaged"),
        (f"{BINARY}element vertex 1\nproperty half x\nend_header\n", "header is damaged"),
        (CHUNKED, "expected 2 chunks for 300"),
        (CHUNKED.replace("vertex 300", "vertex 200"), "property 'min_scale_x'"),
        (b"\x1f\x8b not really gzip", "gzip data is damaged"),
        (gzip.compress(b"short", mtime=0), "cut off within its header"),
        (spz(3, magic=1), "expected an SPZ file"),
        (spz(3, version=1), "expected SPZ version 2 or 3, got 1"),
        (spz(3, version=4), "expected SPZ version 2 or 3, got 4"),
        (spz(3, degree=5), "SH degree 0 to 3"),
        (spz(0), "or none"),
        (spz(4_000_000_000), "more than"),
        (spz(90_000_000), "more than"),
        (spz(3, data=b"\0" * 59), "promises 60 bytes for 3 Gaussians, holds 59"),
        (spz(300, data=bytes(6000))[:-9], "cut off"),
    ],
)
def test_broken_files_are_one_clear_error(tmp_path: Path, content: bytes | str, said: str) -> None:
    path = tmp_path / "a.ply"
    path.write_bytes(content.encode("latin-1") if isinstance(content, str) else content)
    with pytest.raises(AssetError, match=said):
        load_capture(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="cannot be read"):
        load_capture(tmp_path / "a.ply")
    with pytest.raises(AssetError, match="cannot be read"):
        load_capture(tmp_path)


@pytest.mark.parametrize("name", ["a.ply", "a.compressed.ply", "a.spz"])
def test_any_damage_is_an_asset_error_or_harmless(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save_capture(path, random_gaussians(count=300, degree=1))
    whole = path.read_bytes()
    refused = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        content = bytearray(whole)
        for at in rng.integers(0, 700 if seed % 2 else len(whole), rng.integers(1, 6)):
            content[at] = rng.integers(0, 256)
        path.write_bytes(content[: rng.integers(0, len(whole))] if seed % 4 == 3 else content)
        try:
            load_capture(path)
        except AssetError:
            refused += 1
    assert refused > 20


gsply_needed = pytest.mark.skipif(find_spec("gsply") is None, reason="compares with gsply")


def from_gsply(data: Any) -> Gaussians:
    means = np.asarray(data.means, np.float32)
    rest = np.zeros((len(means), 0, 3), np.float32) if data.shN is None else np.asarray(data.shN)
    quats = np.asarray(data.quats, np.float64)
    return Gaussians(
        means,
        (quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32),
        np.exp(np.asarray(data.scales)).astype(np.float32),
        (1 / (1 + np.exp(-np.asarray(data.opacities, np.float64)))).astype(np.float32).reshape(-1),
        np.concatenate([np.asarray(data.sh0).reshape(-1, 1, 3), rest], axis=1).astype(np.float32),
        np.zeros(len(means), np.int32),
    )


@gsply_needed
@pytest.mark.parametrize("degree", [0, 3])
@pytest.mark.parametrize("name", ["a.ply", "a.compressed.ply", "a.spz"])
def test_gsply_reads_the_same_from_our_files(tmp_path: Path, name: str, degree: int) -> None:
    gsply: Any = import_module("gsply")
    save_capture(tmp_path / name, random_gaussians(degree=degree))
    read: Callable[[str], Any] = import_module("gsply.spz").read_spz if name.endswith("spz") else gsply.plyread
    theirs, ours = from_gsply(read(str(tmp_path / name))), load_capture(tmp_path / name)
    if name.endswith("spz"):  # gsply leaves the file's axes
        theirs = replace(
            theirs,
            means=(theirs.means @ HALF_TURN_X).astype(np.float32),
            quats=(theirs.quats * np.array([1, 1, -1, -1])).astype(np.float32),
            sh=rotated(theirs.sh, HALF_TURN_X),
        )
    difference = worst(ours, theirs)
    assert difference.pop("turn") < 2e-3
    assert max(difference.values()) < 1e-4


@gsply_needed
@pytest.mark.parametrize("compressed", [False, True])
def test_we_read_the_same_from_files_of_gsply(tmp_path: Path, compressed: bool) -> None:
    gsply: Any = import_module("gsply")
    save_capture(tmp_path / "ours.ply", random_gaussians(degree=2))
    data = gsply.plyread(str(tmp_path / "ours.ply"))
    name = tmp_path / ("theirs.compressed.ply" if compressed else "theirs.ply")
    gsply.plywrite(str(name), data, compressed=compressed)
    ours, theirs = load_capture(name), from_gsply(gsply.plyread(str(name)))
    difference = worst(ours, theirs)
    assert difference.pop("turn") < 2e-3
    assert max(difference.values()) < 1e-4


def test_a_real_capture(capture_file: Path) -> None:
    gaussians = load_capture(capture_file)
    assert len(gaussians) > 10_000
    assert 0.05 < float(gaussians.opacities.mean()) < 0.95
    color = 0.5 + 0.28209479177387814 * gaussians.sh[:, 0]
    assert float(np.percentile(color, 1)) > -0.5
    assert float(np.percentile(color, 99)) < 1.5
    # neighbours of a real surface overlap: the largest axis is of the order of the distance to the next Gaussian
    low, high = np.percentile(gaussians.means, [1, 99], axis=0)
    assert float(np.median(gaussians.scales.max(axis=1))) < 0.05 * float((high - low).max())
