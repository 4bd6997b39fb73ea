"""Newton loads without its viewers; whoever wants them, before or after, has them as ever."""

from __future__ import annotations

import subprocess
import sys

LOAD = """
import importlib, sys
from simvid.physics.newton.convert import quiet_warp
from simvid.physics.newton.engine import NewtonPhysics
from simvid.physics.newton.package import LATER, load_newton
from simvid.testing.physics_scenes import ball, small_assets, small_scene
finders = list(sys.meta_path)
NewtonPhysics().simulate(small_assets(small_scene([ball("a")], seconds=0.1)))
with quiet_warp():
    load_newton()
assert sys.meta_path == finders
import newton
"""
LATER = """
early = {'rerun', 'torch', 'newton._src.viewer', 'newton._src.sensors', 'newton._src.ik'} & set(sys.modules)
assert not early, early
assert newton.viewer.ViewerNull.__module__.startswith('newton._src.viewer')
from newton.sensors import SensorContact
assert SensorContact is newton.sensors.SensorContact
import newton.ik
assert newton.ik.__spec__.name == 'newton.ik' and newton.ik.__file__.endswith('ik.py')
for name in sorted(LATER):
    module = importlib.import_module(name)
    assert module is sys.modules[name] is getattr(newton, name.partition('.')[2])
    assert all(getattr(module, public) is not None for public in module.__all__), name
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_run_loads_neither_viewers_nor_sensors_and_they_are_there_when_they_are_asked_for() -> None:
    run(LOAD + LATER)


def test_who_imported_newton_first_keeps_what_he_has() -> None:
    first = "import newton\nbefore = newton.viewer, newton.viewer.ViewerNull\nimport rerun\n"
    run(first + LOAD + "assert before == (newton.viewer, newton.viewer.ViewerNull)\n")
