"""A reader of Caffe's binary weights: enough of protobuf's wire format to find named blobs of floats, and no more.

Format: protobuf.dev/programming-guides/encoding; field numbers from caffe.proto (BVLC, BSD): NetParameter.layer = 100,
LayerParameter.name = 1 and .blobs = 7, BlobProto.data = 5 (packed floats) and .shape = 7, BlobShape.dim = 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simvid.errors import AssetError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_caffemodel(content: bytes) -> dict[str, list[NDArray[np.float32]]]:
    """The blobs of each layer that has any, by the layer's name.

    Raises:
        AssetError: the bytes are no such file, or are cut.
    """
    try:
        layers = [_layer(value) for field, value in _fields(content) if field == 100 and isinstance(value, bytes)]
    except (IndexError, ValueError, UnicodeDecodeError) as error:
        raise AssetError(f"expected the weights of a Caffe network, got something else ({error})") from error
    return {name: blobs for name, blobs in layers if blobs}


def _layer(content: bytes) -> tuple[str, list[NDArray[np.float32]]]:
    name, blobs = "", []
    for field, value in _fields(content):
        if field == 1 and isinstance(value, bytes):
            name = value.decode()
        elif field == 7 and isinstance(value, bytes):
            blobs.append(_blob(value))
    return name, blobs


def _blob(content: bytes) -> NDArray[np.float32]:
    data, shape = np.zeros(0, np.float32), []
    for field, value in _fields(content):
        if field == 5 and isinstance(value, bytes):
            data = np.frombuffer(value, "<f4").astype(np.float32)
        elif field == 7 and isinstance(value, bytes):
            for inner, dims in _fields(value):
                if inner == 1:
                    shape += list(_varints(dims)) if isinstance(dims, bytes) else [dims]
    return data.reshape(shape)


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and raw values of one message, in order."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        kind = key & 7
        if kind == _VARINT:
            number, place = _varint(content, place)
            yield key >> 3, number
            continue
        if kind == _BYTES:
            size, place = _varint(content, place)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {place}")
        if place + size > len(content):
            raise ValueError(f"cut at byte {len(content)}")
        yield key >> 3, content[place : place + size]
        place += size


def _varint(content: bytes, place: int) -> tuple[int, int]:
    number, shift = 0, 0
    while True:
        byte = content[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place
        if shift > 63:
            raise ValueError(f"a number of more than 64 bits at byte {place}")


def _varints(content: bytes) -> Iterator[int]:
    place = 0
    while place < len(content):
        number, place = _varint(content, place)
        yield number
