"""What is recorded about the files that a scene names: content, where they come from, and their licence if told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from simvid.assets.paths import PREFIX, content_hash, resolve_asset
from simvid.clips.records import AssetRecord
from simvid.scene import Compound, Scene, Shape

WORDS = ("licence", "license", "copying")
SHOWN = 120
"""Characters of a licence's first line."""
TEXTS = (
    ("Apache-2.0", ("Apache License", "Version 2.0")),
    ("MIT", ("Permission is hereby granted, free of charge", "without restriction")),
    ("BSD-3-Clause", ("Redistribution and use in source and binary forms", "may be used to endorse or promote")),
    ("BSD-2-Clause", ("Redistribution and use in source and binary forms",)),
    ("CC0-1.0", ("CC0 1.0 Universal",)),
    ("CC-BY-4.0", ("Creative Commons Attribution 4.0 International",)),
)
"""SPDX's names of licences whose text often stands without its name, or under another one, and words of each."""


def asset_records(scene: Scene) -> Iterator[AssetRecord]:
    """Every file that a scene names, once."""
    base = Path(scene._base)
    for text in asset_paths(scene):
        package = text.removeprefix(PREFIX).partition("/")[0] if text.startswith(PREFIX) else None
        path = resolve_asset(text, base)
        root = next((p for p in path.parents if p.name == package), path.parent) if package else base.resolve()
        source, general = _distribution(package) if package else (None, None)
        yield AssetRecord(
            path=text, sha256=content_hash(path), source=source, licence=_licence_beside(path, root) or general
        )


def asset_paths(scene: Scene) -> tuple[str, ...]:
    """Meshes, captures and robots as written in the scene, each once."""
    texts = [t for body in scene.bodies for t in _shape_files(body.shape)] + [r.model for r in scene.robots]
    return tuple(dict.fromkeys(texts))


def needs_its_folder(scene: Scene) -> bool:
    """Whether something in the scene is given relative to its own folder."""
    entries = (scene.render, scene.refine.refiner)
    loose = any("/" in name or name.endswith((".yaml", ".yml")) for name in entries)
    return loose or any(not path.startswith(PREFIX) for path in asset_paths(scene))


def _shape_files(shape: Shape) -> Iterable[str]:
    value = shape.value
    if isinstance(value, Compound):
        return [path for part in value.parts for path in _shape_files(part.shape)]
    return [value.path] if hasattr(value, "path") else []


def _licence_beside(path: Path, root: Path) -> str | None:
    """The first line of the nearest licence file, from the asset's folder up to the root."""
    for folder in path.parents:
        files = sorted(p for p in folder.iterdir() if any(w in p.name.lower() for w in WORDS) and p.is_file())
        if files:
            return f"{licence_name(files[0].read_text(errors='replace'))} ({files[0].name})"
        if folder == root or root not in folder.parents:
            return None
    return None


@cache
def _distribution(package: str) -> tuple[str | None, str | None]:
    """Name and version of what installed a package, and its licence."""
    owners = metadata.packages_distributions().get(package, [])
    if not owners:
        return None, None
    distribution = metadata.distribution(owners[0])
    about = distribution.metadata
    told = [_first_line(about[key]) for key in ("License-Expression", "License") if key in about]
    told += [c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or [] if c.startswith("License ::")]
    for name in about.get_all("License-File") or []:
        text = distribution.read_text(f"licenses/{name}") or distribution.read_text(name)
        told += [f"{licence_name(text)} ({name})"] if text else []
    return f"{owners[0]} {distribution.version}", next((text for text in told if text), None)


def licence_name(text: str) -> str:
    """SPDX's name of a licence by its text; its first line where it is none of ``TEXTS``."""
    plain = " ".join(text.split())
    return next((name for name, words in TEXTS if all(word in plain for word in words)), _first_line(text))


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:SHOWN]
