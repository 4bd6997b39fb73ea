"""The shelves: ``scenes/``, ``renderers/``, ``refiners/``. One entry is one YAML file, known by its name.

Light on purpose: listing the shelves loads neither pydantic nor numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from simvid.errors import SceneError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from simvid.yaml_reading import Document

    SettingsT = TypeVar("SettingsT", bound=BaseModel)

Shelf: TypeAlias = Literal["scenes", "renderers", "refiners"]
SHELVES: tuple[Shelf, ...] = ("scenes", "renderers", "refiners")
BackendShelf: TypeAlias = Literal["renderers", "refiners"]
_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Entry:
    """A file on a shelf."""

    name: str
    """The file's name without its ending."""
    path: Path
    summary: str
    """Its first comment line."""


@dataclass(frozen=True)
class BackendEntry:
    """A file on the renderers or refiners shelf, read."""

    name: str
    backend: str
    """A registered name (see ``simvid.registry``), never a dotted path."""
    settings: Mapping[str, Any]
    """As written; ``settings_as`` checks them."""
    path: Path
    document: Document

    def settings_as(self, model: type[SettingsT]) -> SettingsT:
        """The settings as the backend's own frozen model.

        Raises:
            SceneError: every unknown key and wrong value, with file and line.
        """
        from simvid.parsing.entries import settings_of

        return settings_of(self.document, model)


def folder(shelf: Shelf) -> Path:
    """Where a shelf lies: in the installed package, else beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "catalogue_data" / shelf
    return installed if installed.is_dir() else package.parent / shelf


def entries(shelf: Shelf) -> tuple[Entry, ...]:
    """Everything on a shelf, subfolders too, by name.

    Raises:
        SceneError: two files have the same name.
    """
    found: dict[str, Entry] = {}
    for path in sorted(p for p in folder(shelf).rglob("*") if p.suffix in _ENDINGS and p.is_file()):
        if path.stem in found:
            raise SceneError(
                f"{shelf}: expected each name once, got {path.stem!r} in {found[path.stem].path} and {path}"
            )
        found[path.stem] = Entry(path.stem, path, _summary(path))
    return tuple(found[name] for name in sorted(found))


def find(shelf: Shelf, name_or_path: str, base: Path | None = None) -> Path:
    """The file of an entry.

    Args:
        shelf: where to look for a name.
        name_or_path: the name of an entry; or, with a ``/`` or ending in ``.yaml``, the path of a file.
        base: folder that a relative path starts from; None is the working directory.

    Raises:
        SceneError: no such entry or file; the text has the closest name and all names.
    """
    if name_or_path.endswith(_ENDINGS) or "/" in name_or_path:
        path = (base or Path()) / name_or_path
        if path.is_file():
            return path
        raise SceneError(_no_file(path, name_or_path))
    known = {entry.name: entry.path for entry in entries(shelf)}
    if name_or_path not in known:
        path = (base or Path()) / name_or_path
        if path.exists() or any(path.with_suffix(e).is_file() for e in _ENDINGS):
            raise SceneError(_no_file(path, name_or_path))
        raise SceneError(
            f"{shelf}: expected a name on the shelf, got {name_or_path!r}\n  hint: {hint(name_or_path, known)}"
        )
    return known[name_or_path]


def _no_file(path: Path, got: str) -> str:
    """Why a path is no entry, and which one may be meant."""
    if path.is_dir():
        clip = "; it is a clip, see simvid show" if (path / "clip.json").is_file() else ""
        return f"expected a .yaml file, got the folder {got!r}{clip}"
    if path.is_file():
        return f"expected a .yaml file, got {got!r}"
    near = [path.with_suffix(e).name for e in _ENDINGS if path.with_suffix(e).is_file()]
    beside = sorted(p.name for p in path.parent.glob("*") if p.suffix in _ENDINGS) if path.parent.is_dir() else []
    near = near or [name for name in beside if Path(name).stem in get_close_matches(path.stem, _stems(beside), n=1)]
    return f"expected a file, got {got!r}: nothing there" + (f"\n  hint: did you mean {near[0]!r}?" if near else "")


def _stems(names: Iterable[str]) -> list[str]:
    """Without endings, so that files are not alike for ending alike."""
    return [Path(name).stem for name in names]


def hint(name: str, known: Mapping[str, object]) -> str:
    """The closest of the known names, and all of them."""
    near = get_close_matches(name, known, n=1)
    names = f"known: {', '.join(known) or 'none'}"
    return f"did you mean {near[0]!r}? {names}" if near else names


def load_entry(shelf: BackendShelf, name_or_path: str, base: Path | None = None) -> BackendEntry:
    """Read an entry that names a backend: ``backend: REGISTERED_NAME`` and ``settings: {…}``.

    Raises:
        SceneError: no such entry, or faults in its file, each with its line.
    """
    from simvid.parsing.entries import read_entry

    path = find(shelf, name_or_path, base)
    document, backend, settings = read_entry(path)
    return BackendEntry(path.stem, backend, settings, path, document)


def _summary(path: Path) -> str:
    """The first comment line that is not for editors."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            text = line.strip()
            if text and not text.startswith("#"):
                break
            words = text.lstrip("# ").strip()
            if words and not words.startswith("yaml-language-server:"):
                return words
    return ""
