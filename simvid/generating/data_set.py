"""A data set that grows with a job: its clips are encoded while others are made, and put together at the end."""

from __future__ import annotations

import fcntl
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from simvid.clip import Clip
from simvid.clips.folders import clear_os_errors
from simvid.errors import UsageError
from simvid.export.base import caption_of
from simvid.export.encoded import EpisodeWise, Kept
from simvid.export.job import NOTE_FILE, Choice, export, exporter_of, formats
from simvid.export.verdicts import gate_of
from simvid.generating.job_folder import JobFolder
from simvid.jobs.stage_inputs import code_version


@dataclass(frozen=True)
class DataSet:
    """What becomes of the clips of a job.

    Attributes:
        format: name of a format that encodes clip by clip.
        options: its settings.
        refined: the refinement whose pictures it has; None takes the rendered ones.
    """

    format: str
    options: dict[str, Any] = field(default_factory=dict)
    refined: str | None = None

    @property
    def choice(self) -> Choice:
        """What of the clips is in it."""
        return Choice(refined=self.refined)

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    def checked(self) -> DataSet:
        """Itself.

        Raises:
            SimvidError: no such format, one that cannot grow, or a wrong option.
        """
        exporter = exporter_of(self.format, self.options)
        if not isinstance(exporter, EpisodeWise):
            growing = [name for name, kind in formats().items() if hasattr(kind, "encode")]
            raise UsageError(
                f"--format: {self.format} is written in one go, when all clips are there: leave out --format and run  "
                f"simvid export  afterwards; these grow with the clips: {', '.join(growing)}"
            )
        return self

    def folder(self, job: JobFolder) -> Path:
        """Where it is put together."""
        return job.out / self.format


def kept(job: JobFolder) -> Kept:
    """Where the encoded clips of a job are."""
    return Kept(job.folder / "encoded", code_version("export"))


def put_together(job: JobFolder, data: DataSet) -> Path | None:
    """Write the data set of a job from its encoded clips; None while clips are missing that another run may make.

    Raises:
        ExportError: the clips do not fit the format together.
    """
    made, failed = job.made(), job.failed()
    if not made or any(name not in made and name not in failed for name in job.names()):
        return None
    folder = data.folder(job)
    with clear_os_errors(job.folder), (job.folder / "assembling").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        clips = [job.out / made[name].clip for name in sorted(made)]
        if not _is_of(folder, clips, data):
            export(clips, data.format, folder, choice=data.choice, options=data.options, replace=True, kept=kept(job))
    return folder


def _is_of(folder: Path, clips: list[Path], data: DataSet) -> bool:
    """Whether a data set is there already, of these clips, their captions and verdicts of the gate, and settings."""
    try:
        note = json.loads((folder / NOTE_FILE).read_bytes())
    except (OSError, ValueError):
        return False
    held = [(clip["content_hash"], clip.get("caption"), clip.get("gate")) for clip in note["clips"]]
    settings = (note["format"], note["options"], note["pictures"])
    wanted = (data.format, data.options, data.choice.refined or "as rendered")
    return settings == wanted and held == [
        (clip.content_hash, caption_of(clip), gate_of(clip, data.refined, ())) for clip in map(Clip.open, clips)
    ]
