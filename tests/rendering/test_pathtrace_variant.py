"""Which of Mitsuba's variants runs: found by trying, in a process that may die, and remembered."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from simvid.errors import RenderError

pytest.importorskip("mitsuba")
variants = pytest.importorskip("simvid.rendering.pathtrace.variant")


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(variants, "_has_cuda", lambda: False)


def ending(monkeypatch: pytest.MonkeyPatch, codes: dict[str, int]) -> list[str]:
    """Tries that end with these exit codes by the name of the library; -6 is a process that was aborted."""
    tried: list[str] = []

    def run(command: list[str], *, env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        tried.append(Path(env[variants.LIBRARY]).name)
        return subprocess.CompletedProcess(command, codes[tried[-1]])

    monkeypatch.setattr(variants.subprocess, "run", run)
    return tried


def test_the_first_library_that_works_is_taken_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "libLLVM-14.so.1", tmp_path / "libLLVM.so.19.1"
    for path in (old, new):
        path.write_bytes(b"x")
    tried = ending(monkeypatch, {old.name: -6, new.name: 0})
    for _ in range(2):
        assert variants.chosen("auto", [old, new]) == variants.Variant("llvm_ad_rgb", new)
    assert tried == [old.name, new.name]
    assert variants.chosen("auto", [old]).name == "scalar_rgb"
    with pytest.raises(RenderError, match=r"'llvm' does not work on this machine\n.*libllvm19"):
        variants.chosen("llvm", [old])


def test_the_library_that_the_user_names_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("libLLVM-15.so.1", "libLLVM.so.19.1", "mine.so"):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setattr(variants, "FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(variants.sys, "prefix", str(tmp_path / "nothing"))
    monkeypatch.setenv(variants.LIBRARY, str(tmp_path / "mine.so"))
    assert [p.name for p in variants.installed_libraries()] == ["mine.so", "libLLVM.so.19.1", "libLLVM-15.so.1"]


def test_what_is_no_library_does_not_work(tmp_path: Path) -> None:
    broken = tmp_path / "libLLVM.so.99"
    broken.write_bytes(b"no library")
    assert not variants.works(variants.Variant("llvm_ad_rgb", broken))
