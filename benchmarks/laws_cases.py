"""What bench_laws measures: scenes in our own language, and what closed forms and experiments say of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from simvid.assets.parts import SceneAssets
from simvid.trajectory import Trajectory

Measure = Callable[[Trajectory, SceneAssets], float]


@dataclass(frozen=True)
class Quantity:
    """One figure of a case.

    Attributes:
        name, unit: of the figure.
        wanted: what the law says.
        measure: the figure from a trajectory.
        error: relative to what is wanted, or the plain difference.
        source: of the law.
    """

    name: str
    unit: str
    wanted: float
    measure: Measure
    error: Literal["relative", "absolute"] = "relative"
    source: str = ""


@dataclass(frozen=True)
class Case:
    """A scene and its figures.

    Attributes:
        name: of the case.
        text: the scene, YAML.
        quantities: its figures.
        asked: True where it measures whether a number of the scene file is what happens.
        quick: whether ``--quick`` runs it.
    """

    name: str
    text: str
    quantities: tuple[Quantity, ...]
    asked: bool = False
    quick: bool = False


def scene(
    bodies: str, *, seconds: float, fps: float = 50, gravity: tuple[float, ...] = (0.0, 0.0, -9.81),
    materials: str = "", ground: str = "", step_s: float | None = 0.002, more: str = "",
) -> str:  # fmt: skip
    """The text of a scene; bodies and materials are lines of YAML that begin with two blanks."""
    step = "" if step_s is None else f", step_s: {step_s!r}"
    parts = [
        "simvid: 1", f"duration_s: {seconds!r}", f"fps: {fps!r}",
        f"physics: {{gravity_m_s2: {list(gravity)!r}{step}}}",
        "cameras: [{name: view, pose: {look_from_m: [5, -5, 5], look_at_m: [0, 0, 0]}}]",
    ]  # fmt: skip
    parts += [f"materials:\n{materials}"] if materials else []
    parts += [f"ground: {{material: {ground}}}"] if ground else []
    return "\n".join([*parts, more, f"bodies:\n{bodies}"]) + "\n"
