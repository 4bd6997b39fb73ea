"""Which engine does what: features of scenes, what engines say of them, and the errors and the table made from both.

An engine says what it does in a class attribute ``abilities``, a mapping from feature to ``Ability``. Engines of other
packages may leave it out; then nothing is known of them before they refuse a scene themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from simvid import registry
from simvid.errors import SceneError, SimvidError
from simvid.physics import features
from simvid.physics.abilities import ABILITIES, Ability
from simvid.scene import Body, Material, Scene

THIN = ("cloth", "rope")
Paths = Iterator[tuple[str, str]]
"""Field of a scene, and what is there in words."""


@dataclass(frozen=True)
class Feature:
    """Something that a scene may ask of an engine.

    Attributes:
        name: the key in ``abilities``.
        words: what it is, for the table.
        used: where a scene asks for it.
    """

    name: str
    words: str
    used: Callable[[Scene], Paths]


def _bodies(test: Callable[[Scene, Body], str | None]) -> Callable[[Scene], Paths]:
    """Where bodies pass a test, which says the field below the body."""

    def used(scene: Scene) -> Paths:
        for k, body in enumerate(scene.bodies):
            field = test(scene, body)
            if field is not None:
                yield f"bodies[{k}].{field}", f"body {body.name!r}"

    return used


def _material(test: Callable[[Material], bool]) -> Callable[[Scene], Paths]:
    return _bodies(lambda scene, body: "material" if test(scene.material(body.material)) else None)


def _joint(*kinds: str) -> Callable[[Scene], Paths]:
    return _bodies(lambda _, body: "joint" if body.joint is not None and body.joint.kind in kinds else None)


def _rigid(scene: Scene, body: Body) -> str | None:
    return "shape" if scene.material(body.material).kind is None and body.joint is None else None


def _robots(ending: tuple[str, ...]) -> Callable[[Scene], Paths]:
    def used(scene: Scene) -> Paths:
        for k, robot in enumerate(scene.robots):
            if robot.model.lower().endswith(ending):
                yield f"robots[{k}].model", f"robot {robot.name!r}"

    return used


def _scripts(looking: bool) -> Callable[[Scene], Paths]:
    def used(scene: Scene) -> Paths:
        for k, robot in enumerate(scene.robots):
            for j, action in enumerate(robot.script):
                if action.looks == looking:
                    yield f"robots[{k}].script[{j}]", f"action {action.kind!r} of robot {robot.name!r}"

    return used


def _model(name: str) -> Callable[[Material], bool]:
    return lambda m: m.elastic is not None and m.elastic.model == name and not m.by_elements


def _kind(name: str) -> Callable[[Material], bool]:
    return lambda material: material.kind == name


def _asked(name: str) -> Callable[[Scene], Paths]:
    """Where a scene uses a part of the language of forces."""

    def used(scene: Scene) -> Paths:
        for feature, field in features.wanted(scene):
            if feature == name:
                yield field, "it"

    return used


def _by_mpm(material: Material) -> bool:
    return material.kind not in {None, *THIN} and not material.by_elements


def _soft_forces(scene: Scene) -> Paths:
    if any(_by_mpm(scene.material(body.material)) for body in scene.bodies):
        yield from ((f"forces[{k}]", "it") for k in range(len(scene.forces)))


def _mixtures(scene: Scene) -> Paths:
    """Cloth and rope, where there are bodies for MPM as well."""
    materials = [scene.material(body.material) for body in scene.bodies]
    if any(_by_mpm(m) for m in materials):
        yield from (
            (f"bodies[{k}].material", f"body {scene.bodies[k].name!r}")
            for k, m in enumerate(materials) if m.kind in THIN
        )  # fmt: skip


def _element_mixtures(scene: Scene) -> Paths:
    """Bodies with elements, where there is more than one deformable body."""
    materials = [scene.material(body.material) for body in scene.bodies]
    if sum(body.count for body, m in zip(scene.bodies, materials, strict=True) if m.kind is not None) > 1:
        yield from (
            (f"bodies[{k}].material", f"body {scene.bodies[k].name!r}")
            for k, m in enumerate(materials)
            if m.by_elements
        )


FEATURES = (
    Feature("rigid", "rigid bodies of all shapes, friction, contacts with impulses", _bodies(_rigid)),
    Feature("restitution", "rebound: `restitution`",
            _material(lambda m: m.kind is None and m.restitution > 0)),
    Feature("rolling", "resistance to rolling: `rolling_friction_m`",
            _material(lambda m: m.kind is None and m.rolling_friction_m > 0)),
    Feature("joints", "bodies on joints: hinge, slider, ball, weld", _joint("hinge", "slider", "ball", "weld")),
    Feature("keyframes", "bodies that follow keyframes", _bodies(lambda _, b: "motion" if b.motion else None)),
    Feature("impulses", "kicks of rigid bodies: `impulses`", _bodies(lambda _, b: "impulses" if b.impulses else None)),
    Feature("mjcf", "robots from MJCF", _robots((".xml", ".mjcf"))),
    Feature("urdf", "robots from URDF", _robots((".urdf",))),
    Feature("scripts", "scripts that are known before the first step: joints, gripper, reach, push", _scripts(False)),
    Feature("tasks", "scripts that look: grasp, place, pour, wipe, open, hand over, wait until", _scripts(True)),
    Feature("elastic", "elastic, fixed corotated", _material(_model("fixed_corotated"))),
    Feature("neo_hookean", "elastic, Neo-Hookean", _material(_model("neo_hookean"))),
    Feature("elements", "elastic by finite elements: `method: fem`", _material(lambda m: m.by_elements)),
    Feature("element_mixtures", "a body of `method: fem` that touches other deformable bodies", _element_mixtures),
    Feature("plastic", "plastic (von Mises)", _material(_kind("plastic"))),
    Feature("granular", "granular (Drucker–Prager)", _material(_kind("granular"))),
    Feature("snow", "snow", _material(_kind("snow"))),
    Feature("liquid", "liquid", _material(_kind("liquid"))),
    Feature("viscosity", "viscosity of liquids: `viscosity_pa_s` above 0",
            _material(lambda m: m.liquid is not None and m.liquid.viscosity_pa_s > 0)),
    Feature("hardening", "snow that hardens otherwise than by 10: `hardening`",
            _material(lambda m: m.snow is not None and m.snow.hardening != 10)),
    Feature("steep", "friction angles of 60 deg and more: `friction_angle_deg`",
            _material(lambda m: m.granular is not None and m.granular.friction_angle_deg >= 60)),
    Feature("cloth", "cloth", _material(_kind("cloth"))),
    Feature("rope", "rope", _material(_kind("rope"))),
    Feature("mixtures", "cloth or rope that touches elastic, plastic, granular, snow or liquid bodies", _mixtures),
    *(Feature(name, words, _asked(name)) for name, words in features.FEATURES.items()),
    Feature("soft_forces", "forces beside elastic, plastic, granular, snow or liquid bodies", _soft_forces),
)  # fmt: skip


def abilities_of(engine: str) -> Mapping[str, Ability] | None:
    """What an engine says of itself; None where it says nothing, or cannot be loaded."""
    if engine in ABILITIES:
        return ABILITIES[engine]
    try:
        found: Mapping[str, Ability] | None = getattr(registry.load("physics", engine), "abilities", None)
    except SimvidError:
        return None
    return found


def check_capabilities(engine: str, scene: Scene) -> None:
    """Refuse a scene that asks an engine for what it says it cannot do.

    Raises:
        SceneError: one line for each field, with the engines that can.
    """
    own = abilities_of(engine)
    if own is None:
        return
    lines = []
    for feature in FEATURES:
        ability = own.get(feature.name)
        if ability is not None and ability.cpu:
            continue
        for path, what in feature.used(scene):
            why = f" ({ability.note})" if ability is not None and ability.note else ""
            lines.append(
                f"{scene.where(path)}: engine {engine!r} does not do {feature.words}, which {what} asks for{why}; "
                f"{_others(feature.name)}"
            )
    if lines:
        raise SceneError("\n".join(lines))


def _others(feature: str) -> str:
    """Engines that can, as advice."""
    able = [
        name for name in registry.names("physics")
        if (known := abilities_of(name)) is not None and feature in known and known[feature].cpu
    ]  # fmt: skip
    return f"use physics: {{engine: {able[0]}}}" if able else "no installed engine does"
