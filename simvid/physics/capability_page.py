"""The table of which engine does what, as text and as a page."""

from __future__ import annotations

from simvid import registry
from simvid.physics.abilities import SUMMARIES, Ability
from simvid.physics.capabilities import FEATURES, abilities_of

HEAD = """\
# Physics engines

Made by `simvid list engines --markdown`. An engine is chosen in the scene: `physics: {engine: newton}`. What one \
cannot do it refuses before the first step, by file, line and field, with an engine that can.
"""


def mark(ability: Ability | None) -> str:
    """Where an engine does something, in a word."""
    if ability is None:
        return "?"
    return {(True, True): "CPU, CUDA", (True, False): "CPU", (False, True): "CUDA", (False, False): "–"}[
        ability.cpu, ability.cuda
    ]


def rows() -> list[tuple[str, ...]]:
    """Head and one row per feature: words, then one mark per registered engine."""
    engines = registry.names("physics")
    known = {name: abilities_of(name) for name in engines}
    body = [(f.words, *(mark((known[name] or {}).get(f.name)) for name in engines)) for f in FEATURES]
    return [("", *engines), *body]


def table_text() -> str:
    """The table in columns."""
    table = rows()
    widths = [max(len(row[k]) for row in table) for k in range(len(table[0]))]
    return "\n".join("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in table)


def engines_page() -> str:
    """The page, Markdown: simvid's own engines, the table, and its notes."""
    head, *body = rows()
    lines = [HEAD, *(f"- `{name}`: {text}" for name, text in SUMMARIES.items()), ""]
    lines += ["| | " + " | ".join(f"`{name}`" for name in head[1:]) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in body]
    notes = [
        f"- {feature.words} (`{name}`): {ability.note}"
        for feature in FEATURES
        for name in head[1:]
        if (ability := (abilities_of(name) or {}).get(feature.name)) is not None and ability.note
    ]
    return "\n".join([*lines, "", "Notes:", *notes]) + "\n" + TAIL


TAIL = """
## Genesis: what it costs

Install it with `pip install 'simvid[genesis]'` (2.2 GB on disk). Genesis compiles its kernels when it meets a kind of \
scene for the first time; that takes minutes, and simvid says so before it starts. The kernels stay in simvid's cache \
folder (`~/.cache/simvid/genesis`), and each further scene of that kind starts in seconds.
"""
