"""The receipt of a clip: the one in its record, or one made anew from its trajectory and its scene."""

from __future__ import annotations

from simvid.assets.prepare import prepare
from simvid.checking.receipts.evidence import Curve
from simvid.checking.receipts.receipt import receipt_and_curves
from simvid.clip import Clip
from simvid.clips.receipt_records import ReceiptRecord
from simvid.clips.records import TRAJECTORY_FILE


def receipt_of_clip(clip: Clip) -> ReceiptRecord:
    """The receipt in the clip's record, where that is about its trajectory; else, as for old clips, one made now.

    Raises:
        SimvidError: it has none, and a file that its scene names cannot be read.
    """
    stored, digest = clip.record.receipt, clip.record.files[TRAJECTORY_FILE].digest
    if stored is not None and stored.trajectory == digest:
        return stored
    return receipt_with_curves(clip)[0]


def receipt_with_curves(clip: Clip) -> tuple[ReceiptRecord, dict[str, tuple[Curve, ...]]]:
    """The receipt made now, and the curves of each law by its name.

    Raises:
        SimvidError: a file that the scene names cannot be read.
        ClipError: the trajectory is damaged, or the clip is of another scene language.
    """
    digest = clip.record.files[TRAJECTORY_FILE].digest
    return receipt_and_curves(prepare(clip.scene), clip.trajectory, digest)
