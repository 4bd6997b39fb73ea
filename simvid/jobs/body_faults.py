"""Bodies that a scene names, or kicks, in ways that they cannot answer; looked at once all bodies are made."""

from __future__ import annotations

import math
from collections.abc import Iterator

from simvid.assets.parts import SceneAssets
from simvid.field_paths import Loc
from simvid.field_paths import text as field_text
from simvid.physics.influences import movable
from simvid.physics.soft_materials import by_mpm, by_thin
from simvid.physics.watch import MAX_SPEED_M_S
from simvid.scene.actions import names_in
from simvid.scene.predicates import Apart, Touching
from simvid.success import unknown_body


def body_faults(assets: SceneAssets) -> list[str]:
    """Names in scripts, their noise and ``success`` that are no body's, and what deformable bodies cannot do."""
    return [f"{assets.scene.where(field_text(loc))}: {fault}" for look in LOOKS for loc, fault in look(assets)]


def _named(assets: SceneAssets) -> list[tuple[Loc, str]]:
    """All names, with their fields."""
    scene = assets.scene
    named: list[tuple[Loc, str]] = [(("success", *loc), name) for loc, name in names_in(scene.success)]
    for k, robot in enumerate(scene.robots):
        for n, action in enumerate(robot.script):
            named += [(("robots", k, "script", n, *loc), name) for loc, name in action.bodies()]
        if robot.noise is not None and robot.noise.pushes is not None:
            named += [(("robots", k, "noise", "pushes", "of", n), name) for n, name in enumerate(robot.noise.pushes.of)]
    return named


def _names(assets: SceneAssets) -> Iterator[tuple[Loc, str]]:
    """Names that are not there."""
    bodies = {p.part.name for p in assets.parts}
    things = bodies | {p.part.instance for p in assets.parts}
    for loc, name in _named(assets):
        known = things if {"touching", "apart"} & set(loc) else bodies
        if name not in known:
            yield loc, unknown_body(name, known)


def _unmeasured(assets: SceneAssets) -> Iterator[tuple[Loc, str]]:
    """Predicates that nothing measures."""
    parts = assets.parts
    for loc, name in _named(assets):
        if "near" in loc and any(p.part.name == name and p.part.kind == "ground" for p in parts):
            yield loc, f"expected a body with a middle, got {name!r}: use above: {{body: …, of: {name}, gap_m: …}}"
    for k, predicate in enumerate(assets.scene.success):
        pair = predicate.value
        if not isinstance(pair, Touching | Apart):
            continue
        names = pair.body, pair.other
        one, two = ([p.deformable for p in parts if name in (p.part.name, p.part.instance)] for name in names)
        if any(by(a) and by(b) for by in (by_mpm, by_thin) for a in one for b in two):
            text = f"expected a thing whose contacts with {names[0]!r} are recorded, got {names[1]!r}: those within "
            text += "cloth, rope and method: fem, and those among bodies of particles, are not; use near or above"
            yield ("success", k, predicate.kind, "other"), text


def _unseen(assets: SceneAssets) -> Iterator[tuple[Loc, str]]:
    """What deforms in scripts: the robots' plans and the copies that they are tried out in have rigid bodies alone."""
    deforming = {p.part.name for p in assets.parts if p.deformable is not None}
    for loc, name in _named(assets):
        if "script" in loc and name in deforming:
            got = f"expected a rigid body, or ROBOT/LINK, got {name!r}, which deforms and which scripts do not see"
            yield loc, f"{got}: give a point in its place, or a time to wait for: wait: {{for_s: …}}"


def _unmoved(assets: SceneAssets) -> Iterator[tuple[Loc, str]]:
    """What a script's noise would push in vain."""
    parts = {p.part.name: k for k, p in enumerate(assets.parts)}
    for loc, name in _named(assets):
        k = parts.get(name)
        if "pushes" in loc and k is not None and (assets.parts[k].deformable is not None or not movable(assets, k)):
            what = "is fixed or on keyframes" if assets.parts[k].deformable is None else "deforms"
            yield loc, f"expected a rigid body that can move, or ROBOT/LINK, got {name!r}, which {what}"


def _kicks(assets: SceneAssets) -> Iterator[tuple[Loc, str]]:
    """Kicks at a point of a body that has no such point."""
    deforming = {p.part.name for p in assets.parts if p.deformable is not None}
    for k, body in enumerate(assets.scene.bodies):
        if body.impulses and ({body.name, f"{body.name}_0"} & deforming):
            instead = f"forces: [{{impulse: {{bodies: [{body.name}], t_s: …, impulse_n_s: …}}}}]"
            got = f"expected none on a body that deforms, got {len(body.impulses)} on {body.name!r}"
            yield ("bodies", k, "impulses"), f"{got}: write {instead}"


def _hasty(assets: SceneAssets) -> Iterator[tuple[Loc, str]]:
    """Speeds that the watch over a simulation would call a divergence."""
    for k, body in enumerate(assets.scene.bodies):
        speed = math.hypot(*body.velocity_m_s)
        if speed > MAX_SPEED_M_S:
            yield ("bodies", k, "velocity_m_s"), f"expected at most {MAX_SPEED_M_S:g} m/s, got {speed:.3g} m/s"


LOOKS = (_names, _unmeasured, _unseen, _unmoved, _kicks, _hasty)
