"""The page on labels knows every label, array, derived label and self-check, with its bound."""

from __future__ import annotations

from pathlib import Path

import pytest

from simvid.checking import base, box_checks, checks, contact_checks, flow_checks, support
from simvid.derived import DERIVED
from simvid.frames import BUFFERS, LABEL_ARRAYS, LABELS


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "labels.md").read_text(encoding="utf-8")


def row(page: str, name: str) -> str:
    """The row of a table that begins with a name."""
    rows = [line for line in page.splitlines() if line.startswith("| ") and f"`{name}`" in line.split("|")[1]]
    assert rows, f"docs/labels.md has no row for `{name}`"
    return rows[0]


@pytest.mark.parametrize("label", LABELS)
def test_every_label_has_a_row_and_a_section(page: str, label: str) -> None:
    assert page.startswith("# What each label means on splats\n")
    line = row(page, label)
    for array in set(LABEL_ARRAYS[label]) - set(BUFFERS):
        assert f"`{array}.npz`" in page, array
    if label not in BUFFERS:
        assert f"\n### {label}\n" in page
        assert line.count("|") == 6


def test_files_that_are_no_arrays(page: str) -> None:
    for file in ("boxes.csv", "part_boxes.csv", "contacts.csv", "tracks.npz", "boxes_3d.npz", "poses.npz"):
        assert f"`{file}`" in page


@pytest.mark.parametrize("name", DERIVED)
def test_every_derived_label_says_what_it_is_made_from(page: str, name: str) -> None:
    assert f"`{DERIVED[name][0]}`" in row(page, name)


def test_every_check_has_its_bound(page: str) -> None:
    bounds = {
        "flow_follows_pose": f"{flow_checks.WARP_PX} px",
        "flow_returns": f"{flow_checks.ROUND_TRIP_PX} px",
        "ids_match_surfaces": str(support.WRONG_SHARE),
        "boxes_are_tight": "exact",
        "contacts_touch": str(contact_checks.OUTSIDE_SHARE),
        "files_hold": "exact",
    }
    assert list(bounds) == [check.__name__ for check in checks.CHECKS]
    for name, bound in bounds.items():
        assert row(page, name).split("|")[3].strip() == bound
    assert f"| {support.DEPTH_SHARE} |" in page
    assert f"{base.BORDER_PX} px" in page
    assert f"fewer than {base.FEWEST_PX} pixels" in page
    assert box_checks.TIGHT[0] in page


def test_it_is_linked_and_its_picture_is_there(root: Path, page: str) -> None:
    for path in ("README.md", "docs/clip-format.md", "scenes/README.md"):
        assert "labels.md)" in (root / path).read_text(encoding="utf-8"), path
    picture = root / "docs" / "labels.png"
    assert "(labels.png)" in page
    assert 20_000 < picture.stat().st_size < 400_000
