"""Bodies that a scene names, or kicks, in ways that they cannot answer; looked at once all bodies are made."""

from __future__ import annotations

from collections.abc import Iterator

from simvid.assets.parts import SceneAssets
from simvid.field_paths import Loc, text
from simvid.scene.actions import names_in
from simvid.success import unknown_body


def body_faults(assets: SceneAssets) -> list[str]:
    """Names in scripts, their noise and ``success`` that are no body's, and what deformable bodies cannot do."""
    return [f"{assets.scene.where(text(loc))}: {fault}" for loc, fault in (*_names(assets), *_kicks(assets))]


def _names(assets: SceneAssets) -> Iterator[tuple[Loc, str]]:
    """Names that are not there."""
    scene, parts = assets.scene, [p.part for p in assets.parts]
    bodies = {p.name for p in parts}
    things = bodies | {p.instance for p in parts}
    named: list[tuple[Loc, str]] = [(("success", *loc), name) for loc, name in names_in(scene.success)]
    for k, robot in enumerate(scene.robots):
        for n, action in enumerate(robot.script):
            named += [(("robots", k, "script", n, *loc), name) for loc, name in action.bodies()]
        if robot.noise is not None and robot.noise.pushes is not None:
            named += [(("robots", k, "noise", "pushes", "of", n), name) for n, name in enumerate(robot.noise.pushes.of)]
    for loc, name in named:
        known = things if {"touching", "apart"} & set(loc) else bodies
        if name not in known:
            yield loc, unknown_body(name, known)


def _kicks(assets: SceneAssets) -> Iterator[tuple[Loc, str]]:
    """Kicks at a point of a body that has no such point."""
    deforming = {p.part.name for p in assets.parts if p.deformable is not None}
    for k, body in enumerate(assets.scene.bodies):
        if body.impulses and ({body.name, f"{body.name}_0"} & deforming):
            instead = f"forces: [{{impulse: {{bodies: [{body.name}], t_s: …, impulse_n_s: …}}}}]"
            got = f"expected none on a body that deforms, got {len(body.impulses)} on {body.name!r}"
            yield ("bodies", k, "impulses"), f"{got}: write {instead}"
