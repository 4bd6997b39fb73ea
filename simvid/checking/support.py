"""Check (c): the ids and the depth against the surfaces of the parts, drawn without the renderer."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from simvid.checking.base import BORDER_PX, FEWEST_PX, Mask, Subject, grown, spread
from simvid.clips.records import CheckRecord
from simvid.lens import pixel_centers, unproject
from simvid.motion import picture_to_world

WRONG_SHARE = 0.02
DEPTH_SHARE = 0.01


def ids_match_surfaces(subject: Subject) -> CheckRecord:
    """(c) The mask of each part is the support of its depth, and that depth is its surface's.

    The nearest surface of each pixel is found from meshes, poses and camera alone. A pixel of part k is wrong where no
    surface of k is in front within 2 px, nor would be if k alone reached 2 px further; a pixel well inside (2 px) k's
    surface is wrong where the id is another. What is thinner than a pixel may pass in front between the centres of
    pixels: it is looked for by its edges. The share of wrong pixels is taken over all pixels of a part in the frames
    looked at. Beside it, the median over a part of the relative difference between its depth and its surface's. Pixels
    of captures are left out: their surface is not known. Surfaces are drawn beyond the picture, so that its edge is no
    border of a part.
    """
    if not subject.has("ids", "depth"):
        return subject.record("ids_match_surfaces", None, note=subject.missing("ids", "depth"))
    frames = spread(subject.count)
    wrong: Counter[int] = Counter()
    total: Counter[int] = Counter()
    depths: dict[int, list[NDArray[np.float64]]] = {}
    judged = _judged_parts(subject)
    grounds = {k for k, part in enumerate(subject.trajectory.parts, start=1) if part.kind == "ground"}
    for i, ids, depth in zip(frames, subject.read("ids", frames), subject.read("depth", frames), strict=True):
        z, owners = surfaces(subject, i)
        m = subject.artist.margin_px
        shown = np.s_[m : m + len(ids), m : m + ids.shape[1]]
        unknown = ~judged[ids]
        for k in np.union1d(np.unique(ids), np.unique(owners)).tolist():
            if k == 0 or not judged[k]:
                continue
            mask, support = ids == k, owners == k
            inside, stray = ~grown(~support, BORDER_PX)[shown], mask & ~grown(support, BORDER_PX)[shown]
            if stray.any():
                stray &= ~(_may_show(subject, i, k, z, owners) | _thin(subject, i, k, z, owners))[shown]
            other = inside & ~mask & ~unknown & ((ids > 0) | (k not in grounds))  # far ground may be drawn as sky
            for j in np.unique(ids[other]).tolist():
                other &= ~((ids == j) & _thin(subject, i, j, z, owners)[shown])
            bad = stray | other
            wrong[k] += int(np.count_nonzero(bad))
            total[k] += int(np.count_nonzero(mask | inside))
            both = mask & inside
            depths.setdefault(k, []).append(np.abs(depth[both] / z[shown][both].astype(np.float64) - 1))
    parts = [k for k, n in total.items() if n >= FEWEST_PX]
    if not parts:
        return subject.record("ids_match_surfaces", None, frames=tuple(frames), note="no part with a mesh is seen")
    shares = {k: wrong[k] / total[k] for k in parts}
    medians = {k: float(np.median(d)) for k in parts if len(d := np.concatenate(depths[k])) >= FEWEST_PX}
    worst = max(shares, key=lambda k: shares[k])
    deepest = max(medians, key=lambda k: medians[k]) if medians else worst
    found = {"wrong_share": shares[worst], "depth_median_share": medians.get(deepest, np.nan)}
    limits = {"wrong_share": WRONG_SHARE, "depth_median_share": DEPTH_SHARE}
    names = [subject.trajectory.parts[k - 1].name for k in (worst, deepest)]
    note = f"worst mask {names[0]!r}, worst depth {names[1]!r}"
    return subject.judged("ids_match_surfaces", found, limits, frames, note)


def _judged_parts(subject: Subject) -> Mask:
    """Parts whose surface is known, by id: meshes and the ground; 0 is known to be nothing."""
    meshes = subject.artist.meshes
    judged = meshes.has_surface() & ~meshes.captured
    for k, part in enumerate(subject.trajectory.parts, start=1):
        judged[k] |= part.kind == "ground"
    judged[0] = True
    return judged


def surfaces(subject: Subject, frame: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Nearest surface of each pixel, the ground among them: z [m] and part id, with the artist's margin around."""
    z, owners = subject.artist.draw(frame)
    for k, part in enumerate(subject.trajectory.parts, start=1):
        if part.kind == "ground":
            at = _ground_depth(subject, frame, k)
            nearer = at < z
            z[nearer], owners[nearer] = at[nearer], k
    return z, owners


def _may_show(subject: Subject, frame: int, k: int, z: NDArray[np.float32], owners: NDArray[np.int32]) -> Mask:
    """Where part k may show if borders may lie up to ``BORDER_PX`` off, given the nearest surfaces' z [m] and parts.

    What is all but hidden behind a thing of nearly its own outline shows as a rim around that thing, thinner than the
    distance of two pixels' centres, or not at all. So what counts is where the part would be if it were alone, that
    near, and that the pixel's own nearest surface is not in front of it. Where that surface is at its part's border, it
    may as well end before the pixel: what the pixels around see further back counts then.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    ground = subject.trajectory.parts[k - 1].kind == "ground"
    alone = _ground_depth(subject, frame, k) if ground else subject.artist.draw(frame, [k])[0]
    width = 2 * BORDER_PX + 1
    nearest = minimum_filter(alone, width)
    at_border = minimum_filter(owners, width) != maximum_filter(owners, width)
    before = np.where(at_border, maximum_filter(z, width), z)
    return np.asarray(np.isfinite(nearest) & (nearest <= before))


def _thin(subject: Subject, frame: int, k: int, z: NDArray[np.float32], owners: NDArray[np.int32]) -> Mask:
    """Pixels up to ``BORDER_PX`` from where part k passes between their centres, in front of all else.

    A surface that touches a pixel covers its centre or has an edge in it. k is thin where an edge of it is in front of
    the nearest other surface of the pixel and of those around it, and none of their centres meets k.
    """
    from scipy.ndimage import minimum_filter

    behind = minimum_filter(np.where(owners == k, np.float32(np.inf), z), 3)
    edges = subject.artist.edges(frame, [k]) < behind
    return grown(edges & ~grown(owners == k, 1), BORDER_PX)


def _ground_depth(subject: Subject, frame: int, k: int) -> NDArray[np.float32]:
    """z [m] of the ground, part k, with the artist's margin around; +inf where it is not met."""
    at = _plane_depth(subject, frame, float(subject.trajectory.poses[frame, k - 1, 2]))
    return np.pad(at, subject.artist.margin_px, mode="edge")


def _plane_depth(subject: Subject, frame: int, height_m: float) -> NDArray[np.float32]:
    """z [m] of a level plane at each pixel's centre, +inf where it is not met."""
    camera = subject.camera
    centers = pixel_centers(camera)
    start, end = (
        picture_to_world(camera, frame, unproject(camera, centers, np.full(centers.shape[:2], z)))[..., 2]
        for z in (0.0, 1.0)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (height_m - start) / (end - start)
        return np.where(z > 0, z, np.inf).astype(np.float32)
