"""The user's cache: where it is, that it is never half-written and never in the way."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from simvid.assets import cache
from simvid.assets.cache import cache_folder, cache_limit, key_of, load_arrays, store_arrays, write_atomically
from simvid.errors import SimvidError


def test_the_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SIMVID_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "simvid"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "simvid"
    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_arrays_come_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.npz"
    arrays = {"v": np.arange(6, dtype=np.float32).reshape(2, 3), "f": np.ones(2, np.int32)}
    store_arrays(path, arrays)
    back = load_arrays(path)
    assert back is not None
    assert sorted(back) == sorted(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert np.array_equal(back[name], array)


def test_damage_is_as_good_as_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert load_arrays(path) is None
    store_arrays(path, {"v": np.zeros(1000)})
    whole = path.read_bytes()
    for content in (b"", b"not a zip", whole[: len(whole) // 2], whole[:-30], b"PK\x03\x04" + whole[40:]):
        path.write_bytes(content)
        assert load_arrays(path) is None


def test_objects_are_refused_since_only_pickle_could_store_them(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="objects in bad"):
        store_arrays(tmp_path / "a.npz", {"bad": np.array([None])})
    np.savez(tmp_path / "b.npz", bad=np.array([None]))
    assert load_arrays(tmp_path / "b.npz") is None


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    write_atomically(path, b"old")

    def fails(self: Path, target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")
    store_arrays(blocked / "a.npz", {"v": np.zeros(3)})
    assert load_arrays(blocked / "a.npz") is None


def test_keys_tell_type_shape_content_and_order_apart() -> None:
    zeros = np.zeros(4, np.float32)
    parts: list[tuple[object, ...]] = [
        (zeros,), (zeros.reshape(2, 2),), (zeros.astype(np.int32),), (zeros + 1,), (zeros, 1), (1, zeros), ("1", zeros),
        (b"ab", b"c"), (b"a", b"bc"), (),
    ]  # fmt: skip
    keys = [key_of(*p) for p in parts]
    assert len(set(keys)) == len(parts)
    assert key_of(np.zeros((4, 2), np.float32)[:, 0]) == key_of(zeros)


def test_a_folder_loses_what_was_not_read_for_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, paths = np.random.default_rng(0), [tmp_path / "kind" / f"{k}.npz" for k in range(8)]
    other = tmp_path / "kind" / "notes.txt"
    for age, path in enumerate(paths):
        store_arrays(path, {"v": rng.random(1000)})
        os.utime(path, (1e9 + age, 1e9 + age))
    other.write_text("not ours to remove")
    size = paths[0].stat().st_size
    assert load_arrays(paths[0]) is not None  # of use again: the youngest
    monkeypatch.setenv("SIMVID_CACHE_GB", str(7.5 * size / 1e9))
    monkeypatch.setattr(cache, "_stored", Counter())
    store_arrays(tmp_path / "kind" / "new.npz", {"v": rng.random(1000)})
    assert sorted(p.name for p in (tmp_path / "kind").iterdir()) == [
        "0.npz", "4.npz", "5.npz", "6.npz", "7.npz", "new.npz", "notes.txt",
    ]  # fmt: skip


def test_a_folder_within_its_limit_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIMVID_CACHE_GB", raising=False)
    assert cache_limit() == 2e9
    for k in range(60):
        store_arrays(tmp_path / f"{k}.npz", {"v": np.zeros(10)})
    assert len(list(tmp_path.iterdir())) == 60


@pytest.mark.parametrize("given", ["much", "-1", "0", "inf", "nan"])
def test_a_limit_that_is_none_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("SIMVID_CACHE_GB", given)
    with pytest.raises(SimvidError, match=f"SIMVID_CACHE_GB: expected a number of gigabytes above 0, got '{given}'"):
        cache_limit()
