"""Newton's own conversion of a Newton model to MuJoCo, stopped where MuJoCo's C core takes over.

``newton.solvers.SolverMuJoCo`` writes a MuJoCo model (an ``MjSpec``) and compiles it; after that it copies it to
MuJoCo Warp and launches some forty kernels to keep both in step. With ``use_mujoco_cpu`` none of that is needed to step
the C core, but it costs 20 s of compiling on a fresh machine and 3 s in every process, and its step copies the state
to float32 and back. So the conversion is run up to the compiled model and its spec is taken from there, in float64.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from simvid import collector

NO_DRIVER = "Warp CUDA warning: Could not find or load the NVIDIA CUDA driver"


class _ModelWritten(Exception):  # noqa: N818  it is the end that is wanted, not an error
    """Raised when Newton asks for simulation data, at the end of its conversion."""


class _MujocoModule:
    """Stands for the ``mujoco`` module while Newton converts: hands everything through and keeps the spec."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self.spec: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def MjSpec(self) -> Any:  # noqa: N802  MuJoCo's name
        """A new spec, remembered."""
        self.spec = self._module.MjSpec()
        return self.spec

    def MjData(self, model: Any) -> Any:  # noqa: N802  MuJoCo's name
        """Newton asks for this once its model is compiled."""
        raise _ModelWritten


def convert(builder: Any, **options: Any) -> Any:
    """The ``mujoco.MjSpec`` that Newton's MuJoCo solver makes from a ``newton.ModelBuilder``; call in ``quiet_warp``.

    Args:
        builder: with at least one joint.
        options: of ``newton.solvers.SolverMuJoCo`` (cone, iterations, integrator ...).
    """
    import mujoco
    from newton.solvers import SolverMuJoCo

    recorder = _MujocoModule(mujoco)

    class Converter(SolverMuJoCo):  # type: ignore[misc]
        """Newton's solver with the recorder in place of ``mujoco`` and nothing in place of ``mujoco_warp``."""

        _mujoco = recorder
        _mujoco_warp = object()
        _versions_checked = True

    model = builder.finalize(device="cpu", skip_all_validations=True)
    solver: Any = SolverMuJoCo
    kernel = solver._convert_mjw_contacts_to_newton_kernel
    if kernel is None:  # building it would import mujoco_warp
        solver._convert_mjw_contacts_to_newton_kernel = object()
    try:
        Converter(model, use_mujoco_cpu=True, kinematic_switchable_roots=False, **options)
    except _ModelWritten:
        return recorder.spec
    finally:
        solver._convert_mjw_contacts_to_newton_kernel = kernel
    raise RuntimeError("newton did not build a MuJoCo model; simvid needs newton 1.8")


@contextmanager
def quiet_warp() -> Iterator[None]:
    """Warp without its greeting, and compiling quickly: its kernels run once here, on a handful of numbers."""
    with collector.paused():
        import warp

    wanted = {"log_level": warp.LOG_ERROR, "enable_backward": False, "optimization_level": 0}
    before = {name: getattr(warp.config, name) for name in wanted}
    try:
        for name, value in wanted.items():
            setattr(warp.config, name, value)
        with _without_driver_warning(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*dependency version mismatch.*")  # constraints.txt pins them
            warp.init()
            yield
    finally:
        for name, value in before.items():
            setattr(warp.config, name, value)


@contextmanager
def _without_driver_warning() -> Iterator[None]:
    """Warp's C++ says on descriptor 2 that there is no GPU, which is no news on a CPU; all else is passed on."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        saved = os.dup(2)
        try:
            os.dup2(kept.fileno(), 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            kept.seek(0)
            said = [line for line in kept.read().decode(errors="replace").splitlines(True) if NO_DRIVER not in line]
            if said:
                sys.stderr.write("".join(said))
