"""``simvid view``: a clip in the browser, by viser."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simvid.clip import Clip
from simvid.errors import MissingExtraError, SimvidError
from simvid.viewing.content import Content
from simvid.viewing.panel import Panel
from simvid.viewing.pictures import CameraPictures
from simvid.viewing.stage import Stage, shown_fov_rad
from simvid.viewing.timeline import Timeline

if TYPE_CHECKING:
    import viser

    from simvid.viewing.bent import BentLook, BentLooks
    from simvid.viewing.looks import PartLook

MOST = 200_000
"""Gaussians that a browser with a graphics card moves without effort."""
FIRST_PORT, PORTS = 8080, 50
"""Without ``--port`` the first free one of so many."""
IDLE_S = 0.5
TROUBLE = "the meshes, robots or captures of the scene cannot be read."
LOADING_S = 60.0
"""Longest wait for Gaussians that are still being read when the page closes."""


class Viewer:
    """One clip, one page. ``run`` shows frames until it is stopped; call ``close`` in the end.

    Gaussians are made in the background: the page opens at once, and they appear when they are ready.
    """

    def __init__(self, clip: Clip, host: str = "127.0.0.1", port: int | None = None, most: int = MOST) -> None:
        """Open the page.

        Args:
            clip: to show.
            host: address to listen on; ``0.0.0.0`` lets other machines in.
            port: None takes the first free one from 8080 on.
            most: Gaussians in all; fewer are made where the cameras need no more.

        Raises:
            MissingExtraError: viser is not installed.
            SimvidError: the port is in use, or the host is none of this machine's.
        """
        viser = _viser()
        self.port = free_port(host, port)
        self.url = f"http://{'localhost' if host == '0.0.0.0' else host}:{self.port}"
        self._content, self._most = Content(clip), most
        self.timeline = Timeline(clip.frame_count, clip.fps)
        self._pictures = {camera.name: CameraPictures(self._content, camera.name) for camera in clip.record.cameras}
        with contextlib.redirect_stdout(io.StringIO()):  # viser prints a banner
            self._server = viser.ViserServer(host=host, port=self.port, label=f"simvid · {clip.name}", verbose=False)
        self._stage = Stage(self._server, self._content)
        labels = {name: pictures.names for name, pictures in self._pictures.items()}
        self.panel = Panel(self._server, self._content, self.timeline, labels, self.timeline.wake)
        self._stage.on_camera_click(self._look_through)
        if labels:
            self.panel.through.on_click(lambda event: self._look_through(event.client, self.panel.camera))
        self._told: dict[str, Any] = {}
        self._looks: tuple[list[PartLook], BentLooks] | None = None
        self._trouble = ""
        self._fault: Exception | None = None
        self._loader = threading.Thread(target=self._load, name="simvid-looks", daemon=True)
        self.ready = threading.Event()
        self._loader.start()

    def run(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Show frames until ``stopped`` says so."""
        self.panel.say("making splats …")
        while not stopped():
            self.show(self.timeline.wait(IDLE_S))

    def show(self, frame: int) -> None:
        """Bring page and panel to a frame, and to what the user has chosen."""
        self._add_looks()
        bent = self._bent(frame)
        with self._server.atomic():
            if self._new("frame", frame):
                self._stage.show(frame)
            self._stage.show_bent(bent)
            for layer, visible in self.panel.layers.items():
                if self._new(f"layer {layer}", visible):
                    self._stage.set_visible(layer, visible)
                    if layer == "contacts":
                        self._stage.show(frame)
            if self._new("hidden", self.panel.hidden):
                self._stage.hide(self.panel.hidden)
            if self._new("part", self.panel.part):
                self._stage.pick(self.panel.part)
        self._show_pictures(frame)
        if self._new("panel", (frame, self.timeline.playing, self.panel.part)):
            self.panel.show(frame)

    def _bent(self, frame: int) -> tuple[BentLook, ...]:
        """What deforms, at a frame; nothing where that is on show already, not ready, or hidden."""
        if self._looks is None or not self.panel.layers["splats"] or not self._new("bent", frame):
            return ()
        return self._looks[1].at(frame)

    def _show_pictures(self, frame: int) -> None:
        """What each camera saw, on its frustum, and the chosen one's in the panel with its legend."""
        chosen = self.panel.camera
        if chosen is None:
            return
        share = self.panel.share
        for name, pictures in self._pictures.items():
            label = self.panel.label(name)
            if self._new(f"picture {name}", (label, share, frame)):
                self._stage.show_picture(name, pictures.blended(label, frame, share))
        label, pictures = self.panel.label(chosen), self._pictures[chosen]
        if self._new("panel picture", (chosen, label, share, frame)):
            self.panel.show_picture(pictures.with_legend(pictures.blended(label, frame, share), label))

    def close(self) -> None:
        """Close the page and free the port.

        Gaussians that are still being read are waited for: a thread inside compiled code when Python ends aborts it.
        """
        with contextlib.redirect_stdout(io.StringIO()):
            self._server.stop()
        self._loader.join(LOADING_S)

    def _new(self, what: str, value: object) -> bool:
        """Whether a value has changed since it was last asked for."""
        changed = what not in self._told or self._told[what] != value
        self._told[what] = value
        return changed

    def _load(self) -> None:
        from simvid.viewing.bent import BentLooks
        from simvid.viewing.looks import covered, looks_of

        try:
            clip = self._content.clip
            assets, look = covered(clip, self._most)
            self._looks = looks_of(clip, look), BentLooks(clip, assets, look)
        except SimvidError as error:
            self._trouble = str(error)
        except Exception as error:  # raised again in ``run``, which someone watches
            self._fault = error
        self.timeline.wake()

    def _add_looks(self) -> None:
        """Put Gaussians on the stage when they are ready; boxes where there can be none, and say why."""
        if self._fault is not None:
            raise self._fault
        if self.ready.is_set() or not (self._looks is not None or self._trouble):
            return
        from simvid.viewing.looks import ground_color, sky_color

        self._stage.add_sky(sky_color(self._content.clip))
        self._stage.add_ground(ground_color(self._content.clip))
        if self._looks is not None:
            looks, bent = self._looks
            self._stage.add_looks(look for look in looks if look.id not in bent.ids)
            self.panel.say("")
        else:
            self._stage.add_solid_boxes()
            self.panel.turn_on("particles")
            self.panel.say(f"**Boxes instead of splats:** {TROUBLE}\n\n```\n{self._trouble}\n```")
        self.ready.set()

    def _look_through(self, client: viser.ClientHandle | None, name: str | None) -> None:
        """Move the browser's camera to where a camera of the clip stands."""
        if client is None or name is None:
            return
        camera = self._content.cameras[name]
        pose = camera.world_from_camera[self.timeline.frame]
        middle = self._content.bounds_m.mean(axis=0)
        ahead = max(float((middle - pose[:3, 3]) @ pose[:3, 2]), 0.05 * self._content.size_m)
        with client.atomic():
            client.camera.up_direction = -pose[:3, 1]
            client.camera.position = pose[:3, 3]
            client.camera.look_at = pose[:3, 3] + ahead * pose[:3, 2]
            client.camera.fov = shown_fov_rad(camera)


def _viser() -> Any:
    try:
        import viser
    except ImportError as error:
        raise MissingExtraError("viser", "view", "simvid view") from error
    return viser


def free_port(host: str, port: int | None) -> int:
    """A port that can be listened on: the given one, or the first free one from 8080 on.

    Raises:
        SimvidError: it is in use, may not be used, or the host is none of this machine's.
    """
    wanted = [port] if port is not None else range(FIRST_PORT, FIRST_PORT + PORTS)
    trouble = "" if port is None or 0 <= port <= 65535 else "ports are 0 to 65535"
    for number in wanted if not trouble else ():
        try:
            with socket.create_server((host, number)) as probe:
                return int(probe.getsockname()[1])
        except OSError as error:
            trouble = error.strerror or str(error)
            if port is None and isinstance(error, socket.gaierror):
                break
    which = f"port {port}" if port is not None else f"ports {FIRST_PORT} to {FIRST_PORT + PORTS - 1}"
    advice = "choose another one with --port, or leave --port out to take a free one"
    raise SimvidError(f"cannot listen on {host}, {which}: {trouble}; {advice}")
