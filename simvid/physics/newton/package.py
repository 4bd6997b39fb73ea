"""Newton's package, loaded without what no simulation here needs.

``import newton`` loads its viewers (with rerun), sensors, controllers and readers of USD, and its package has no way to
say that they are not wanted: a third of its time. They are loaded by Python's own lazy loader instead: the names are
there, and the first use of one loads it. Who imported Newton before simvid has it as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

from simvid import collector

LATER = frozenset(
    f"newton.{name}" for name in ("actuators", "controllers", "ik", "selection", "sensors", "usd", "utils", "viewer")
)
"""Modules that only pass on names of ``newton._src``, and that neither a builder nor SolverMuJoCo asks for."""


class _Later(MetaPathFinder):
    """Finds the modules of ``LATER`` as ``PathFinder`` does, to be run when they are first used."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Of a module of ``LATER``; None for all others."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname in LATER else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def load_newton() -> None:
    """Import Newton with its MuJoCo solver; nothing to do where that is done. Call in ``quiet_warp``."""
    if "newton._src.solvers.mujoco.solver_mujoco" in sys.modules:
        return
    finder = _Later()
    sys.meta_path.insert(0, finder)
    try:
        with collector.paused():
            from newton.solvers import SolverMuJoCo  # noqa: F401
    finally:
        sys.meta_path.remove(finder)
