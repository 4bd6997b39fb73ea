"""YAML of the strict kind: which words are numbers, what is refused, and the line of everything."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from simvid import yaml_reading
from simvid.errors import SceneError
from simvid.yaml_reading import MAX_BYTES, read_text, read_value, read_yaml, scalar


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both scanners: libyaml's and PyYAML's own."""
    monkeypatch.setattr(yaml_reading, "_LOADER", getattr(yaml, request.param))
    return str(request.param)


def fault(text: str) -> str:
    with pytest.raises(SceneError) as caught:
        read_yaml(text, "f.yaml")
    assert len(caught.value.faults) == 1
    return str(caught.value)


NUMBERS: list[tuple[str, float]] = [
    ("0", 0), ("-1", -1), ("+7", 7), ("42", 42), ("0x1F", 31), ("0o17", 15), ("1e-3", 0.001), ("1e5", 1e5),
    ("1E+2", 100.0), (".5", 0.5), ("-.5", -0.5), ("5.", 5.0), ("2.0e+4", 2e4), ("6.02e23", 6.02e23), (".inf", math.inf),
    ("-.inf", -math.inf), ("9" * 41, float("9" * 41)),
]  # fmt: skip
TEXTS = [
    "on", "off", "yes", "no", "y", "n", "Yes", "True", "TRUE", "False", "Null", "012", "0123.5", "12:30", "12:30:00",
    "1_000", "2026-01-01", "0b11", "1e", "e5", ".", "-", "+", "1.2.3", "nan", "inf", "1,5", "0x", "640x480", "١",
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_numbers(text: str, value: float) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_nan() -> None:
    assert isinstance(scalar(".nan"), float)
    assert math.isnan(float(str(scalar(".nan"))))


@pytest.mark.parametrize("text", TEXTS)
def test_texts_that_yaml_1_1_or_python_would_read_otherwise(text: str) -> None:
    assert scalar(text) == text


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("null", None), ("~", None), ("", None)])
def test_words(text: str, value: bool | None) -> None:
    assert scalar(text) is value


def test_quotes_make_text(loader: str) -> None:
    text = "a: '1'\nb: \"true\"\nc: |\n  12\nd: 1\n"
    assert read_yaml(text, "f").tree == {"a": "1", "b": "true", "c": "12\n", "d": 1}


def test_keys_are_always_text(loader: str) -> None:
    assert read_yaml("{1: a, true: b, null: c, 1e3: d}", "f").tree == {"1": "a", "true": "b", "null": "c", "1e3": "d"}


def test_lines_of_every_path(loader: str) -> None:
    text = "# comment\nsimvid: 1\nbodies:\n  - name: duck\n    shape:\n      mesh: duck.obj\n"
    text += "  - {name: b,\n     size: [1,\n  2]}\n"
    document = read_yaml(text, "f")
    assert document.lines == {
        "": 2, "simvid": 2, "bodies": 3, "bodies[0]": 4, "bodies[0].name": 4, "bodies[0].shape": 5,
        "bodies[0].shape.mesh": 6, "bodies[1]": 7, "bodies[1].name": 7, "bodies[1].size": 8, "bodies[1].size[0]": 8,
        "bodies[1].size[1]": 9,
    }  # fmt: skip


def test_an_alias_has_its_own_line_and_its_inside_that_of_the_anchor(loader: str) -> None:
    document = read_yaml("a: &x\n  b: 1\nc: *x\n", "f")
    assert document.tree == {"a": {"b": 1}, "c": {"b": 1}}
    assert (document.lines["c"], document.lines["c.b"]) == (3, 2)


def test_aliases_are_copies(loader: str) -> None:
    tree: Any = read_yaml("a: &x [1]\nb: *x\n", "f").tree
    tree["a"].append(2)
    assert tree["b"] == [1]


def test_merge_keys(loader: str) -> None:
    text = "base: &x {a: 1, b: 2}\nmore: &y {b: 3, c: 4}\none: {<<: *x, b: 9}\ntwo: {<<: [*x, *y]}\ntext: {'<<': 5}\n"
    tree: Any = read_yaml(text, "f").tree
    assert tree["one"] == {"a": 1, "b": 9}
    assert tree["two"] == {"a": 1, "b": 2, "c": 4}
    assert tree["text"] == {"<<": 5}


