"""The Genesis engine under the contract of all engines, and the same bytes in another process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import trimesh.exchange.load
import trimesh.exchange.obj

from simvid.physics.genesis import session
from simvid.physics.genesis.engine import GenesisPhysics
from simvid.testing.physics import PhysicsContract
from simvid.trajectory_io import digest

pytestmark = pytest.mark.slow  # a fresh machine compiles Genesis' kernels here, for a minute or two
SCRIPT = """
import sys
from simvid.physics.genesis.engine import GenesisPhysics
from simvid.testing.physics import bouncing_scene
from simvid.testing.physics_scenes import small_assets
from simvid.trajectory_io import digest
open(sys.argv[1], "w").write(digest(GenesisPhysics().simulate(small_assets(bouncing_scene()))))
"""


class TestGenesis(PhysicsContract):
    def engine(self) -> GenesisPhysics:
        return GenesisPhysics()

    def test_another_process_gives_the_same_bytes_and_is_quiet(self, tmp_path: Path) -> None:
        made = self.bouncing()
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "digest")],
            capture_output=True, text=True, cwd=tmp_path, timeout=500, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "digest").read_text() == digest(made)
        assert (done.stdout, done.stderr) == ("", "")

    def test_the_smallest_numbers_stay_numbers(self) -> None:
        session.start()
        assert float("2.2250738585e-313") * 1.0 > 0

    def test_trimesh_keeps_its_own_reader_of_obj(self) -> None:
        self.bouncing()  # which imports Genesis
        assert trimesh.exchange.obj.load_obj.__module__ == "trimesh.exchange.obj"
        assert trimesh.exchange.load.mesh_loaders["obj"] is trimesh.exchange.obj.load_obj
