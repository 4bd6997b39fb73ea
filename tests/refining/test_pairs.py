"""Training pairs on disk: what comes back, crops, mirrors, gains, and what is refused."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.errors import ClipError
from simvid.refining.conditions import channel_slice
from simvid.refining.pair_sets import open_pairs
from simvid.refining.pairs import PairClip, exposed, random_crop, write_pair
from simvid.testing.refining import sample_frames

T, H, W = 4, 32, 48


def frames(**more: Any) -> tuple[Any, Any, dict[str, Any]]:
    found = sample_frames(T)
    labels: dict[str, Any] = {name: np.stack([getattr(f, name) for f in found]) for name in found[0].labels}
    rng = np.random.default_rng(0)
    labels |= {"albedo": rng.random((T, H, W, 3)).astype(np.float16),
               "roughness": rng.random((T, H, W)).astype(np.float16),
               "light_diffuse": rng.gamma(1, 1, (T, H, W, 3)).astype(np.float16), **more}  # fmt: skip
    coarse = np.stack([f.rgb for f in found])
    return coarse, 255 - coarse, labels


def written(folder: Path, name: str = "a", **about: Any) -> PairClip:
    coarse, target, labels = frames()
    write_pair(folder / name, coarse, target, labels, **{"name": name, "family": "squares", "fps": 12.0, **about})
    return PairClip(folder / name)


def channels(crop: Any, group: str) -> Any:
    return crop.conditions.channels[:, channel_slice(group)]


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    clip, (coarse, target, labels) = written(tmp_path, look="sunset", light=tuple(range(11))), frames()
    crop = clip.whole()
    assert clip.record.look == crop.record.look == "sunset"
    assert np.array_equal(np.round((np.moveaxis(crop.target, 1, -1) + 1) * 127.5), target)
    assert np.allclose(np.moveaxis(channels(crop, "coarse"), 1, -1), coarse / 127.5 - 1, atol=1e-6)
    scale = np.median(labels["depth"][0])
    assert np.allclose(channels(crop, "disparity")[:, 0], scale / (scale + labels["depth"]), atol=1e-3)
    assert np.allclose(np.moveaxis(channels(crop, "normals"), 1, -1), labels["normals"], atol=0.005)
    assert np.allclose(channels(crop, "albedo"), np.moveaxis(np.sqrt(labels["albedo"]), -1, 1), atol=0.003)
    assert np.allclose(channels(crop, "roughness")[:, 0], labels["roughness"], atol=0.003)
    light = np.log1p(8 * labels["light_diffuse"].astype(float)) / np.log(129)
    assert np.allclose(channels(crop, "light_diffuse"), np.moveaxis(light, -1, 1), atol=0.003)
    assert np.array_equal(crop.conditions.flow, np.moveaxis(labels["flow_backward"], -1, 1))
    assert crop.conditions.visible.min() == 1
    assert crop.conditions.present.tolist() == [1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0]


def test_surfaces_come_back_and_turn_with_mirrors_and_colors(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    albedo = rng.uniform(0, 1, (T, H, W, 3)).astype(np.float16)
    facing = rng.uniform(-1, 1, (T, H, W, 3)).astype(np.float16)
    facing[0, 0, 0] = 0
    coarse, target, labels = frames(surface_albedo=albedo, surface_normals=facing)
    write_pair(tmp_path / "s", coarse, target, labels, name="s", family="squares", fps=12.0)
    clip = PairClip(tmp_path / "s")
    plain = clip.whole()
    assert np.allclose(np.moveaxis(channels(plain, "surface_albedo"), 1, -1) ** 2, albedo, atol=0.005)
    assert np.allclose(np.moveaxis(channels(plain, "surface_normals"), 1, -1), facing, atol=0.005)
    assert not channels(plain, "surface_normals")[0, :, 0, 0].any()
    assert plain.conditions.present[-3:].tolist() == [1, 1, 0]
    turned = clip.crop(slice(None), slice(None), slice(None), mirrored=True, colors=(1, 2, 0))
    assert np.array_equal(channels(turned, "surface_albedo"), channels(plain, "surface_albedo")[:, [1, 2, 0], :, ::-1])
    facing = channels(plain, "surface_normals")[..., ::-1]
    assert np.allclose(channels(turned, "surface_normals"), facing * np.array([-1, 1, 1])[:, None, None], atol=1e-6)
    assert next(clip.frames()).surface_normals.dtype == np.float16  # type: ignore[union-attr]


def test_the_traced_picture_is_one_of_the_pictures(tmp_path: Path) -> None:
    """Where it is the target, it comes back, is mirrored, gets a gain and other colours as that is and does."""
    coarse, target, labels = frames()
    write_pair(tmp_path / "t", coarse, target, {**labels, "traced": target}, name="t", family="squares", fps=12.0)
    clip = PairClip(tmp_path / "t")
    assert np.array_equal(clip.stored("traced"), target)
    for made, frame in zip(target, clip.frames(("traced",)), strict=True):
        assert frame.traced is not None
        assert frame.traced.dtype == np.uint8
        assert np.array_equal(frame.traced, made)
    for seed in range(8):
        crop = random_crop(clip, np.random.default_rng(seed), 2, 24)
        assert np.array_equal(channels(crop, "traced"), crop.target)
        assert crop.conditions.present[-1] == 1
    with pytest.raises(ClipError, match=r"traced: expected uint8 .*, got float32"):
        write_pair(tmp_path / "f", coarse, target, {"traced": target.astype(np.float32)}, name="f", family="squares",
                   fps=12.0)  # fmt: skip


def test_a_crop_is_a_part(tmp_path: Path) -> None:
    clip = written(tmp_path)
    whole, part = clip.whole(), clip.crop(slice(1, 3), slice(8, 24), slice(16, 48))
    assert np.array_equal(part.conditions.channels, whole.conditions.channels[1:3, :, 8:24, 16:48])
    assert np.array_equal(part.target, whole.target[1:3, :, 8:24, 16:48])


def test_what_comes_from_beyond_a_crop_was_not_visible(tmp_path: Path) -> None:
    """As at the edge of a whole picture: a pixel's centre, moved along the flow, lies within or it does not."""
    coarse, target, labels = frames()
    labels["flow_backward"][:] = (3.0, -1.5)
    labels["occluded_backward"][:] = False
    labels["occluded_backward"][:, 10, 20] = True
    write_pair(tmp_path / "a", coarse, target, labels, name="a", family="squares", fps=12.0)
    clip = PairClip(tmp_path / "a")
    expected = np.ones((16, 24))
    expected[:, -3:] = 0
    expected[:1] = 0
    expected[2, 4] = 0
    part = slice(1, 3), slice(8, 24), slice(16, 40)
    for mirrored in (False, True):
        seen = clip.crop(*part, mirrored=mirrored).conditions.visible
        assert np.array_equal(seen[0, 0], expected[:, ::-1] if mirrored else expected)
        assert np.array_equal(seen[1], seen[0])


