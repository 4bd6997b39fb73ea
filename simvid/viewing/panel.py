"""The 2-D half of the viewer: time, picture, layers and the list of parts in viser's panel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from simvid.viewing.content import Content, ShownPart
from simvid.viewing.part_list import PartList
from simvid.viewing.stage import LAYERS, SHOWN_AT_FIRST
from simvid.viewing.timeline import SPEEDS, Timeline

if TYPE_CHECKING:
    import viser

    from simvid.clips.pictures import Picture

NOTHING = "none"


class Panel:
    """What the user has chosen, and what is said about it.

    Callbacks of viser run in threads of their own: they change the timeline or call ``changed`` and nothing else.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        content: Content,
        timeline: Timeline,
        labels: dict[str, tuple[str, ...]],
        changed: Callable[[], None],
    ) -> None:
        self._gui, self._content, self._timeline = server.gui, content, timeline
        self._labels, self._changed = labels, changed
        self._told_frame = 0
        server.gui.configure_theme(
            dark_mode=True, show_logo=False, show_share_button=False, control_width="large",
            brand_color=(64, 128, 220),
        )  # fmt: skip
        record = content.clip.record
        title = f"### {_escaped(record.name)}\n{_escaped(record.description)}"
        self._gui.add_markdown(title)
        self._status = self._gui.add_markdown("", visible=False)
        with self._gui.add_folder("Time"):
            self._add_time()
        if labels:
            with self._gui.add_folder("Picture"):
                self._add_picture()
        with self._gui.add_folder("Show"):
            self._layers: dict[str, Any] = {name: self._gui.add_checkbox(name, SHOWN_AT_FIRST[name]) for name in LAYERS}
        with self._gui.add_folder("Parts"):
            self._add_parts()
        for box in (*self._layers.values(), self._part):
            box.on_update(lambda _: changed())

    @property
    def layers(self) -> dict[str, bool]:
        """Which of ``LAYERS`` are to be seen."""
        return {name: bool(box.value) for name, box in self._layers.items()}

    def turn_on(self, layer: str) -> None:
        """Choose one of ``LAYERS`` to be seen."""
        self._layers[layer].value = True

    @property
    def camera(self) -> str | None:
        """Whose picture is shown; None where there is no camera, and so no label and share."""
        return str(self._camera.value) if self._labels else None

    def label(self, camera: str) -> str:
        """What is shown of a camera; its first label, if it has not got the chosen one."""
        label, known = str(self._label.value), self._labels[camera]
        return label if label in known else known[0]

    @property
    def share(self) -> float:
        """How much of the label covers the picture."""
        return float(self._share.value)

    @property
    def part(self) -> ShownPart | None:
        """The part that was picked."""
        return None if self._part.value == NOTHING else self._content.part(str(self._part.value))

    @property
    def hidden(self) -> frozenset[int]:
        """Ids of the parts that are not to be seen."""
        return self._list.hidden

    def say(self, text: str) -> None:
        """A line below the title; empty hides it."""
        self._status.content, self._status.visible = text, bool(text)

    def show(self, frame: int) -> None:
        """Tell what is on: time, contacts, the picked part."""
        self._told_frame = frame
        if int(self._frame.value) != frame:
            self._frame.value = frame
        playing = self._timeline.playing
        if playing != (self._play.label == "Pause"):
            self._play.label = "Pause" if playing else "Play"
            self._play.icon = _icon("PLAYER_PAUSE" if playing else "PLAYER_PLAY")
        contacts = self._content.contacts(frame)
        last = self._timeline.frame_count - 1
        strongest = f", strongest {contacts.impulse_n_s.max():.3g} N s" if len(contacts.points) else ""
        self._now.content = (
            f"**{self._content.trajectory.time_s(frame):.3f} s** · frame {frame} of {last} · "
            f"{len(contacts.points)} contacts{strongest}"
        )
        self._about.content = _about(self._content, self.part, frame)

    def show_picture(self, picture: Picture) -> None:
        """Put a picture into the panel."""
        self._picture.image = picture

    def look(self, camera: str) -> None:
        """Choose a camera."""
        self._camera.value = camera

    def _add_time(self) -> None:
        timeline, gui = self._timeline, self._gui
        last = max(timeline.frame_count - 1, 1)
        self._frame: Any = gui.add_slider("frame", 0, last, 1, 0, disabled=timeline.frame_count < 2)
        self._now = gui.add_markdown("")
        self._play = gui.add_button("Play", icon=_icon("PLAYER_PLAY"))
        step = gui.add_button_group("step", ("|<", "<", ">", ">|"))
        speed = gui.add_dropdown("speed", tuple(f"{s:g} x" for s in SPEEDS), initial_value="1 x")
        loop = gui.add_checkbox("loop", timeline.loop)
        moves = {"|<": -timeline.frame_count, "<": -1, ">": 1, ">|": timeline.frame_count}

        def seek(_: Any) -> None:
            if int(self._frame.value) != self._told_frame:
                timeline.seek(int(self._frame.value))

        def jump(_: Any) -> None:
            by = moves[str(step.value)]
            if abs(by) > 1:
                timeline.play(False)
                timeline.seek(timeline.frame + by)
            else:
                timeline.step(by)

        def looped(_: Any) -> None:
            timeline.loop = bool(loop.value)

        self._frame.on_update(seek)
        self._play.on_click(lambda _: timeline.play(not timeline.playing))
        step.on_click(jump)
        speed.on_update(lambda _: timeline.set_speed(float(str(speed.value).split()[0])))
        loop.on_update(looped)

    def _add_picture(self) -> None:
        gui, cameras = self._gui, tuple(self._labels)
        everything = tuple(dict.fromkeys(name for names in self._labels.values() for name in names))
        self._camera: Any = gui.add_dropdown("camera", cameras, visible=len(cameras) > 1)
        self._label = gui.add_dropdown("label", everything)
        self._share = gui.add_slider("over rgb", 0.0, 1.0, 0.05, 1.0, hint="0 is the picture alone, 1 the label alone")
        self._picture = gui.add_image(np.zeros((8, 8, 3), np.uint8), format="jpeg", jpeg_quality=90)
        self.through = gui.add_button("Look through this camera", icon=_icon("CAMERA"))
        for choice in (self._camera, self._label, self._share):
            choice.on_update(lambda _: self._changed())

    def _add_parts(self) -> None:
        names = tuple(part.name for part in self._content.parts)
        self._part: Any = self._gui.add_dropdown("pick", (NOTHING, *names))
        self._about = self._gui.add_markdown("")
        self._list = PartList(self._gui, self._content.trajectory.parts, self._content.parts, self._changed)


def _about(content: Content, part: ShownPart | None, frame: int) -> str:
    if part is None:
        return ""
    pose, twist = content.trajectory.poses[frame, part.id - 1], content.trajectory.twists[frame, part.id - 1]
    place = ", ".join(f"{v:.3f}" for v in pose[:3])
    return (
        f"id {part.id} · at ({place}) m · {np.linalg.norm(twist[:3]):.3f} m/s · {np.linalg.norm(twist[3:]):.2f} rad/s"
    )


def _icon(name: str) -> Any:
    import viser

    return getattr(viser.Icon, name)


def _escaped(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return "".join("\\" + c if c in "\\`*_{}[]<>()#+-.!|$" else c for c in text)
