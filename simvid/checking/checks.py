"""All self-checks of a camera, in a row."""

from __future__ import annotations

from collections.abc import Callable

from simvid.checking.base import Subject
from simvid.checking.box_checks import boxes_are_tight
from simvid.checking.contact_checks import contacts_touch
from simvid.checking.file_checks import files_hold
from simvid.checking.flow_checks import flow_follows_pose, flow_returns
from simvid.checking.support import ids_match_surfaces
from simvid.clips.records import CheckRecord

CHECKS: tuple[Callable[[Subject], CheckRecord], ...] = (
    flow_follows_pose,
    flow_returns,
    ids_match_surfaces,
    boxes_are_tight,
    contacts_touch,
    files_hold,
)


def self_checks(subject: Subject) -> tuple[CheckRecord, ...]:
    """Run all checks on the folder of one camera.

    Raises:
        ClipError: an array that a check reads is damaged.
    """
    return tuple(check(subject) for check in CHECKS)
