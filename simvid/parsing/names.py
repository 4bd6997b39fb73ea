"""Help with names that do not exist: the closest that do, the unit that belongs to a key, the place where it fits."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import BaseModel

from simvid.parsing.kinds import models_below

_UNITS = {
    "_kg_m3": "kilograms per cubic metre",
    "_rad_s": "radians per second",
    "_n_m_s": "newton metre seconds",
    "_n_s_m": "newton seconds per metre",
    "_m_s2": "metres per second squared",
    "_n_s": "newton seconds",
    "_m_s": "metres per second",
    "_deg": "degrees",
    "_kg": "kilograms",
    "_px": "pixels",
    "_pa": "pascals",
    "_m": "metres",
    "_s": "seconds",
}
_SYNONYMS = {
    "position": ("position_m",), "pos": ("position_m",), "at": ("position_m", "at_m"), "location": ("position_m",),
    "dt": ("step_s",), "timestep": ("step_s",), "length": ("length_m",), "height": ("length_m", "height_m"),
    "frames": ("duration_s",), "framerate": ("fps",), "resolution": ("resolution_px",), "size": ("size_m",),
    "fov": ("fov_y_deg",), "fovy": ("fov_y_deg",), "color": ("base_color",), "colour": ("base_color",),
    "file": ("path", "model"), "euler": ("rotation_deg",), "quat": ("quaternion_wxyz",), "rotation": ("rotation_deg",),
    "velocity": ("velocity_m_s",), "omega": ("angular_velocity_rad_s",), "density": ("density_kg_m3",),
    "static": ("fixed",), "kinematic": ("motion",), "bounciness": ("restitution",), "bounce": ("restitution",),
    "mu": ("friction",), "time": ("t_s", "over_s", "for_s"), "t": ("t_s",), "half_extents": ("size_m",),
    "target": ("look_at_m", "to_m"), "eye": ("look_from_m",), "width": ("width_m",), "diameter": ("radius_m",),
    "radius": ("radius_m", "radii_m"), "extents": ("size_m",), "duration": ("duration_s", "over_s", "for_s"),
    "renderer": ("render",),
}  # fmt: skip
"""What people call things, in this order of preference, where the usual likeness would not find it."""

NEAR = 0.85
"""Likeness from which on a name is a misspelling of another one, wherever that is."""


def unit(key: str) -> str:
    """The unit that a key's ending stands for: ``metres`` for ``radius_m``; empty without one."""
    return next((words for ending, words in _UNITS.items() if key.endswith(ending)), "")


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant; None where none is near."""
    names = list(known)
    key = _plain(name)
    near = [_same(name, names)] if _same(name, names) is not None else get_close_matches(key, names, n=1, cutoff=0.6)
    near = near or get_close_matches(_stem(key), names, n=1, cutoff=0.6)
    return near[0] if near else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def _same(name: str, names: list[str]) -> str | None:
    """The name that only differs in case or unit, or that is what people mean by this one."""
    key, lowered = _plain(name), {candidate.lower(): candidate for candidate in reversed(names)}
    if key in lowered:
        return lowered[key]
    for meant in _SYNONYMS.get(_stem(key), ()):
        if meant in names:
            return meant
    return next((candidate for candidate in names if _stem(candidate) == _stem(key)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a name that does not exist: the closest, else all of them."""
    names = list(dict.fromkeys(known))
    near = closest(name, names)
    if near is not None:
        words = unit(near)
        return f"did you mean {near!r}{f' ({words})' if words else ''}?"
    if not names:
        return "none is defined"
    return f"known: {', '.join(names[:40])}" + (" …" if len(names) > 40 else "")


def key_hint(key: str, model: type[BaseModel], root: type[BaseModel]) -> str:
    """A hint for an unknown key of ``model`` in a file whose top is ``root``."""
    names = list(model.model_fields)
    if ":" in key:
        return "put a space after the colon"
    if _same(key, names) is None:
        inside = _inside(key, model)
        if inside:
            return inside
        if closest(key, names) is None and model is not root and key in root.model_fields:
            return f"{key!r} belongs at the top of the file"
    return did_you_mean(key, names)


def _inside(key: str, model: type[BaseModel]) -> str:
    """Where below a model a key fits that the model has not; empty where nowhere."""
    for field, inner in models_below(model):
        if key in inner.model_fields:
            return f"{key!r} belongs under {field!r}"
    for field, inner in models_below(model):
        if meant := _same(key, list(inner.model_fields)):
            return f"did you mean {meant!r} under {field!r}?"
    if not get_close_matches(_stem(key), [_stem(name) for name in model.model_fields], n=1, cutoff=NEAR):
        for field, inner in models_below(model):
            for meant in inner.model_fields:
                if get_close_matches(_stem(key), [_stem(meant)], n=1, cutoff=NEAR):
                    return f"did you mean {meant!r} under {field!r}?"
    return ""


def _stem(key: str) -> str:
    """A key without its unit, and without a unit that simvid does not use."""
    foreign = ("_cm", "_mm", "_ms", "_g", "_rad", "_hz", "_seconds", "_metres", "_meters", "_degrees", "_gpa", "_mpa")
    for ending in (*_UNITS, *foreign):
        if key.endswith(ending) and len(key) > len(ending):
            return key[: -len(ending)]
    return key
