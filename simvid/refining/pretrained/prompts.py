"""What a model is told in words: the scene's description, the look, and what the entry adds."""

from __future__ import annotations

from collections.abc import Mapping

LOOK_WORDS: Mapping[str, str] = {
    "as_rendered": "",
    "studio": "in a photo studio under large soft boxes, plain backdrop",
    "workshop": "in a workshop with wooden benches and tools, warm lamps",
    "kitchen": "in a bright kitchen, daylight through the window",
    "warehouse": "in a warehouse with a concrete floor and high shelves, cool ceiling light",
    "overcast": "outdoors under an overcast sky, soft even light",
    "sunset": "outdoors at sunset, low golden sun and long shadows",
    "night_lab": "in a dim laboratory at night, cool light of screens and lamps",
    "office": "in an office with ceiling panels and daylight from the side",
}
"""The looks of scenes, for models that know none of their names."""


def prompt(caption: str, look: str, words: str) -> str:
    """One sentence out of what there is."""
    parts = (caption.strip().rstrip("."), LOOK_WORDS[look], words.strip())
    return ", ".join(part for part in parts if part)
