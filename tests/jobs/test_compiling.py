"""While a first run waits for the renderer's code, the refiner imports what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import simvid
from simvid.errors import MissingExtraError
from simvid.refining.base import LoadingRefiner
from simvid.refining.bridge import BridgeRefiner
from simvid.refining.identity import IdentityRefiner
from simvid.rendering.ahead import Compiling

pytestmark = pytest.mark.usefixtures("free_fall")


class Told(Compiling):
    """Compiles until somebody waits for it."""

    def __init__(self, busy: bool) -> None:
        super().__init__()
        self.busy, self.events = busy, list[str]()

    def running(self) -> bool:
        return self.busy

    def wait(self) -> None:
        self.events.append("waited")
        self.busy = False


class Loading(IdentityRefiner):
    """Imports much."""

    events: list[str]
    missing = False

    def load(self) -> None:
        if self.missing:
            raise MissingExtraError("torch", "refine", "the refiner")
        self.events.append("loaded")


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told(busy=True)

    @contextmanager
    def compiling(backend: str) -> Iterator[Compiling]:
        yield told

    Loading.events = told.events
    monkeypatch.setattr("simvid.jobs.job.compiling", compiling)
    monkeypatch.setattr("simvid.refining.identity.IdentityRefiner", Loading)
    return told


def test_the_refiner_loads_while_kernels_are_compiled(flying_file: Path, tmp_path: Path, work: Told) -> None:
    simvid.run(flying_file, tmp_path, frames=2)
    assert work.events == ["loaded", "waited"]


def test_it_does_not_where_nothing_is_refined_or_compiled(flying_file: Path, tmp_path: Path, work: Told) -> None:
    simvid.run(flying_file, tmp_path, frames=2, until="rendering")
    assert work.events == ["waited"]
    simvid.run(flying_file, tmp_path, frames=2, force=True)
    assert work.events == ["waited"]


def test_a_missing_package_is_said(
    flying_file: Path, tmp_path: Path, work: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loading, "missing", True)
    with pytest.raises(MissingExtraError, match="torch"):
        simvid.run(flying_file, tmp_path, frames=2)


def test_the_bundled_kind_loads() -> None:
    assert issubclass(BridgeRefiner, LoadingRefiner)
