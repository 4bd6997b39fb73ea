"""Folders that are whole or not there: written under a temporary name beside their place, renamed at the end.

A temporary name carries host, process id and start time of its writer, so the leftovers of a killed run are told from
the work of a living one, and removed by the next run.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import itertools
import os
import re
import shutil
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from simvid.errors import ClipError

FOREIGN_AGE_S = 24 * 3600.0
"""Leftovers of another host are removed when untouched for so long, since its processes cannot be seen [s]."""
FULL = (errno.ENOSPC, errno.EDQUOT)
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_PLACE = (
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL
)  # fmt: skip
_TEMPORARY = re.compile(r"^\.tmp-(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>\d+)-(?P<count>\d+)-.+")
_count = itertools.count()


@cache
def _host() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _start_of(pid: int) -> int | None:
    """Start time of a process [clock ticks since boot]; None where there is no such process, 0 where unknown."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        return int(text.rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return None
    except (OSError, ValueError, IndexError):
        return 0
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return 0


def temporary_beside(final: Path) -> Path:
    """A new name in the same folder, hidden, that tells who writes it."""
    pid = os.getpid()
    if not final.name:
        raise ClipError(f"{final}: expected a place with a name of its own")
    return final.with_name(f".tmp-{_host()}-{pid}-{_start_of(pid) or 0}-{next(_count)}-{final.name}")


def sweep(folder: Path) -> list[str]:
    """Remove what killed runs left in a folder; the names removed."""
    removed = []
    for path in sorted(folder.glob(".tmp-*")) if folder.is_dir() else []:
        if _abandoned(path):
            remove(path)
            removed.append(path.name)
    return removed


def _abandoned(path: Path) -> bool:
    match = _TEMPORARY.match(path.name)
    if match is None:
        return False
    if match["host"] == _host():
        start = _start_of(int(match["pid"]))
        return start is None or (start != int(match["start"]) and 0 not in (start, int(match["start"])))
    try:
        newest = max(p.lstat().st_mtime for p in (path, *path.rglob("*")))
        return _now_on(path.parent) - newest > FOREIGN_AGE_S
    except OSError:
        return False


def _now_on(folder: Path) -> float:
    """The time by the clock of the disk, which hosts that share it agree on, whatever their own clocks say [s]."""
    probe = temporary_beside(folder / "now")
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def new_folder(final: Path, *, replace: bool | Callable[[], bool] = False) -> Iterator[Path]:
    """Give a temporary folder to fill; it takes its final name when the block ends well, and vanishes otherwise.

    Where another process was faster, its folder stays and ours is dropped: equal names mean equal content.

    Args:
        final: where the folder will be. Its parent is made.
        replace: put it in the place of the folder that is there; a function is asked at the end, if there is one.

    Raises:
        ClipError: the disk is full, or the place cannot be written to.
    """
    temporary = temporary_beside(final)
    with clear_os_errors(final):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            sync_tree(temporary)
            _put(temporary, final, replace)
            sync(final.parent)
        finally:
            remove(temporary)


@contextmanager
def new_file(final: Path) -> Iterator[Path]:
    """The same for one file, which always replaces what was there in one step."""
    temporary = temporary_beside(final)
    with clear_os_errors(final):
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            sync(temporary)
            temporary.replace(final)
            sync(final.parent)
        finally:
            remove(temporary)


@contextmanager
def clear_os_errors(path: Path) -> Iterator[None]:
    """Say "disk full" and "no permission" in plain words."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise ClipError(
                f"{path}: the disk is full; nothing was left half-written. Free some space, or choose another place"
            ) from error
        if error.errno in DENIED or error.errno in NO_PLACE:
            raise ClipError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
        raise


def disk_at_fault(error: BaseException) -> bool:
    """Whether an error, or the one that it was raised from, is of a disk that is full or not to be written to."""
    found = error if isinstance(error, OSError) else error.__cause__
    return isinstance(found, OSError) and found.errno in (*FULL, *DENIED)


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Keep others out who come through here for the same file, which may be replaced by rename meanwhile."""
    with clear_os_errors(path):
        while True:
            handle = os.open(path, os.O_RDWR)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(handle), path.stat()):
                break
            os.close(handle)  # it was replaced while this waited
    try:
        yield
    finally:
        os.close(handle)


def _put(temporary: Path, final: Path, replace: bool | Callable[[], bool]) -> None:
    """Give a finished folder its name. In the place of another one it comes in one step, where the system can that."""
    while not _renamed(temporary, final):
        if not (replace() if callable(replace) else replace):
            return
        if _exchanged(temporary, final):
            return  # what was there has the temporary name now, and goes with it
        aside = temporary_beside(final)
        with suppress(FileNotFoundError):  # another process was faster to put it aside
            final.rename(aside)
        remove(aside)


def _renamed(temporary: Path, final: Path) -> bool:
    """Whether there was nothing in the way."""
    try:
        temporary.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _exchanged(one: Path, other: Path) -> bool:
    """Let two names change places in one step; False where system or disk cannot, or one has gone."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename is not None and rename(here, bytes(one), here, bytes(other), exchange) == 0


def sync(path: Path) -> None:
    """Flush one file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Flush a folder and all in it to the disk."""
    for path in (*folder.rglob("*"), folder):
        sync(path)


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the file system has them, a copy with its times otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES):
            raise
        shutil.copy2(source, target)
