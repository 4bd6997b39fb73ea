"""Play, pause, speed and loop against a clock that the test turns."""

from __future__ import annotations

import threading
import time

import pytest

from simvid.viewing.timeline import Timeline


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timeline(clock: Clock) -> Timeline:
    return Timeline(frame_count=10, fps=5.0, clock=clock)


def after(timeline: Timeline, clock: Clock, seconds: float) -> int:
    clock.now += seconds
    return timeline.wait(0)


def test_it_stands_still_until_it_plays(timeline: Timeline, clock: Clock) -> None:
    assert after(timeline, clock, 3.0) == 0
    timeline.play(True)
    assert after(timeline, clock, 0.41) == 2


@pytest.mark.parametrize(("speed", "frame"), [(0.5, 1), (1.0, 3), (2.0, 6)])
def test_speed(timeline: Timeline, clock: Clock, speed: float, frame: int) -> None:
    timeline.set_speed(speed)
    timeline.play(True)
    assert after(timeline, clock, 0.61) == frame


def test_speed_keeps_the_place(timeline: Timeline, clock: Clock) -> None:
    timeline.play(True)
    assert after(timeline, clock, 0.81) == 4
    timeline.set_speed(0.1)
    assert after(timeline, clock, 0.81) == 4
    assert after(timeline, clock, 1.3) == 5
    with pytest.raises(ValueError, match="got 0"):
        timeline.set_speed(0)


def test_loop_or_stop_at_the_end(timeline: Timeline, clock: Clock) -> None:
    timeline.play(True)
    assert after(timeline, clock, 2.21) == 1
    states = [timeline.playing]
    timeline.loop = False
    assert after(timeline, clock, 7.0) == 9
    assert [*states, timeline.playing] == [True, False]
    timeline.play(True)
    assert timeline.wait(0) == 0, "from the beginning again"


def test_seek_is_clamped_and_steps_go_around(timeline: Timeline, clock: Clock) -> None:
    timeline.seek(99)
    assert timeline.frame == 9
    timeline.seek(-5)
    assert timeline.frame == 0
    timeline.play(True)
    timeline.step(-1)
    assert (timeline.frame, timeline.playing) == (9, False)
    timeline.step(1)
    assert timeline.frame == 0


def test_seek_while_playing_goes_on_from_there(timeline: Timeline, clock: Clock) -> None:
    timeline.play(True)
    after(timeline, clock, 0.5)
    timeline.seek(6)
    assert after(timeline, clock, 0.21) == 7


def test_a_change_wakes_who_waits() -> None:
    timeline = Timeline(10, 24.0)
    started = time.monotonic()
    threading.Timer(0.05, timeline.seek, [4]).start()
    assert timeline.wait(30.0) == 4
    assert time.monotonic() - started < 10


def test_a_change_before_the_waiting_is_not_lost() -> None:
    timeline = Timeline(10, 24.0)
    timeline.wake()
    started = time.monotonic()
    timeline.wait(30.0)
    assert time.monotonic() - started < 10
