"""An export from start to end: which clips, which labels, and a folder that is there whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from simvid import __version__, registry
from simvid.clip import Clip
from simvid.clips.folders import new_folder, remove, sweep
from simvid.clips.records import CLIP_FILE
from simvid.errors import ClipError, MissingExtraError
from simvid.export.base import Episode, Exporter, ExportError, Request, Tell, View, has_label
from simvid.export.encoded import Encoder, EpisodeWise, Kept
from simvid.export.verdicts import Rejected, faults_of, gate_of, without_rejected
from simvid.frames import BUFFER_LABELS, LABELS

NOTE_FILE = "simvid_export.json"
"""In the exported folder: what it was made from. Readers of the formats leave it alone."""
SCRATCH = ".encoded"
"""In a folder that is being written: clips that are encoded and not kept elsewhere."""


@dataclass(frozen=True)
class Choice:
    """What of the clips is exported.

    Attributes:
        cameras: names; empty takes all.
        labels: names of ``simvid.frames.LABELS``; None takes all that the clips have and the format holds.
        refined: name of the refinement whose pictures are written; None takes the rendered pictures.
        rejected: what becomes of clips whose refined pictures the gate rejected.
    """

    cameras: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    refined: str | None = None
    rejected: Rejected = "refuse"


def find_clips(sources: Sequence[str | Path]) -> list[Clip]:
    """The clips named, and those in the folders named, each once, folders in the order of their names.

    Raises:
        ClipError: nothing there, or a clip is damaged.
    """
    found: dict[Path, Clip] = {}
    for source in map(Path, sources):
        if (source / CLIP_FILE).is_file():
            folders = [source]
        else:
            folders = sorted(p.parent for p in source.glob(f"*/{CLIP_FILE}") if not p.parent.name.startswith("."))
        if not folders:
            raise ClipError(
                f"{source}: expected a clip folder, or a folder of clips (DIR/CLIP/{CLIP_FILE}); found none"
            )
        for folder in folders:
            key = folder.resolve()
            if key not in found:
                found[key] = Clip.open(folder)
    return list(found.values())


def exporter_of(name: str, options: Mapping[str, Any] | None = None) -> Exporter:
    """A format by its name, with its settings.

    Raises:
        SimvidError: no such format.
        ExportError: an unknown or wrong option.
        MissingExtraError: a package that it writes with is not installed.
    """
    kind: Any = registry.load("export", name.replace("-", "_"))
    for package in kind.packages:
        if find_spec(package) is None:
            raise MissingExtraError(package, "formats", f"the format {kind.name!r}")
    exporter: Exporter = kind(_settings(kind, options or {}))
    return exporter


def _settings(kind: Any, options: Mapping[str, Any]) -> BaseModel:
    model: type[BaseModel] = kind.Settings
    try:
        return model.model_validate_json(json.dumps(options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        known = ", ".join(model.model_fields) or "none"
        got = f", got {first['input']!r}" if "input" in first else ""
        raise ExportError(f"--option {key}: {first['msg']}{got}; options of {kind.name}: {known}") from error


def export(
    sources: Sequence[str | Path],
    format_name: str,
    out: str | Path,
    *,
    choice: Choice = Choice(),
    options: Mapping[str, Any] | None = None,
    replace: bool = False,
    tell: Tell = lambda _: None,
    kept: Kept | None = None,
) -> dict[str, Any]:
    """Write clips in a format.

    Args:
        sources: clip folders, or folders of clips.
        format_name: as ``simvid list formats`` says.
        out: the folder to make; it appears whole or not at all.
        choice: which cameras, labels and pictures.
        options: settings of the format.
        replace: put it in the place of an earlier export.
        tell: told of each clip that is done.
        kept: where formats that encode clip by clip find what is encoded already, and leave what is not.

    Returns:
        What was written: ``out``, ``format``, ``clips``, and what the format says.

    Raises:
        ExportError: the format cannot hold what is asked, or a clip lacks what it needs.
        ClipError: no clip, a damaged one, or the folder is there already.
    """
    exporter, final = exporter_of(format_name, options), Path(out)
    request = requested(exporter, find_clips(sources), choice, tell)
    if final.exists() and not replace:
        raise ClipError(f"{final}: is there already; choose another folder, or say --force to replace it")
    if final.exists() and not (final / NOTE_FILE).is_file():
        raise ClipError(
            f"{final}: --force replaces earlier exports alone, and this holds no {NOTE_FILE}; remove it yourself"
        )
    sweep(final.parent)
    with new_folder(final, replace=replace) as work:
        scratch = work / SCRATCH
        encoded = encoder_of(exporter, options or {}, request.labels, kept or scratch)
        request = request if encoded is None else dataclasses.replace(request, encoded=encoded)
        written = dict(exporter.write(request, work))
        remove(scratch)
        note = _note(exporter, request, choice, options or {}, written)
        (work / NOTE_FILE).write_text(json.dumps(note, indent=1, ensure_ascii=False) + "\n")
    return {"out": str(final), **{k: note[k] for k in ("format", "version", "labels")},
            "clips": len(request.episodes), **written}  # fmt: skip


def encoder_of(
    exporter: Exporter, options: Mapping[str, Any], labels: frozenset[str], place: Kept | Path
) -> Encoder | None:
    """What encodes clips one by one, kept or in a folder that goes away again; None where the format does not."""
    if not isinstance(exporter, EpisodeWise):
        return None
    return Encoder(exporter, _settings(type(exporter), options).model_dump(mode="json"), labels, place)


def requested(exporter: Exporter, clips: Sequence[Clip], choice: Choice, tell: Tell = lambda _: None) -> Request:
    """What is to be written, looked at before anything is.

    Raises:
        ExportError: the format cannot hold a label, a clip lacks a camera or a label, or the gate rejected pictures.
        ClipError: a clip lacks the refinement.
    """
    clips = without_rejected(clips, choice.refined, choice.cameras, choice.rejected, tell)
    labels = _labels(exporter, clips, choice)
    stems = _stems(clips)
    episodes = []
    for clip, stem in zip(clips, stems, strict=True):
        names = _cameras(clip, choice)
        refined = None if choice.refined is None else clip.refinement(choice.refined).name
        views = tuple(
            View(clip, name, stem if len(clip.record.cameras) == 1 else f"{stem}_{_plain(name)}", labels, refined)
            for name in names
        )
        for view in views:
            _holds_all(exporter, view)
        episodes.append(Episode(clip, stem, views))
    return Request(tuple(episodes), labels, tell)


def formats() -> dict[str, Any]:
    """Name -> class of every format that loads here."""
    return {name: registry.load("export", name) for name in registry.names("export")}


def _labels(exporter: Exporter, clips: Sequence[Clip], choice: Choice) -> frozenset[str]:
    if choice.labels is None:
        wanted = {
            label
            for label in exporter.holds
            if all(
                has_label(clip, c, label)
                for clip in clips
                for c in clip.record.cameras
                if c.name in _cameras(clip, choice)
            )
        }
        return frozenset(wanted | exporter.needs)
    for label in choice.labels:
        if label not in LABELS:
            raise ExportError(f"--labels: expected names of {', '.join(LABELS)}, got {label!r}")
        if label not in exporter.holds:
            others = [name for name, kind in formats().items() if label in kind.holds]
            can = f"these can: {', '.join(others)}" if others else "no format can; read it from the clip itself"
            raise ExportError(f"--labels: the format {exporter.name!r} cannot hold {label}; {can}")
    return frozenset(choice.labels) | exporter.needs


def _holds_all(exporter: Exporter, view: View) -> None:
    missing = sorted(label for label in view.labels if not has_label(view.clip, view.record, label))
    if missing:
        what = "needs" if missing[0] in exporter.needs else "was asked for"
        more = ",".join(["all", *(label for label in missing if label in BUFFER_LABELS)])
        raise ExportError(
            f"{view.clip.path}: camera {view.camera!r} was made without {', '.join(missing)}, which {exporter.name} "
            f"{what}; make it again:  simvid render {view.clip.path} --labels {more}"
        )


def _cameras(clip: Clip, choice: Choice) -> tuple[str, ...]:
    known = tuple(c.name for c in clip.record.cameras)
    if not known:
        raise ExportError(f"{clip.path}: has no camera; render it first:  simvid render {clip.path}")
    for name in choice.cameras:
        if name not in known:
            raise ExportError(f"--camera: {clip.path} has {', '.join(known)}, got {name!r}")
    return choice.cameras or known


def _stems(clips: Sequence[Clip]) -> list[str]:
    """A name for each clip's files: that of its folder, numbered where two have the same."""
    plain = [_plain(clip.path.resolve().name) for clip in clips]
    twice = {name for name, count in Counter(plain).items() if count > 1}
    return [f"{name}_{k:06d}" if name in twice else name for k, name in enumerate(plain)]


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _note(
    exporter: Exporter, request: Request, choice: Choice, options: Mapping[str, Any], written: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "format": exporter.name,
        "version": exporter.version,
        "simvid": __version__,
        "labels": sorted(request.labels),
        "pictures": choice.refined or "as rendered",
        "options": dict(options),
        "clips": [
            {
                "stem": e.stem, "name": e.clip.name, "content_hash": e.clip.content_hash, "seed": e.clip.record.seed,
                "caption": e.caption,
                "sample_index": e.clip.record.sample_index, "cameras": [v.camera for v in e.views],
                "licences": sorted({a.licence for a in e.clip.record.assets if a.licence}), **faults_of(e.clip),
                "gate": gate_of(e.clip, choice.refined, [v.camera for v in e.views]),
            }
            for e in request.episodes
        ],
        "written": dict(written),
    }  # fmt: skip
