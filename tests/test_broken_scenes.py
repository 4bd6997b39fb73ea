"""Every broken scene of ``broken/``: its faults, with their lines and words, and no others.

The first lines of a file say what is expected of it: ``# expect: LINE: FIELD: MESSAGE``. MESSAGE stands in the text of
the fault, hint included; FIELD is exact.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from simvid.errors import Fault, SceneError
from simvid.parsing import load_scene

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))
EXPECT = re.compile(r"# expect: (\d+): (.+?): (expected .*|.+)")


class Expected(NamedTuple):
    line: int
    field: str
    words: str


def expectations(path: Path) -> list[Expected]:
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [EXPECT.fullmatch(line) for line in lines if line.startswith("# expect:")]
    assert found, f"{path}: no expectation"
    assert all(found), f"{path}: an expectation cannot be read"
    return [Expected(int(match[1]), match[2], match[3]) for match in found if match]


def meets(fault: Fault, expected: Expected) -> bool:
    text = f"{fault.message} {fault.hint}"
    return (fault.line, fault.field) == (expected.line, expected.field) and expected.words in text


def faults_of(path: Path) -> tuple[Fault, ...]:
    with pytest.raises(SceneError) as caught:
        load_scene(path)
    return caught.value.faults


def test_there_are_enough() -> None:
    assert len(BROKEN) >= 110


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_broken_scene(path: Path) -> None:
    faults = list(faults_of(path))
    expected = expectations(path)
    text = "\n".join(map(str, faults))
    for item in expected:
        met = [fault for fault in faults if meets(fault, item)]
        assert met, f"expected {item}, got\n{text}"
        faults.remove(met[0])
    assert not faults, f"not expected:\n{chr(10).join(map(str, faults))}"


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_form_of_each_line(path: Path) -> None:
    with pytest.raises(SceneError) as caught:
        load_scene(path)
    for line in str(caught.value).splitlines():
        plain = re.fullmatch(re.escape(str(path)) + r":\d+: [^:]+: expected .+, got .+", line)
        assert plain or line.startswith("  hint: "), line
