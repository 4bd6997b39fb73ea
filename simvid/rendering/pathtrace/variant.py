"""Which of Mitsuba's variants runs here: on a GPU, vectorised by LLVM, or one ray at a time.

The LLVM variant needs the system's libLLVM, and an old one may not know this processor: it then ends the process while
compiling. So each variant is tried once in a process of its own, and the answer is kept in the cache folder.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from simvid.assets.cache import cache_folder, key_of, write_atomically
from simvid.errors import RenderError

Wanted: TypeAlias = Literal["auto", "cuda", "llvm", "scalar"]
LIBRARY = "DRJIT_LIBLLVM_PATH"
"""Environment variable by which Dr.Jit is told where libLLVM is."""
NAMES: dict[str, str] = {"cuda": "cuda_ad_rgb", "llvm": "llvm_ad_rgb", "scalar": "scalar_rgb"}
TIME_LIMIT_S = 180.0
FOLDERS = (
    "/usr/lib/*-linux-gnu", "/usr/lib/llvm*/lib", "/usr/lib64", "/usr/lib64/llvm*/lib*", "/usr/lib", "/usr/local/lib",
    "/opt/homebrew/opt/llvm/lib", "/usr/local/opt/llvm/lib",
)  # fmt: skip
_VERSION = re.compile(r"libLLVM[-.](?:so\.)?(\d+(?:\.\d+)*)")


class Variant(NamedTuple):
    """One that works here."""

    name: str
    """As Mitsuba calls it."""
    library: Path | None = None
    """libLLVM, for the LLVM variant."""

    @property
    def vectorised(self) -> bool:
        """Whether many rays are traced at once."""
        return not self.name.startswith("scalar")

    def activate(self) -> None:
        """Make it the one that ``mitsuba`` stands for."""
        import mitsuba as mi

        if self.library is not None:
            os.environ[LIBRARY] = str(self.library)
        if mi.variant() != self.name:
            mi.set_variant(self.name)


def chosen(wanted: Wanted = "auto", libraries: Sequence[Path] | None = None) -> Variant:
    """The variant to use.

    Args:
        wanted: ``auto`` takes the fastest that works.
        libraries: files of libLLVM to try; None looks for those that are installed.

    Raises:
        RenderError: the one that is wanted does not work here.
    """
    if wanted in {"auto", "cuda"} and _has_cuda() and works(cuda := Variant(NAMES["cuda"])):
        return cuda
    if wanted in {"auto", "llvm"}:
        for library in installed_libraries() if libraries is None else libraries:
            if works(llvm := Variant(NAMES["llvm"], library)):
                return llvm
    if wanted in {"auto", "scalar"}:
        return Variant(NAMES["scalar"])
    advice = {
        "cuda": "install NVIDIA's driver, or use variant: auto",
        "llvm": f"install LLVM 16 or newer (apt install libllvm19), or name its library in {LIBRARY}, or use auto",
    }[wanted]
    raise RenderError(f"settings.variant: {wanted!r} does not work on this machine\n  hint: {advice}")


def installed_libraries() -> list[Path]:
    """Files of libLLVM: the one that the user has named, then all that are installed, the newest first."""
    roots = [*FOLDERS, str(Path(sys.prefix, "lib"))]
    found: set[Path] = set()
    for root in roots:
        for folder in Path("/").glob(root.removeprefix("/")):
            found |= {path.resolve() for pattern in ("libLLVM*.so*", "libLLVM*.dylib") for path in folder.glob(pattern)}
    ranked = sorted((path for path in found if path.is_file()), key=lambda path: (_version(path), str(path)))
    named = os.environ.get(LIBRARY)
    first = [Path(named)] if named and Path(named).is_file() else []
    return first + [path for path in reversed(ranked) if path not in {p.resolve() for p in first}]


def _version(path: Path) -> tuple[int, ...]:
    """Version in the name of a library, or in that of its folder; () where there is none."""
    match = _VERSION.search(path.name) or re.search(r"llvm-?(\d+)", str(path.parent))
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def works(variant: Variant) -> bool:
    """Whether a variant can draw a picture; tried once in another process, then known from a file.

    A try that takes longer than ``TIME_LIMIT_S`` counts as failed, and is made again the next time.
    """
    known = _record(variant)
    if known.is_file():
        return known.read_bytes() == b"works"
    environment = os.environ | ({LIBRARY: str(variant.library)} if variant.library else {})
    command = [sys.executable, "-P", "-m", "simvid.rendering.pathtrace.probe", variant.name]
    try:
        code = subprocess.run(
            command, env=environment, timeout=TIME_LIMIT_S, check=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    try:
        write_atomically(known, b"works" if code == 0 else b"broken")
    except OSError:
        return code == 0  # without a cache it is tried again
    return code == 0


def _record(variant: Variant) -> Path:
    """The file that remembers; another library, machine or version has another."""
    library = variant.library
    stamp = (str(library), library.stat().st_size, library.stat().st_mtime_ns) if library else ()
    versions = [metadata.version(name) for name in ("mitsuba", "drjit")]
    return cache_folder() / "mitsuba" / key_of(variant.name, stamp, versions, sys.version, platform.node())


def _has_cuda() -> bool:
    """Whether NVIDIA's driver is there at all."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
