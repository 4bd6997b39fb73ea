"""The receipt of a trajectory: every law in a row. It is a function of what is stored, so old clips have one too."""

from __future__ import annotations

from collections.abc import Callable

from simvid import trajectory_io
from simvid.assets.parts import SceneAssets
from simvid.checking.receipts.elements import element_depth
from simvid.checking.receipts.energy import energy
from simvid.checking.receipts.evidence import Curve, Evidence, Finding
from simvid.checking.receipts.forces import contact_forces
from simvid.checking.receipts.joints import joint_limits, ties
from simvid.checking.receipts.matter import cfl, particle_depth, volume
from simvid.checking.receipts.momentum import momentum, spin
from simvid.checking.receipts.motion import fastest, jumps, masses
from simvid.checking.receipts.penetration import penetration
from simvid.checking.receipts.sheets import through_cloth
from simvid.clips.receipt_records import ReceiptRecord
from simvid.trajectory import Trajectory

LAWS: tuple[Callable[[Evidence], Finding], ...] = (
    momentum, spin, jumps, penetration, ties, joint_limits, contact_forces, volume, particle_depth, through_cloth,
    element_depth, cfl, fastest, masses,
)  # fmt: skip


def receipt_of(assets: SceneAssets, trajectory: Trajectory, digest: str | None = None) -> ReceiptRecord:
    """The receipt.

    Args:
        assets: of the scene.
        trajectory: of the same parts.
        digest: the trajectory's, where it is known.
    """
    return receipt_and_curves(assets, trajectory, digest)[0]


def receipt_and_curves(
    assets: SceneAssets, trajectory: Trajectory, digest: str | None = None
) -> tuple[ReceiptRecord, dict[str, tuple[Curve, ...]]]:
    """The receipt, and the curves of each law by its name."""
    evidence = Evidence(assets, trajectory)
    first, budget = energy(evidence)
    findings = [first, *(law(evidence) for law in LAWS)]
    record = ReceiptRecord(
        trajectory=digest or trajectory_io.digest(trajectory),
        laws=tuple(f.record for f in findings),
        energy_j=budget,
        drives=evidence.groups.names(),
    )
    return record, {f.record.name: f.curves for f in findings if f.curves}
