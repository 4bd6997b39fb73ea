"""Digests of what files hold, and what has changed since they were recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simvid.clips import arrays
from simvid.clips.records import FileKind, FileRecord
from simvid.errors import ClipError


def hash_of(tree: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of plain values, 64 hexadecimal digits."""
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def content_hash(files: Mapping[str, FileRecord]) -> str:
    """Hash over the content of a clip's files; previews, times and machine do not matter."""
    return hash_of({path: file.digest for path, file in files.items() if file.digest is not None})


def digest_file(path: Path, kind: FileKind) -> str | None:
    """Digest of a file's decoded content.

    Raises:
        ClipError: it is missing or damaged.
    """
    if kind in {"record", "preview"}:
        return None
    if kind == "array":
        return arrays.digest(arrays.ArrayFile(path))
    if kind == "named":
        return arrays.named_digest(arrays.read_named(path))
    if kind == "trajectory":
        from simvid import trajectory_io

        return trajectory_io.digest(trajectory_io.load(path))
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ClipError(f"{path}: not readable ({error.strerror})") from error


def file_record(path: Path, kind: FileKind, digest: str | None = None) -> FileRecord:
    """The record of a finished file; its digest is computed where it is not known."""
    return FileRecord(kind=kind, bytes=path.stat().st_size, digest=digest or digest_file(path, kind))


def changed_files(folder: Path, files: Mapping[str, FileRecord], record: Path) -> list[str]:
    """Which files are missing, cut, or were touched after the record was written and no longer hold the same."""
    written = record.stat().st_mtime_ns
    bad = []
    for name, file in files.items():
        try:
            status = (folder / name).stat()
        except OSError:
            bad.append(f"{name}: missing")
            continue
        if status.st_size != file.bytes:
            bad.append(f"{name}: expected {file.bytes} bytes, got {status.st_size}")
        elif status.st_mtime_ns > written:
            bad += content_faults(folder, {name: file})
    return bad


def content_faults(folder: Path, files: Mapping[str, FileRecord]) -> list[str]:
    """Which files do not hold what their digests say, by reading all of them."""
    bad = []
    for name, file in files.items():
        try:
            got = digest_file(folder / name, file.kind)
            size = (folder / name).stat().st_size
            if file.digest is None and size != file.bytes:
                bad.append(f"{name}: expected {file.bytes} bytes, got {size}")
        except (ClipError, OSError) as error:
            bad.append(f"{name}: {error}")
            continue
        if got != file.digest:
            bad.append(f"{name}: its content has changed (digest {str(got)[:12]}, expected {str(file.digest)[:12]})")
    return bad
