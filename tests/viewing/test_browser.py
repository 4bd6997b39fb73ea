"""The viewer in a real browser: the page loads, time moves, and what is chosen is seen."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.testing.browser import HOW, Browser, installed
from simvid.viewing.server import Viewer

SAYS = "(document.body?.innerText ?? '')"
BUTTON = "[...document.querySelectorAll('button')].find(b => b.innerText.trim() === '{}')"
SIZE = (900, 600)
SCENE = (slice(200, 590), slice(0, 490))
"""Rows and columns of a screenshot that show the scene: right of it is the panel, above are viser's notes."""


@pytest.fixture(scope="module")
def binary() -> str:
    """A browser. In the gate (CI=true) it must be there."""
    found = installed()
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(HOW)
        pytest.skip(HOW)
    return found


@pytest.fixture(scope="module")
def viewer(flying_clip: Clip) -> Iterator[Viewer]:
    """A viewer whose frames are shown by a thread of its own."""
    shown, stopped = Viewer(flying_clip), threading.Event()
    thread = threading.Thread(target=shown.run, args=(stopped.is_set,))
    thread.start()
    yield shown
    stopped.set()
    shown.timeline.wake()
    thread.join(30)
    shown.close()


@pytest.fixture(scope="module")
def page(binary: str, viewer: Viewer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page, with splats on it."""
    with Browser(binary, tmp_path_factory.mktemp("profile"), SIZE) as browser:
        assert viewer.ready.wait(60), "splats are made"
        browser.open(viewer.url)
        browser.until(f"{SAYS}.includes('Look through this camera') && document.querySelector('canvas') !== null")
        browser.settled(SCENE)
        yield browser


def differs(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    """Pixels of the scene that are clearly of another colour."""
    return int((np.abs(a[SCENE].astype(int) - b[SCENE]).max(axis=-1) > 40).sum())


def test_the_page_says_what_it_shows(page: Browser) -> None:
    said = page.evaluate(SAYS)
    for text in ("simvid · flying", "A ball and a box fly past a post.", "frame 0 of 3", "cube", "post", "fixed"):
        assert text in said


def test_the_scene_is_upright_and_in_its_colours(page: Browser) -> None:
    seen = page.screenshot()[SCENE].astype(int)
    red = (seen[..., 0] > 120) & (seen[..., 1] < 90) & (seen[..., 2] < 80)
    assert red.sum() > 100, "the red ball"
    rows, columns = np.nonzero(red)
    assert 40 < rows.mean() < 350, "in the middle"
    assert 100 < columns.mean() < 400


def test_a_step_moves_the_scene(page: Browser, viewer: Viewer) -> None:
    before = page.screenshot()
    for k in (1, 2, 3):
        page.click(BUTTON.format(">"))
        page.until(f"{SAYS}.includes('frame {k} of 3')")
    assert viewer.timeline.frame == 3
    after = page.settled(SCENE)
    assert differs(before, after) > 100
    page.click(BUTTON.format("|<"))
    page.until(f"{SAYS}.includes('frame 0 of 3')")
    assert differs(before, page.settled(SCENE)) < 50, "the same place looks the same again"


def test_play_runs_and_pauses(page: Browser, viewer: Viewer) -> None:
    viewer.timeline.set_speed(0.1)
    page.click(BUTTON.format("Play"))
    page.until(f"{SAYS}.includes('frame 1 of 3')")
    page.until(f"{SAYS}.includes('frame 2 of 3')")
    page.click(BUTTON.format("Pause"))
    page.until(f"!!({BUTTON.format('Play')})")
    assert not viewer.timeline.playing
    viewer.timeline.seek(0)
    page.until(f"{SAYS}.includes('frame 0 of 3')")


def red(shot: NDArray[np.uint8]) -> int:
    """Pixels of the ball's colour."""
    r, g, b = np.moveaxis(shot[SCENE], -1, 0)
    return int(np.count_nonzero((r > 120) & (g < 90) & (b < 80)))


def test_a_part_that_is_hidden_is_not_seen(page: Browser, viewer: Viewer) -> None:
    before = page.settled(SCENE)
    box = "[...document.querySelectorAll('label')].find(l => l.innerText.trim() === 'ball')"
    page.click(f"document.getElementById({box}.htmlFor)")
    page.until("true")
    gone = page.settled(SCENE, unlike=before)
    assert viewer.panel.hidden == {2}
    assert red(gone) < red(before) / 4, "what is left is in the picture that the camera took"
    page.click(f"document.getElementById({box}.htmlFor)")
    page.settled(SCENE, unlike=gone)
    assert viewer.panel.hidden == frozenset()
