"""The garbage collector stays away while modules load, and is afterwards as the caller had it."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from types import ModuleType

import pytest

from simvid import collector


class Knot:
    """Refers to itself: only the collector can free it."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    on = gc.isenabled()
    yield
    gc.unfreeze()
    (gc.enable if on else gc.disable)()


def old() -> set[int]:
    return {id(thing) for thing in gc.get_objects(generation=2)}


def load_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the collector's keeper sees."""
    monkeypatch.setitem(sys.modules, "a_module_that_was_not_there", ModuleType("a_module_that_was_not_there"))


def test_nothing_is_collected_inside_and_what_was_made_is_old_but_free_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector.paused():
        assert not gc.isenabled()
        load_a_module(monkeypatch)
        kept, lost = Knot(), Knot()
        gone = weakref.ref(lost)
        del lost
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    assert id(kept) in old()
    gc.collect()
    assert gone() is None


def test_a_collector_that_is_off_stays_off_and_what_is_frozen_stays_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.disable()
    with collector.paused():
        pass
    assert not gc.isenabled()
    gc.enable()
    gc.freeze()
    frozen = gc.get_freeze_count()
    with collector.paused():
        load_a_module(monkeypatch)
    assert 0.99 * frozen < gc.get_freeze_count() <= frozen, "some of it may die meanwhile; nothing joins it"


def test_a_worker_keeps_nothing_of_a_clip_when_the_next_one_finds_its_modules_loaded() -> None:
    code = """
import gc, weakref
from simvid import collector
class Knot:
    def __init__(self): self.self = self
collector.own_process()
with collector.paused():
    import decimal
lost = Knot()
gone = weakref.ref(lost)
del lost
with collector.paused():
    import decimal
gc.collect()
print(gone() is None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_fault_inside_turns_it_on_again() -> None:
    with pytest.raises(ValueError, match="inside"), collector.paused():
        raise ValueError("inside")
    assert gc.isenabled()


def test_a_process_of_our_own_keeps_modules_from_the_collector_for_good_and_ends_without_a_search() -> None:
    code = """
import gc
from simvid import collector
class Knot:
    def __init__(self): self.self = self
    def __del__(self): print("searched")
collector.own_process()
collector.own_process()
with collector.paused():
    import decimal
assert gc.isenabled() and gc.get_freeze_count() > 1000
Knot()
"""
    theirs = code.replace("collector.own_process()", "").replace("and gc.get_freeze_count() > 1000", "")
    for source, said in ((code, ""), (theirs, "searched\n")):
        done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
        assert done.stdout == said