def test_duplicate_keys_are_faults_and_the_rest_is_read(loader: str) -> None:
    document = read_yaml("a: 1\nb: {c: 1, c: 2}\na: 3\n", "f")
    assert [str(f) for f in document.faults] == [
        "f:3: a: expected each key once, got it again (first in line 1)\n  hint: remove one of them",
        "f:2: b.c: expected each key once, got it again (first in line 2)\n  hint: remove one of them",
    ]
    assert document.tree == {"a": 1, "b": {"c": 1}}


def test_a_duplicate_inside_an_anchor_is_told_once(loader: str) -> None:
    assert len(read_yaml("a: &x {c: 1, c: 2}\nb: *x\nd: *x\n", "f").faults) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\tb: 1\n", "f.yaml:2: YAML: expected spaces, got a tab in column 1\n  hint: indent with spaces only"),
        ("a:\n  b: 1\n  \tc: 1\n", "f.yaml:3: YAML: expected spaces, got a tab in column 3"),
        (
            "a: 1\nb 2\nc: 3\n",
            "f.yaml:2: YAML: expected key: value, got 'b 2'\n  hint: put a colon and a space after the key",
        ),
        ("a: 1\nb:2\nc: 3\n", "f.yaml:2: YAML: expected key: value, got 'b:2'\n  hint: put a space after the colon"),
        (
            "a: b: c\n",
            "f.yaml:1: YAML: expected one key: value in a line, got ': c' in column 5\n  hint: put text that",
        ),
        (
            "a: [1, 2\nb: 3\n",
            "f.yaml:2: YAML: expected a comma or the end of the [ in line 1, column 4, got ': 3' in column 2",
        ),
        ("a: {b: 1 c: 2}\n", "f.yaml:1: YAML: expected a comma or the end of the { in line 1, column 4, got ': 2}' in"),
        ("x: 1\na: 'b\nc: 2\n", "f.yaml:2: YAML: expected a closing quote, got none for the one in column 4"),
        ('a: "\\q"\n', "f.yaml:1: YAML: expected an escape such as"),
        ("a: @b\n", "f.yaml:1: YAML: expected a value, got '@b' in column 4\n  hint: put text that starts with @"),
        ("a:\n  - 1\n  b: 2\n", "f.yaml:3: YAML: expected the next"),
        ("a:\n    b: 1\n  c: 2\n", "f.yaml:3: YAML: expected the next"),
        (
            "a: *b\n",
            "f.yaml:1: YAML: expected the name of an anchor above, got *b\n  hint: there are no anchors in the file",
        ),
        ("x: &y 1\na: *b\n", "f.yaml:2: YAML: expected the name of an anchor above, got *b\n  hint: anchors: y"),
        ("a: &b [*b]\n", "f.yaml:1: YAML: expected a value that does not hold itself, got *b inside &b"),
        ("a: !!str 1\n", "f.yaml:1: YAML: expected a value without a tag, got the tag !!str"),
        ("a: !mine 1\n", "f.yaml:1: YAML: expected a value without a tag, got the tag !mine"),
        ("!!str a: 1\n", "f.yaml:1: YAML: expected a key without a tag"),
        ("[1]: 2\n", "f.yaml:1: YAML: expected a key that is text"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: YAML: expected one YAML document, got a second one"),
        ("", "f.yaml:1: YAML: expected a mapping of keys, got an empty file"),
        ("# only a comment\n", "f.yaml:1: YAML: expected a mapping of keys, got an empty file"),
        ("a: b\x00c\n", "f.yaml:1: YAML: expected printable text, got the character U+0000"),
        ("a: 1\nb: \x1b[31m\n", "f.yaml:2: YAML: expected printable text, got the character U+001B"),
        ("a: {<<: 1}\n", "f.yaml:1: YAML: expected a mapping after <<"),
        ("%YAML 9.0\n---\na: 1\n", "f.yaml:1: YAML: expected %YAML 1.2"),
    ],
)
def test_faults_of_syntax(loader: str, text: str, said: str) -> None:
    assert fault(text).startswith(said)


