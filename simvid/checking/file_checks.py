"""Check (f): videos decode in full, and lossless arrays hold what their digests say."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from simvid.checking.base import Subject, spread
from simvid.clips.arrays import ArrayFile
from simvid.clips.digests import digest_file
from simvid.clips.records import CheckRecord
from simvid.clips.video import probe
from simvid.errors import ClipError

BUDGET_BYTES = 1 << 27
"""Arrays are read in full, smallest first, while so many bytes of values are not exceeded: 128 MiB."""


def files_hold(subject: Subject) -> CheckRecord:
    """(f) Every video decodes to the right number of pictures of the right size, and arrays match their digests.

    Videos are decoded in full. Every array file has its number of frames, and a few of them, evenly spread, decode with
    the checksums of the zip. Digests, which take the whole of a file, are compared smallest first up to 128 MiB of
    values in all; ``digests_compared`` says for how many. (``simvid show --verify`` compares all.)
    """
    faults = []
    for what, path in {"rgb.mp4": subject.folder / "rgb.mp4", **subject.refined}.items():
        faults += _video_faults(subject, what, path)
    sizes: dict[str, int] = {}
    for name, file in subject.files.items():
        if file.kind == "array":
            try:
                faults += _array_faults(subject, name)
                sizes[name] = _decoded_bytes(subject.folder / name)
            except (ClipError, OSError, zipfile.BadZipFile, zlib.error) as error:
                faults.append(f"{name}: {error}")
        elif file.digest is not None:
            sizes[name] = file.bytes
    compared, left = 0, BUDGET_BYTES
    for name in sorted(sizes, key=lambda n: (sizes[n], n)):
        left -= sizes[name]
        if left < 0:
            break
        compared += 1
        faults += _digest_faults(subject, name)
    found = {"faults": len(faults), "digests_compared": compared, "digests": len(sizes)}
    return subject.judged("files_hold", found, {"faults": 0}, spread(subject.count), "; ".join(faults[:3]))


def _video_faults(subject: Subject, what: str, path: Path) -> list[str]:
    camera = subject.camera
    try:
        info = probe(path)
    except ClipError as error:
        return [str(error)]
    got = (info.frames, info.width, info.height)
    wanted = (subject.count, camera.width + camera.width % 2, camera.height + camera.height % 2)  # H.264 has even sides
    if got == wanted:
        return []
    return [
        f"{what}: expected {wanted[0]} pictures of {wanted[1]} x {wanted[2]} px, got {got[0]} of {got[1]} x {got[2]}"
    ]


def _array_faults(subject: Subject, name: str) -> list[str]:
    array = ArrayFile(subject.folder / name)
    if len(array) != subject.count:
        return [f"{name}: expected {subject.count} frames, got {len(array)}"]
    for _ in array.read(spread(subject.count)):
        pass
    return []


def _decoded_bytes(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def _digest_faults(subject: Subject, name: str) -> list[str]:
    file = subject.files[name]
    try:
        got = digest_file(subject.folder / name, file.kind)
    except ClipError as error:
        return [f"{name}: {error}"]
    return [] if got == file.digest else [f"{name}: its digest is {str(got)[:12]}, expected {str(file.digest)[:12]}"]