def test_a_mirror_turns_normals_and_flow(tmp_path: Path) -> None:
    coarse, target, labels = frames()
    labels["normals"][..., 0] = 0.6
    write_pair(tmp_path / "m", coarse, target, labels, name="m", family="squares", fps=12.0)
    clip = PairClip(tmp_path / "m")
    plain, mirrored = clip.whole(), clip.crop(slice(None), slice(None), slice(None), mirrored=True)
    assert np.array_equal(mirrored.target, plain.target[..., ::-1])
    assert np.allclose(mirrored.conditions.flow[:, 0], -plain.conditions.flow[:, 0, :, ::-1])
    assert np.allclose(mirrored.conditions.flow[:, 1], plain.conditions.flow[:, 1, :, ::-1])
    assert np.allclose(channels(mirrored, "normals")[:, 0], -channels(plain, "normals")[:, 0, :, ::-1], atol=1e-6)
    assert np.array_equal(channels(mirrored, "normals")[:, 1:], channels(plain, "normals")[:, 1:, :, ::-1])


def test_a_gain_is_one_of_light(tmp_path: Path) -> None:
    assert np.array_equal(exposed(np.arange(256, dtype=np.uint8), 1.0), np.arange(256))
    grey = exposed(np.full((1, 1, 3), 100, np.uint8), 2.0)
    assert grey[0, 0, 0] == round(255 * (1.055 * (2 * ((100 / 255 + 0.055) / 1.055) ** 2.4) ** (1 / 2.4) - 0.055))
    clip = written(tmp_path)
    more = clip.crop(slice(None), slice(None), slice(None), gain=1.3)
    plain = clip.whole()
    assert more.target.mean() > plain.target.mean() + 0.02
    light = (np.expm1(channels(c, "light_diffuse") * np.log(129)) / 8 for c in (more, plain))
    assert np.allclose(next(light).clip(0, 15), (1.3 * next(light)).clip(0, 15), rtol=1e-3, atol=1e-4)
    assert np.array_equal(channels(more, "albedo"), channels(plain, "albedo"))


