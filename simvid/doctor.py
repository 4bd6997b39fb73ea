"""What is installed, what is missing, and whether a tiny clip can be made."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from simvid import __version__
from simvid.assets.cache import cache_folder, cache_limit
from simvid.errors import SimvidError, install_line

EXTRAS = {
    "genesis": "a second physics engine",
    "cuda": "splatting on an NVIDIA GPU",
    "pathtrace": "photoreal reference pictures",
    "refine": "video diffusion refiners",
    "train": "training refiners on several devices",
    "pretrained": "adapters to pretrained video models",
    "view": "viewers",
    "cluster": "many machines",
    "formats": "dataset formats",
    "dev": "tests and checks",
}
"""What each extra is for."""


@dataclass(frozen=True)
class Finding:
    """A line of the table. ``ok`` is None where it is neither well nor ill."""

    group: str
    name: str
    value: str
    ok: bool | None = True
    advice: str = ""


def findings(*, test: bool) -> Iterator[Finding]:
    """Everything, one after another; the self-test last."""
    yield Finding("simvid", "simvid", f"{__version__} at {Path(__file__).parent}")
    yield Finding("simvid", "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from _packages()
    yield from _machine()
    yield _encoder()
    if find_spec("mitsuba") is not None:
        yield _path_tracer()
    yield _cache()
    if test:
        yield self_test()


def _packages() -> Iterator[Finding]:
    """Required packages, then each extra with what it lacks."""
    needed: dict[str, list[str]] = {"": []}
    for text in _declared():
        requirement, _, marker = text.partition(";")
        extra = marker.partition("extra ==")[2].strip().strip("'\"")
        needed.setdefault(extra, []).append(_package_name(requirement))
    for name in needed.pop(""):
        version = _version(name)
        advice = "" if version else f"pip install {name}"
        yield Finding("packages", name, version or "missing", version is not None, advice)
    for extra, names in needed.items():
        missing = [name for name in names if _version(name) is None]
        have = ", ".join(f"{name} {_version(name)}" for name in names if name not in missing)
        use = EXTRAS.get(extra, "")
        value = f"{use}: {have}" if not missing else f"{use}: without {', '.join(missing)}"
        yield Finding("extras", extra, value, True if not missing else None, install_line(extra) * bool(missing))


def _declared() -> list[str]:
    """simvid's requirements: of the installed distribution, else of the checkout that this is."""
    try:
        return metadata.requires("simvid") or []
    except metadata.PackageNotFoundError:
        pass
    text = (Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = [f"{r}; extra == '{e}'" for e, rs in project["optional-dependencies"].items() for r in rs]
    return [*project["dependencies"], *extras]


def _package_name(requirement: str) -> str:
    for k, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            return requirement[:k]
    return requirement.strip()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("machine", "processor", f"{_processor()}, {cores} cores")
    yield Finding("machine", "memory", _memory())
    free = shutil.disk_usage(Path()).free / 1e9
    yield Finding("machine", "disk", f"{free:.1f} GB free here", free > 1, "free some space" * (free <= 1))
    gpu = _gpu()
    yield Finding("machine", "gpu", gpu or "none; everything runs on the processor", True if gpu else None)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "unknown"
    return f"{size / 2**30:.1f} GiB"


def _gpu() -> str | None:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    try:
        done = subprocess.run(
            [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"], capture_output=True, text=True,
            timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().replace("\n", "; ") or None


def _encoder() -> Finding:
    from simvid.clips.video import CODEC

    advice = "pip install --force-reinstall av"
    if find_spec("av") is None:
        return Finding("machine", "video", "PyAV is missing", False, "pip install av")
    import av

    if CODEC not in av.codecs_available:
        return Finding("machine", "video", f"PyAV {av.__version__} has no {CODEC}", False, advice)
    return Finding("machine", "video", f"H.264 by {CODEC}, PyAV {av.__version__}")


def _path_tracer() -> Finding:
    """What traces paths here; a variant that is not known yet is tried in a process of its own."""
    from simvid.rendering.pathtrace.variant import chosen

    variant = chosen()
    value = f"Mitsuba's {variant.name}" + (f", {variant.library}" if variant.library else "")
    slow = not variant.vectorised
    advice = "install LLVM 16 or newer for about ten times the speed, such as  apt-get install libllvm19"
    return Finding("machine", "path tracer", value, None if slow else True, advice * slow)


def _cache() -> Finding:
    folder = cache_folder()
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else 0
    try:
        most = cache_limit()
    except SimvidError as error:
        return Finding("machine", "cache", str(error), False)
    return Finding("machine", "cache", f"{folder}, {size / 1e6:.1f} MB (arrays: up to {most / 1e9:g} GB a kind)")


SELF_TEST = """\
simvid: 1
name: self_test
duration_s: 0.125
fps: 24
ground: {}
bodies:
  - {name: ball, shape: {sphere: {radius_m: 0.1}}, pose: {position_m: [0, 0, 0.3]}}
cameras:
  - {name: front, resolution_px: [96, 64], pose: {look_from_m: [0, -1, 0.4], look_at_m: [0, 0, 0.25]}}
"""


def self_test() -> Finding:
    """A falling ball through all stages; it must be seen, fall, and be found whole on disk."""
    from simvid.parsing import parse_scene
    from simvid.pipeline import run

    started = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="simvid-doctor-") as folder:
            clip = run(parse_scene(SELF_TEST), folder)
            frames, heights = clip.frames("front"), clip.trajectory.poses[:, 1, 2]
            fell = float(heights[0] - heights[-1])
            ill = clip.verify()
            if frames.ids is None or not (frames.ids == 2).any():
                ill.append("the ball is not seen")
            if not 0.05 < fell < 0.1:
                ill.append(f"the ball fell {fell:.3f} m in 0.125 s, not 0.077 m")
    except SimvidError as error:
        return Finding("self-test", "tiny clip", str(error), False)
    wall = f"{time.perf_counter() - started:.1f} s"
    if ill:
        return Finding("self-test", "tiny clip", "; ".join(ill), False, "report this with what is above")
    return Finding("self-test", "tiny clip", f"made and checked in {wall}")
