"""docs/refiners.md says what the settings of each family are by default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from simvid import registry
from simvid.refining.pretrained.settings import PretrainedSettings

FAMILIES = {
    "What all of them do": (),
    "Wan": ("wan_vace", "wan_v2v"),
    "AnimateDiff": ("animatediff",),
    "LTX-2": ("ltx2",),
    "Cosmos-Transfer 2.5": ("cosmos_transfer",),
    "Cosmos 3": ("cosmos3",),
}
"""Sections of the page, and their backends."""


def stated(root: Path, section: str) -> dict[str, str]:
    """Settings of a section's table with what stands behind them in parentheses."""
    text = (root / "docs" / "refiners.md").read_text(encoding="utf-8")
    body = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    names = "\n".join(row.split("|")[1] for row in body.splitlines() if row.startswith("|"))
    return {name: value.split(":")[0] for name, value in re.findall(r"`(\w+)` \(([^)]+)\)", names)}


def defaults(kind: Any) -> dict[str, str]:
    """As the page writes them."""
    found = {name: field.default for name, field in kind.model_fields.items()}
    plain = {name: ", ".join(value) if isinstance(value, tuple) else value for name, value in found.items()}
    return {n: str(v).lower() if isinstance(v, bool) else f"{v:g}" if isinstance(v, float) else str(v)
            for n, v in plain.items()}  # fmt: skip


@pytest.mark.parametrize("section", FAMILIES)
def test_defaults_are_those_of_the_code(section: str, root: Path) -> None:
    """All that are stated; and where a family has other defaults than all, they are."""
    kinds = [registry.load("refining", name).Settings for name in FAMILIES[section]]
    common, said = defaults(PretrainedSettings), stated(root, section)
    known: dict[str, str] = {}
    for kind in kinds or [PretrainedSettings]:
        known |= defaults(kind)
    assert said
    assert said == {name: known.get(name) for name in said}
    own = {n: v for n, v in known.items() if n in ("steps", "guidance", "chunk", "overlap") and v != common[n]}
    assert own == {name: said.get(name) for name in own}