def test_colors_change_places_in_pictures_albedo_and_light(tmp_path: Path) -> None:
    clip = written(tmp_path, light=(1.0, 0.5, 0.25, -0.8, *range(6), 0.5))
    plain, turned = clip.whole(), clip.crop(slice(None), slice(None), slice(None), colors=(2, 0, 1))
    assert np.array_equal(turned.target, plain.target[:, [2, 0, 1]])
    for name in ("coarse", "albedo", "light_diffuse", "light_specular"):
        assert np.array_equal(channels(turned, name), channels(plain, name)[:, [2, 0, 1]]), name
    for name in ("disparity", "normals", "roughness"):
        assert np.array_equal(channels(turned, name), channels(plain, name)), name
    assert turned.light == (1.0, 0.5, 0.25, -0.8, 2, 0, 1, 5, 3, 4, 0.5)


def test_the_lights_numbers_follow_mirrors_and_gains(tmp_path: Path) -> None:
    light = (1.0, 0.5, 0.25, -0.8, *range(6), 0.5)
    clip = written(tmp_path, light=light)
    turned = clip.crop(slice(None), slice(None), slice(None), mirrored=True, gain=2.0)
    assert clip.whole().light == light
    assert turned.light == (1.0, -0.5, 0.25, -0.8, *range(6), 1.5)
    unknown = written(tmp_path, "b").crop(slice(None), slice(None), slice(None), mirrored=True, gain=2.0)
    assert unknown.light == (0.0,) * 11


def test_ids_are_kept_and_too_many_refused(tmp_path: Path) -> None:
    coarse, target, labels = frames(ids=np.full((T, H, W), 7, np.uint16))
    record = write_pair(tmp_path / "a", coarse, target, labels, name="a", family="squares", fps=12.0)
    assert "ids" in record.arrays
    assert (np.load(tmp_path / "a" / "ids.npy") == 7).all()
    with pytest.raises(ClipError, match="255 parts at most, got one with 256"):
        write_pair(tmp_path / "b", coarse, target, labels | {"ids": np.full((T, H, W), 256, np.uint16)}, name="b",
                   family="squares", fps=12.0)  # fmt: skip


def test_random_crops_depend_on_the_generator_alone(tmp_path: Path) -> None:
    clip = written(tmp_path)
    one, two, other = (random_crop(clip, np.random.default_rng(s), 2, 16) for s in (0, 0, 1))
    assert np.array_equal(one.target, two.target)
    assert one.target.shape == (2, 3, 16, 16)
    assert not np.array_equal(one.target, other.target)
    with pytest.raises(ClipError, match="choose smaller crops"):
        random_crop(clip, np.random.default_rng(0), 2, 64)


def test_clips_without_labels_are_fine(tmp_path: Path) -> None:
    coarse, target, _ = frames()
    write_pair(tmp_path / "bare", coarse, target, {}, name="bare", family="squares", fps=12.0)
    assert PairClip(tmp_path / "bare").whole().conditions.present.sum() == 0


