"""PLY headers, shared by meshes and Gaussian captures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simvid.errors import AssetError

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_LONGEST_HEADER = 1 << 20


@dataclass(frozen=True)
class PlyProperty:
    """A named number of each row (numpy type ``kind``), or a list of them with its own length (``length`` type)."""

    name: str
    kind: str
    length: str | None = None


@dataclass(frozen=True)
class PlyElement:
    """``count`` rows of properties."""

    name: str
    count: int
    properties: tuple[PlyProperty, ...]

    @property
    def dtype(self) -> np.dtype[np.void]:
        """Little-endian row type; only for elements without lists.

        Raises:
            ValueError: there is a list, or two properties have one name.
        """
        if any(p.length for p in self.properties):
            raise ValueError(f"element {self.name} holds lists")
        return np.dtype([(p.name, "<" + p.kind) for p in self.properties])

    @property
    def smallest_row(self) -> int:
        """Bytes of a row whose lists are all empty."""
        return sum(np.dtype(p.length or p.kind).itemsize for p in self.properties)


@dataclass(frozen=True)
class PlyHeader:
    """What a PLY file promises."""

    format: str
    """ascii, binary_little_endian or binary_big_endian."""
    elements: tuple[PlyElement, ...]
    size: int
    """Bytes of the header; data begins here."""
    comments: tuple[str, ...] = ()

    def element(self, name: str) -> PlyElement | None:
        """The element of that name, or None."""
        return next((e for e in self.elements if e.name == name), None)

    @property
    def smallest_size(self) -> int:
        """Least bytes that a binary file with this header can have."""
        return self.size + sum(e.count * e.smallest_row for e in self.elements)


def read_ply_header(path: Path, content: bytes) -> PlyHeader:
    """Parse the header at the start of ``content``; nothing that it promises is allocated.

    Raises:
        AssetError: not a PLY file, or its header is damaged.
    """
    if content[:3] != b"ply" or content[3:4] not in {b"\n", b"\r"}:
        raise AssetError(f"{path}: expected a PLY file that begins with 'ply', got {bytes(content[:8])!r}")
    end = content.find(b"end_header", 0, _LONGEST_HEADER)
    line_end = content.find(b"\n", end)
    if end < 0 or line_end < 0:
        raise AssetError(f"{path}: its PLY header has no end_header line; the file is cut off or damaged")
    try:
        lines = content[:end].decode("ascii", errors="strict").split("\n")
        return _parse(lines, line_end + 1)
    except (ValueError, KeyError, IndexError) as error:
        raise AssetError(f"{path}: its PLY header is damaged ({error})") from error


def _parse(lines: list[str], size: int) -> PlyHeader:
    form, comments = "", []
    elements: list[tuple[str, int, list[PlyProperty]]] = []
    for line in lines[1:]:
        words = line.split()
        if not words:
            continue
        match words[0]:
            case "format":
                form = words[1]
            case "comment" | "obj_info":
                comments.append(line.partition(" ")[2].strip())
            case "element":
                count = int(words[2])
                if count < 0:
                    raise ValueError(f"element {words[1]} has {count} rows")
                elements.append((words[1], count, []))
            case "property" if words[1] == "list":
                elements[-1][2].append(PlyProperty(words[4], _TYPES[words[3]], _TYPES[words[2]]))
            case "property":
                elements[-1][2].append(PlyProperty(words[2], _TYPES[words[1]]))
            case _:
                raise ValueError(f"unknown line {line.strip()[:60]!r}")
    if form not in {"ascii", "binary_little_endian", "binary_big_endian"}:
        raise ValueError(f"unknown format {form!r}")
    return PlyHeader(form, tuple(PlyElement(n, c, tuple(p)) for n, c, p in elements), size, tuple(comments))