def bomb(levels: int, width: int) -> str:
    lines = ["l0: &l0 [" + ", ".join(["x"] * width) + "]"]
    lines += [f"l{k}: &l{k} [" + ", ".join([f"*l{k - 1}"] * width) + "]" for k in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb(9, 10), "expected at most 100000 values with aliases written out, got more"),
        (bomb(30, 2), "expected at most 100000 values with aliases written out, got more"),
        ("a: " + "[" * 100_000, "expected at most 64 levels, got more"),
        ("{a: " * 100_000, "expected at most 64 levels, got more"),
        ("- " * 100_000, "expected at most 64 levels, got more"),
        ("a: [" + "1," * 1_000_000 + "]", "expected at most 100000 values, got more"),
        (
            "a: &a0 {}\n" + "".join(f"k{i}: &a{i + 1} {{<<: *a{i}, z{i}: 1}}\n" for i in range(2000)),
            "expected at most 100000 values",
        ),
        ("x" * (MAX_BYTES + 1), "expected at most 4 MiB of YAML, got more"),
    ],
    ids=["wide", "doubling", "lists", "mappings", "dashes", "long", "merges", "bytes"],
)
def test_bombs_are_refused_at_once(text: str, said: str) -> None:
    start = time.process_time()
    assert said in fault(text)
    assert time.process_time() - start < 5.0


def test_depth_counts_aliases() -> None:
    lines = ["a0: &a0 [[[[[[[[x]]]]]]]]"] + [f"a{k}: &a{k} [[[[[[[[*a{k - 1}]]]]]]]]" for k in range(1, 12)]
    assert "expected at most 64 levels with aliases written out" in fault("\n".join(lines))


def test_a_large_sound_file_is_read() -> None:
    text = "bodies:\n" + "".join(f"  - {{name: b{k}, pose: {{position_m: [{k}, 0, 0]}}}}\n" for k in range(12_000))
    tree: Any = read_yaml(text, "f").tree
    assert len(tree["bodies"]) == 12_000


def test_a_byte_order_mark_is_dropped() -> None:
    assert read_yaml("\ufeffa: 1\n", "f").tree == {"a": 1}


ODD = "\x7f\x85\u2028\u2029"
"""PyYAML does not read what it writes of these: it takes the last three for line breaks, as YAML 1.1 had it."""
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**39), 10**39)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_characters=ODD), max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcXYZ_ :-#", max_size=6), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_json_is_read_as_json(value: object) -> None:
    assert repr(read_yaml(json.dumps(value), "f").tree) == repr(value)


@given(PLAIN)
def test_what_pyyaml_writes_is_read_alike(value: object) -> None:
    text = yaml.safe_dump({"v": value}, allow_unicode=True)
    tree: Any = read_yaml(text, "f").tree
    assert tree["v"] == value


def messages(text: str) -> list[str]:
    try:
        return [f.message for f in read_yaml(text, "f").faults]
    except SceneError as error:
        return [f.message for f in error.faults]


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    assert all(message.startswith("expected ") for message in messages(text))


@given(st.text("ab:-[]{},&*!|>'\"%@`#? \n\t~1.<", max_size=40))
def test_any_soup_of_signs_is_read_or_refused_in_words(text: str) -> None:
    assert all(message.startswith("expected ") for message in messages(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [("60", 60), ("1e-3", 0.001), ("[1, 2]", [1, 2]), ("{box: {size_m: 1}}", {"box": {"size_m": 1}}),
     ("newton", "newton"), ("", None), ("~", None), ("'1'", "1"), ("a b", "a b")],
)  # fmt: skip
def test_values_of_set(text: str, value: object) -> None:
    assert read_value(text) == value


def test_bad_value_of_set() -> None:
    with pytest.raises(SceneError, match=r"expected a comma or the end of the \["):
        read_value("[1, 2")
    with pytest.raises(SceneError, match="expected each key once"):
        read_value("{a: 1, a: 2}")


def test_read_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: \xc3\xa4\n")
    assert read_text(path) == "a: ä\n"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(SceneError) as caught:
            read_text(path)
        return str(caught.value)

    assert "expected a YAML file, got no file there" in said(tmp_path / "none.yaml")
    assert "expected a YAML file, got a folder" in said(tmp_path)
    long = tmp_path / "long.yaml"
    long.write_bytes(b"x" * (MAX_BYTES + 1))
    assert "expected at most 4 MiB of YAML, got more" in said(long)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: 1\nb: K\xf6ln\n")
    assert said(latin) == f"{latin}:2: YAML: expected UTF-8 text, got the byte 0xf6\n  hint: save the file as UTF-8"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(SceneError, match="expected a YAML file, got something else"):
        read_text(tmp_path / "pipe.yaml")
