"""Families of scenes for training pairs: what happens. Each draws one scene's bodies and robots from a generator.

A family is either for training or held out: a refiner is judged on kinds of scenes, meshes and looks it never saw.
"""

from __future__ import annotations

from simvid.generating.families.action import Action, Family
from simvid.generating.families.arms import panda, ur5e
from simvid.generating.families.falling import bowl, drop, odd_toss, still_life, toss
from simvid.generating.families.loose import sand, water
from simvid.generating.families.mechanisms import billiard, dominoes, ramp, spinning, swing, tower
from simvid.generating.families.soft import clay, jelly
from simvid.generating.families.thin import drape, flag, ropes

__all__ = ["DEFORMING", "HELD_OUT", "TRAINING", "Action", "Family"]

TRAINING: dict[str, Family] = {
    "drop": drop,
    "toss": toss,
    "tower": tower,
    "dominoes": dominoes,
    "bowl": bowl,
    "ramp": ramp,
    "swing": swing,
    "still_life": still_life,
    "panda": panda,
    "jelly": jelly,
    "drape": drape,
    "flag": flag,
    "sand": sand,
    "water": water,
}
HELD_OUT: dict[str, Family] = {
    "ur5e": ur5e,
    "odd_toss": odd_toss,
    "billiard": billiard,
    "spinning": spinning,
    "clay": clay,
    "ropes": ropes,
}
DEFORMING = frozenset({"jelly", "drape", "flag", "sand", "water", "clay", "ropes"})
"""Families in which things change their shape."""
