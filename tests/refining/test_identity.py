"""The identity refiner keeps the contract of all refiners, and changes nothing."""

from __future__ import annotations

import numpy as np

from simvid.refining.base import NoSettings
from simvid.refining.identity import IdentityRefiner
from simvid.testing.refining import RefinerContract, sample_frames


class TestIdentity(RefinerContract):
    def refiner(self) -> IdentityRefiner:
        return IdentityRefiner(NoSettings())

    def test_it_changes_nothing(self) -> None:
        assert np.array_equal(self.pictures(), np.stack([f.rgb for f in sample_frames(self.count)]))
