"""Looks: named light for a whole scene."""

from __future__ import annotations

from dataclasses import dataclass

from simvid.scene import Light, LookName, Sky, Sun


@dataclass(frozen=True)
class LookPreset:
    """The lights of a look; those of a scene are added to them, and its sky replaces theirs."""

    lights: tuple[Light, ...]
    exposure: float = 1.0
    """Factor on all light, on top of the renderer's."""


LOOKS: dict[LookName, LookPreset] = {
    "studio": LookPreset((Light(sky=Sky(preset="studio_softboxes")),), 1.1),
    "workshop": LookPreset((Light(sky=Sky(preset="workshop")),), 1.1),
    "kitchen": LookPreset((Light(sky=Sky(preset="kitchen")),), 1.1),
    "warehouse": LookPreset((Light(sky=Sky(preset="warehouse")),), 1.1),
    "overcast": LookPreset((Light(sky=Sky(preset="overcast")),), 1.15),
    "sunset": LookPreset(
        (
            Light(sky=Sky(preset="sunset")),
            Light(sun=Sun(direction=(-0.9, 0.4, -0.36), strength=3.2, color=(1.0, 0.74, 0.48))),
        ),
        1.25,
    ),
    "night_lab": LookPreset((Light(sky=Sky(preset="night_lab", strength=0.3)),), 1.1),
    "office": LookPreset((Light(sky=Sky(preset="office")),), 1.1),
}
"""As ``simvid.scene.LookName``."""
