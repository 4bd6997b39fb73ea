"""Which frame is shown when: play, pause, speed and loop, free of any viewer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass
class Timeline:
    """A clock over T frames. All methods may be called from any thread.

    Playing follows the clock on the wall: frames are left out rather than shown late.
    """

    frame_count: int
    fps: float
    clock: Callable[[], float] = time.monotonic
    frame: int = 0
    playing: bool = False
    speed: float = 1.0
    loop: bool = True
    _position: float = 0.0
    _told_at: float = 0.0
    _woken: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def seek(self, frame: int) -> None:
        """Show a frame (clamped to those there are); playing goes on from it."""
        with self._changed:
            self._go(min(max(frame, 0), self.frame_count - 1))

    def step(self, by: int) -> None:
        """Pause, and go so many frames on or back, around the ends."""
        with self._changed:
            self.playing = False
            self._go((self.frame + by) % self.frame_count)

    def play(self, playing: bool) -> None:
        """Start (from the beginning, if it stands at the end) or pause."""
        with self._changed:
            if playing and not self.playing and self.frame == self.frame_count - 1:
                self._go(0)
            self.playing = playing
            self._go(self.frame)

    def set_speed(self, speed: float) -> None:
        """Seconds of the clip per second; must be above 0."""
        if speed <= 0:
            raise ValueError(f"Timeline.speed: must be > 0, got {speed}")
        with self._changed:
            self._go(self.frame)
            self.speed = speed

    def wake(self) -> None:
        """Let ``wait`` return."""
        with self._changed:
            self._wake()

    def wait(self, timeout_s: float) -> int:
        """Wait until something has changed, the next frame is due, or the time is over; the frame to show."""
        with self._changed:
            if self.playing:
                due = (self.frame + 1 - self._position) / (self.fps * self.speed) - (self.clock() - self._told_at)
                timeout_s = min(max(due, 0.0), timeout_s)
            if not self._woken:
                self._changed.wait(timeout_s)
            self._woken = False
            self._advance()
            return self.frame

    def _go(self, frame: int) -> None:
        self.frame, self._position, self._told_at = frame, float(frame), self.clock()
        self._wake()

    def _wake(self) -> None:
        self._woken = True
        self._changed.notify_all()

    def _advance(self) -> None:
        if not self.playing:
            return
        now = self.clock()
        self._position += (now - self._told_at) * self.fps * self.speed
        self._told_at = now
        if self._position >= self.frame_count:
            if not self.loop:
                self.playing = False
                self._position = float(self.frame_count - 1)
            self._position %= self.frame_count
        self.frame = int(self._position)
