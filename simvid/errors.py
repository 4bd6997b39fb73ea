"""Every error that simvid raises on purpose; each names the field, what it got, what is allowed and what to do."""

from __future__ import annotations


class SimvidError(ValueError):
    """Base of all expected errors. The command line prints the text alone and exits with ``exit_code``."""

    exit_code = 1


class SceneError(SimvidError):
    """The scene (or another YAML file) asks for something impossible. Its text may list many faults."""

    exit_code = 2


class AssetError(SimvidError):
    """A mesh, robot, texture or capture is missing, unreadable or unfit for its use."""

    exit_code = 3


class PhysicsError(SimvidError):
    """The simulation diverged, or was asked for what its engine cannot do."""

    exit_code = 4


class RenderError(SimvidError):
    """The renderer was given what it cannot draw."""

    exit_code = 5


class ClipError(SimvidError):
    """A clip folder is missing, damaged or of another schema version."""

    exit_code = 6


class MissingExtraError(SimvidError, ImportError):
    """An optional package is not installed; the text names the extra that brings it."""

    exit_code = 7

    def __init__(self, package: str, extra: str, needed_for: str) -> None:
        super().__init__(f"{needed_for} needs the package {package!r}: install it with  pip install 'simvid[{extra}]'")
