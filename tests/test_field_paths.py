from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simvid.field_paths import item_name, parts, text

KEYS = st.one_of(
    st.integers(0, 999),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True),
    st.text(st.characters(blacklist_characters='"', blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=8),
)


@pytest.mark.parametrize(
    ("loc", "path"),
    [
        (("bodies", 2, "shape", "box", "size_m", 0), "bodies[2].shape.box.size_m[0]"),
        (("randomize", "bodies.duck.pose", "jitter"), 'randomize["bodies.duck.pose"].jitter'),
        (("materials", "1st"), 'materials["1st"]'),
        (("fps",), "fps"),
        ((), ""),
    ],
)
def test_text(loc: tuple[str | int, ...], path: str) -> None:
    assert text(loc) == path


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("cameras.front.fov_y_deg", ("cameras", "front", "fov_y_deg")),
        ("cameras[0].fov_y_deg", ("cameras", "0", "fov_y_deg")),
        ("bodies[duck].pose.position_m[2]", ("bodies", "duck", "pose", "position_m", "2")),
        ('randomize["bodies.duck.pose"]', ("randomize", "bodies.duck.pose")),
        ("fps", ("fps",)),
    ],
)
def test_parts(path: str, keys: tuple[str, ...]) -> None:
    assert parts(path) == keys


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a]", "a[0]b", 'a["b', "a[0"])
def test_no_path(path: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parts(path)


@given(st.lists(KEYS, min_size=1, max_size=5))
def test_parts_read_what_text_wrote(loc: list[str | int]) -> None:
    assert parts(text(("top", *loc))) == ("top", *map(str, loc))


def test_item_name_is_that_of_the_innermost_named_item() -> None:
    tree = {"bodies": [{"name": "duck", "shape": {"box": 1}}, {"shape": 1}, {"name": "two words"}]}
    assert item_name(tree, ("bodies", 0, "shape", "box")) == "duck"
    assert item_name(tree, ("bodies", 0, "not there")) == "duck"
    assert item_name(tree, ("bodies", 1, "shape")) is None
    assert item_name(tree, ("bodies", 2)) is None
    assert item_name(tree, ("bodies",)) is None
