"""The edge where text becomes values: a YAML file to a ``Scene``, or every fault of it at once."""

from simvid.errors import Fault, SceneError
from simvid.parsing.loading import load_scene, parse_scene

__all__ = ["Fault", "SceneError", "load_scene", "parse_scene"]
