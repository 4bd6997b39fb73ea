"""One clip encoded for a data set, in a worker, beside clips that are being made."""

from __future__ import annotations

from pathlib import Path

from simvid.clip import Clip
from simvid.clips.folders import DENIED, FULL
from simvid.errors import SimvidError
from simvid.export.encoded import Encoder
from simvid.export.job import encoder_of, exporter_of, requested
from simvid.generating.data_set import DataSet, kept
from simvid.generating.job_folder import JobFolder
from simvid.generating.worker import Make, Plain


def maker(kind: str, shared: Plain) -> Make:
    """Encodes clip after clip of a job; one that is encoded already is found."""
    data, job = DataSet(**shared["data_set"]), JobFolder(Path(shared["out"]))
    exporter, place = exporter_of(data.format, data.options), kept(job)
    encoders: dict[frozenset[str], Encoder] = {}  # each looks through all that is kept when it is made

    def make(task: Plain) -> Plain:
        clip = job.out / task["encode"]
        try:
            request = requested(exporter, [Clip.open(clip)], data.choice)
            if request.labels not in encoders:
                encoder = encoder_of(exporter, data.options, request.labels, place)
                assert encoder is not None, "the format was checked"
                encoders[request.labels] = encoder
            encoders[request.labels](request.episodes[0])
        except SimvidError as error:
            cause = error.__cause__
            full = isinstance(cause, OSError) and cause.errno in (*FULL, *DENIED)
            return {"state": "storage" if full else "failed", "reason": str(error)}
        return {"state": "encoded"}

    return make