def test_splits_do_not_share_families(tmp_path: Path) -> None:
    written(tmp_path, "a")
    written(tmp_path, "b", split="held_out", family="rings")
    assert [c.record.name for c in open_pairs(tmp_path)] == ["a", "b"]
    assert [c.record.name for c in open_pairs(tmp_path, "held_out")] == ["b"]
    written(tmp_path, "c", split="held_out")
    with pytest.raises(ClipError, match="families squares are in both splits"):
        open_pairs(tmp_path)


def test_where_there_are_none_the_way_to_some_is_told(tmp_path: Path) -> None:
    makes = f"; simvid pairs --out {tmp_path} --count N --held-out M  makes them"
    with pytest.raises(ClipError, match=re.escape(f"{tmp_path}: holds no training pairs{makes}")):
        open_pairs(tmp_path)
    written(tmp_path)
    with pytest.raises(ClipError, match=re.escape(f"{tmp_path}: holds no pairs of the split 'held_out'{makes}")):
        open_pairs(tmp_path, "held_out")
    with pytest.raises(ClipError, match="nowhere: no such folder; simvid pairs --out "):
        open_pairs(tmp_path / "nowhere")
    with pytest.raises(ClipError, match=r"coarse\.npy: expected a folder of training pairs, got a file; build some"):
        open_pairs(tmp_path / "a" / "coarse.npy", otherwise="build some")


def test_no_file_stays_open(tmp_path: Path) -> None:
    """A process has 1024 by default, and a data set sixteen per clip."""
    coarse, target, labels = frames()
    write_pair(tmp_path / "a", coarse, target, {**labels, "traced": target}, name="a", family="squares", fps=12.0)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # only their number
    (clip,) = open_pairs(tmp_path)
    held = [clip.whole(), clip.labels(), clip.pictures("coarse"), list(clip.frames()), clip.stored("depth")[0].copy(),
            *(clip.decoded(name, slice(0, 2)) for name in clip.record.arrays)]  # fmt: skip
    assert len(os.listdir("/proc/self/fd")) == before, len(held)  # noqa: PTH208


def test_too_many_open_files_are_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = written(tmp_path)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    for module, name in ((np, "memmap"), (np, "load"), (Path, "read_bytes")):
        monkeypatch.setattr(module, name, refuse)
        with pytest.raises(ClipError, match="cannot be opened, as too many files are open; raise the limit"):
            PairClip(clip.folder) if name != "memmap" else clip.whole()


def test_what_is_damaged_is_named(tmp_path: Path) -> None:
    coarse, target, labels = frames()
    with pytest.raises(ClipError, match=r"target: expected uint8 \(4, 32, 48, 3\)"):
        write_pair(tmp_path / "x", coarse, target[:2], labels, name="x", family="f", fps=12.0)
    assert not list(tmp_path.iterdir()), "nothing is left half-written"
    clip = written(tmp_path)
    path = clip.folder / "depth.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ClipError, match=r"depth\.npy: missing or damaged"):
        PairClip(clip.folder)
    with pytest.raises(ClipError, match=r"depth\.npy: missing or damaged"):
        clip.whole()
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ClipError, match=r"depth\.npy: missing or damaged"):
        PairClip(clip.folder)
    record = clip.folder / "pair.json"
    tree = json.loads(record.read_text())
    for change, said in (
        ({"arrays": [*tree["arrays"], "foo"]}, r"arrays: expected some of coarse, target, .*, got foo"),
        ({"arrays": ["coarse"]}, "arrays: expected coarse and target among them, got none of target"),
        ({"light": [1.0, 2.0]}, "light: expected 11 numbers, got 2"),
    ):
        record.write_text(json.dumps(tree | change))
        with pytest.raises(ClipError, match=rf"pair\.json: expected the record of a training pair \({said}"):
            PairClip(clip.folder)
    record.write_text("{}")
    with pytest.raises(ClipError, match="the record of a training pair"):
        PairClip(clip.folder)
