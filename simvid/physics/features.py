"""What of the language of forces an engine can do, by name, so that it can refuse the rest and a table can be made."""

from __future__ import annotations

from collections.abc import Iterator

from simvid import registry
from simvid.errors import SceneError
from simvid.scene import Scene
from simvid.scene.bodies import may_break

FORCES = ("wind", "vortex", "acceleration", "attract", "impulse", "hold", "conveyor")
FEATURES: dict[str, str] = {
    **{f"forces.{name}": f"{name} in forces" for name in FORCES},
    "attachments": "ties between bodies for a time",
    "joint.motors": "motors on hinges and sliders",
    "joint.limits": "limits of hinges and sliders",
    "joint.spring": "springs in hinges and sliders",
    "joint.breaks": "joints and ties that break",
}
"""Name -> what it is."""
ALL = frozenset(FEATURES)


def wanted(scene: Scene) -> Iterator[tuple[str, str]]:
    """(feature, field) of all that a scene asks for."""
    for k, force in enumerate(scene.forces):
        yield f"forces.{force.kind}", f"forces[{k}].{force.kind}"
    for k, tie in enumerate(scene.attachments):
        yield "attachments", f"attachments[{k}]"
        if tie.breaks is not None:
            yield "joint.breaks", f"attachments[{k}].breaks"
    for k, body in enumerate(scene.bodies):
        if body.joint is None:
            continue
        joint, field = body.joint.value, f"bodies[{k}].joint.{body.joint.kind}"
        for feature, keys in (
            ("joint.motors", ("motors",)), ("joint.limits", ("limits_deg", "limits_m")),
            ("joint.spring", ("stiffness_n_m_rad", "stiffness_n_m")),
        ):  # fmt: skip
            for key in keys:
                if getattr(joint, key, None):
                    yield feature, f"{field}.{key}"
        if may_break(body.joint) is not None:
            yield "joint.breaks", f"{field}.breaks"


def check_features(scene: Scene, engine: str, able: frozenset[str]) -> None:
    """Refuse what an engine cannot do, all at once.

    Raises:
        SceneError: one line for each, naming the engines that can.
    """
    missing = [(feature, field) for feature, field in wanted(scene) if feature not in able]
    if not missing:
        return
    lines = []
    for feature, field in missing:
        others = [name for name in registry.names("physics") if name != engine and feature in _features(name)]
        remedy = f"use engine {', '.join(map(repr, others))}" if others else "no installed engine can"
        lines.append(f"{scene.where(field)}: engine {engine!r} cannot do {FEATURES[feature]}: {remedy}")
    raise SceneError("\n".join(lines))


def _features(engine: str) -> frozenset[str]:
    """What another engine says that it can do; nothing where it cannot be loaded."""
    found: frozenset[str]
    try:
        found = getattr(registry.load("physics", engine), "features", frozenset())
    except Exception:  # an engine whose package is missing or broken is no way out
        return frozenset()
    return frozenset(found)
