"""Where assets may come from: the scene file's folder, and ``package://PACKAGE/PATH`` inside an installed package."""

from __future__ import annotations

import difflib
import hashlib
import os
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

from simvid.errors import AssetError

PREFIX = "package://"
_SUGGESTIONS = 3
_LISTED = 5000  # files looked at for suggestions
_HOW_TO_INSTALL = {
    "genesis": "; install it with  pip install 'simvid[genesis]',"
    " or with  pip install --no-deps genesis-world  for its assets only",
}


def resolve_asset(text: str, base: Path) -> Path:
    """The file that an asset path means.

    Args:
        text: a path relative to ``base``, or ``package://PACKAGE/PATH``. The package is found, never imported.
        base: folder of the scene file.

    Returns:
        An absolute path of an existing file, symbolic links resolved.

    Raises:
        AssetError: the file is missing, is not a file, or lies outside the allowed roots; or the package is missing.
    """
    if not text.strip() or any(ord(c) < 32 for c in text):
        raise AssetError(f"expected the path of a file, got {text!r}")
    if text.startswith(PREFIX):
        package, _, inner = text.removeprefix(PREFIX).partition("/")
        roots = _package_roots(package, text)
        return _first_inside(text, inner, roots, f"the package {package!r} ({', '.join(map(str, roots))})")
    if "://" in text:
        raise AssetError(f"{text}: expected a path relative to the scene file, or {PREFIX}PACKAGE/PATH; got a URL")
    return _first_inside(text, text, [base], f"the scene's folder ({base.resolve()})")


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex.

    Raises:
        AssetError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AssetError(f"{path}: cannot be read: {error.strerror}") from error


def _package_roots(package: str, text: str) -> list[Path]:
    if not package.isidentifier():
        raise AssetError(f"{text}: expected {PREFIX}PACKAGE/PATH with the name that Python imports, got {package!r}")
    try:
        spec: ModuleSpec | None = find_spec(package)  # for a top-level name this runs no code of the package
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.has_location or spec.submodule_search_locations is None:
        remedy = _HOW_TO_INSTALL.get(package, "; install the distribution that brings it, or correct its name")
        raise AssetError(f"{text}: the package {package!r} is not installed{remedy}")
    return [Path(place) for place in spec.submodule_search_locations]


def _first_inside(text: str, inner: str, roots: list[Path], allowed: str) -> Path:
    """The existing file that ``inner`` names in one of the roots."""
    if Path(inner).is_absolute() or inner.startswith(("~", "\\")):
        raise AssetError(f"{text}: expected a path relative to {allowed}, got an absolute one; {_rule(allowed)}")
    for root in roots:
        top = root.resolve()
        try:
            path = (top / inner).resolve()
            if not path.is_relative_to(top):
                raise AssetError(f"{text}: leads outside {allowed}, to {path}; {_rule(allowed)}")
            if path.is_file():
                return path
            if path.exists():
                what = "a folder" if path.is_dir() else "neither a file nor a folder"
                raise AssetError(f"{text}: expected a file, got {what}{_did_you_mean(top, inner)}")
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
            raise AssetError(f"{text}: cannot be opened: {error}") from error
    raise AssetError(f"{text}: no such file in {allowed}{_did_you_mean(roots[0].resolve(), inner)}")


def _rule(allowed: str) -> str:
    return (
        f"assets are read from {allowed} and from {PREFIX}PACKAGE/PATH only"
        if allowed.startswith("the scene")
        else f"{PREFIX} paths stay inside their package"
    )


def _did_you_mean(top: Path, inner: str) -> str:
    """The closest existing files, by path and by name, from a bounded walk that starts near the missing one."""
    start = (top / inner).resolve()
    while start != top and not start.is_dir():
        start = start.parent
    found = _walk(start, top) or _walk(top, top)
    wanted = Path(inner).as_posix()
    by_name = [f for f in found if Path(f).name.lower() == Path(inner).name.lower()]
    close = difflib.get_close_matches(wanted, found, n=_SUGGESTIONS, cutoff=0.6)
    names = {Path(f).name: f for f in reversed(found)}
    close_names = difflib.get_close_matches(Path(inner).name, list(names), n=_SUGGESTIONS, cutoff=0.6)
    best = list(dict.fromkeys([*by_name, *close, *(names[n] for n in close_names)]))[:_SUGGESTIONS]
    if not best:
        best = found[:_SUGGESTIONS]
        return f"; there is {', '.join(best)}" if best else "; there are no files at all"
    return f"; did you mean {' or '.join(best)}?"


def _walk(start: Path, top: Path) -> list[str]:
    """Up to ``_LISTED`` files under a folder, relative to ``top``, nearest and alphabetical first."""
    found: list[str] = []
    for folder, inside, files in os.walk(start):
        inside[:] = sorted(d for d in inside if not d.startswith((".", "__pycache__")))
        found += [(Path(folder) / f).relative_to(top).as_posix() for f in sorted(files) if not f.startswith(".")]
        if len(found) >= _LISTED:
            break
    return found[:_LISTED]
