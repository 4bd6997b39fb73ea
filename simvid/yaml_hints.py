"""What a YAML scanner's complaint means for the person who wrote the file."""

from __future__ import annotations

import re

from yaml import Mark, MarkedYAMLError


def explain(error: MarkedYAMLError, text: str) -> tuple[int, str, str]:
    """Line (from 1), message (``expected …, got … in column N``) and hint for a fault of syntax."""
    lines = text.splitlines() or [""]
    problem = error.problem or "no YAML"
    here = error.problem_mark or error.context_mark
    opened = error.context_mark or here
    assert here is not None
    assert opened is not None
    if _tab(lines, here):
        return here.line + 1, f"expected spaces, got a tab in column {_tab(lines, here)}", "indent with spaces only"
    if "found unexpected end of stream" in problem:
        message = f"expected a closing quote, got none for the one in column {opened.column + 1}"
        return opened.line + 1, message, "close the quote"
    if "could not find expected ':'" in problem:
        return opened.line + 1, f"expected key: value, got {_shown(lines, opened)}", _colon_hint(lines, opened)
    if "',' or" in problem:
        bracket = lines[opened.line][opened.column]
        where = f"the {bracket} in line {opened.line + 1}, column {opened.column + 1}"
        message = f"expected a comma or the end of {where}, got {_shown(lines, here)} in column {here.column + 1}"
        return here.line + 1, message, "close the bracket, or put a comma between the entries"
    for sign, expected, hint in _KINDS:
        if sign in problem:
            return here.line + 1, f"expected {expected}, got {_shown(lines, here)} in column {here.column + 1}", hint
    return here.line + 1, f"expected YAML, got: {problem} (column {here.column + 1})", ""


_INDENT = "indent the keys of one mapping alike, and the dashes of one list alike"
_KINDS = (
    ("mapping values are not allowed", "one key: value in a line", f"put text that holds ': ' in quotes; {_INDENT}"),
    ("did not find expected key", "the next key of the mapping", _INDENT),
    ("did not find expected '-' indicator", "the next item of the list", _INDENT),
    ("expected <block end>", "the next key or item", _INDENT),
    ("node content", "a value", "finish the list or mapping, and close its bracket"),
    ("unknown escape character", "an escape such as \\n", "use single quotes where a backslash is just a backslash"),
    ("cannot start any token", "a value", "put text that starts with @, ` or % in quotes"),
    ("undefined tag handle", "a value without a tag", "put text that starts with ! in quotes"),
    ("alphabetic or numeric character", "a name after & or *", "put text that starts with & or * in quotes"),
    ("incompatible YAML document", "%YAML 1.2", "remove the line that starts with %"),
    ("unknown directive", "%YAML 1.2", "remove the line that starts with %"),
)


def _tab(lines: list[str], here: Mark) -> int:
    """Column (from 1) of a tab that stands in the indentation or right at the mark; 0 without one."""
    line = lines[here.line] if here.line < len(lines) else ""
    blank = line[: len(line) - len(line.lstrip())]
    if "\t" in blank:
        return blank.index("\t") + 1
    return here.column + 1 if line[here.column : here.column + 1] == "\t" else 0


def _shown(lines: list[str], here: Mark) -> str:
    """What stands at the mark."""
    rest = lines[here.line][here.column :].strip() if here.line < len(lines) else ""
    if not rest:
        return "the end of the line" if here.line + 1 < len(lines) else "the end of the file"
    return f"'{rest[:40]}…'" if len(rest) > 40 else f"'{rest}'"


def _colon_hint(lines: list[str], here: Mark) -> str:
    rest = lines[here.line][here.column :] if here.line < len(lines) else ""
    if re.match(r"-[^ \-]", rest):
        return "put a space after the dash of a list item"
    if ":" in rest:
        return "put a space after the colon"
    return "put a colon and a space after the key"
