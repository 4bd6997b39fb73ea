"""Check (e): contact points against the masks of the things that touch."""

from __future__ import annotations

import numpy as np

from simvid.checking.base import Array, Mask, Subject
from simvid.clips.records import CheckRecord
from simvid.motion import motion_of, seen_at
from simvid.trajectory import EVENTS

REACH_PX = 2.0
MOST_FRAMES = 8
OUTSIDE_SHARE = 0.02


def contacts_touch(subject: Subject) -> CheckRecord:
    """(e) Contact points lie on one of the two things that touch, as the camera sees them.

    A row of frame i stands for the time since frame i - 1. So its point may lie off the mask of a body at frame i by
    2 px and by as much as the body moved in the picture meanwhile: from frame to frame, or, for what came and went
    again between the two, at the speed it has at either since the first touch. A mask is that of the part's surface
    drawn alone (amodal), or for captures the visible pixels. What deforms touches with many particles, and its contact
    is their middle: it may lie between two feet, so anywhere within the convex hull of the mask. The ground does not
    count as a thing: its mask is everywhere.
    Contacts are looked at in up to 8 frames that have some; those outside the picture, or of bodies of which no pixel
    is seen, are left out.
    """
    contacts = subject.trajectory.contacts
    if not subject.has("ids"):
        return subject.record("contacts_touch", None, note=subject.missing("ids"))
    alive = contacts.event != EVENTS.index("end")
    frames = np.unique(contacts.frame[alive])
    frames = frames[np.unique(np.linspace(0, len(frames) - 1, MOST_FRAMES).round().astype(int))] if len(frames) else []
    seen, outside, worst_px, worst = 0, 0, 0.0, ""
    for i, ids in zip(frames, subject.read("ids", [int(f) for f in frames]), strict=True):
        masks: dict[int, Mask] = {}
        for row in np.flatnonzero(alive & (contacts.frame == i)):
            off = _off(subject, int(i), int(row), ids, masks)
            if off is None:
                continue
            seen += 1
            outside += off > REACH_PX
            if off > worst_px:
                names = [subject.trajectory.parts[k - 1].name for k in (contacts.id_a[row], contacts.id_b[row])]
                worst_px, worst = off, f"frame {i}, {names[0]!r} and {names[1]!r}"
    if not seen:
        return subject.record("contacts_touch", None, frames=tuple(int(f) for f in frames), note="no contact is seen")
    found = {"outside_share": outside / seen, "farthest_px": worst_px, "contacts": float(seen)}
    return subject.judged(
        "contacts_touch", found, {"outside_share": OUTSIDE_SHARE}, [int(f) for f in frames], f"farthest {worst}"
    )


def _off(subject: Subject, frame: int, row: int, ids: Array, masks: dict[int, Mask]) -> float | None:
    """How far [px] a contact's point is from the nearer mask, less what the body moved; None where it is not seen."""
    contacts, camera = subject.trajectory.contacts, subject.camera
    point = contacts.point_m[row]
    uv, _ = seen_at(camera, frame, point)
    if not ((uv >= 0) & (uv < [camera.width, camera.height])).all():
        return None
    best: float | None = None
    for k in (int(contacts.id_a[row]), int(contacts.id_b[row])):
        if subject.trajectory.parts[k - 1].kind == "ground" or not (ids == k).any():
            continue
        if k not in masks:
            known = subject.artist.meshes.has_surface()[k] and not subject.artist.meshes.captured[k]
            masks[k] = subject.artist.mask(frame, [k]) if known else np.asarray(ids == k)
        soft = any(body.part == k - 1 for body in subject.trajectory.particles)
        away = hull_distance(masks[k], uv) if soft else _distance(masks[k], uv)
        off = max(0.0, away - _moved(subject, row, k))
        best = off if best is None else min(best, off)
    return best


def _moved(subject: Subject, row: int, part: int) -> float:
    """How far a contact's point of a part came in the picture since the frame before [px].

    Where it is a frame earlier does not tell for what bounced between the two; so it is also taken back from the time
    of the frame to that of the first touch, with the velocity that the part has there at either frame.
    """
    trajectory, camera = subject.trajectory, subject.camera
    frame, point = int(trajectory.contacts.frame[row]), trajectory.contacts.point_m[row]
    if frame == 0:
        return 0.0
    old = motion_of(trajectory)(point, np.array(part, np.int32), frame, frame - 1)
    uv, _ = seen_at(camera, frame, point)
    places = [seen_at(camera, frame - 1, old)[0]]
    since_s = float(np.clip(frame / trajectory.fps - trajectory.contacts.time_s[row], 0, 1 / trajectory.fps))
    for f in (frame - 1, frame):
        linear, angular = np.split(trajectory.twists[f, part - 1], 2)
        velocity = linear + np.cross(angular, point - trajectory.poses[f, part - 1, :3])
        places.append(seen_at(camera, frame, point - velocity * since_s)[0])
    return float(np.nan_to_num(np.linalg.norm(np.array(places) - uv, axis=-1)).max())


def _distance(mask: Mask, uv: Array) -> float:
    """From a place to the nearest pixel of a mask [px]; 0 inside it, infinite for an empty mask."""
    v, u = np.nonzero(mask)
    if not len(u):
        return float("inf")
    du = np.maximum(np.abs(u + 0.5 - uv[0]) - 0.5, 0)
    dv = np.maximum(np.abs(v + 0.5 - uv[1]) - 0.5, 0)
    return float(np.sqrt((du * du + dv * dv).min()))


def hull_distance(mask: Mask, uv: Array) -> float:
    """From a place to the convex hull of a mask's pixels [px]; 0 inside it, infinite for an empty mask."""
    from scipy.spatial import ConvexHull

    v, u = np.nonzero(mask)
    if not len(u):
        return float("inf")
    corners = np.concatenate([np.stack([u + a, v + b], axis=1) for a in (0, 1) for b in (0, 1)])
    hull = corners[ConvexHull(corners).vertices].astype(np.float64)
    ahead = np.roll(hull, -1, axis=0) - hull
    side = ahead[:, 0] * (uv[1] - hull[:, 1]) - ahead[:, 1] * (uv[0] - hull[:, 0])
    if (side >= 0).all():  # its corners go counter-clockwise
        return 0.0
    share = np.clip(((uv - hull) * ahead).sum(axis=1) / (ahead * ahead).sum(axis=1), 0, 1)
    return float(np.linalg.norm(uv - hull - share[:, None] * ahead, axis=1).min())
