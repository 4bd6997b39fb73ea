"""Headless Chromium, driven by its own DevTools protocol over the websockets package that viser brings."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
    "--disable-extensions", "--remote-debugging-port=0", "--remote-allow-origins=*", "--hide-scrollbars",
)  # fmt: skip
START_S, CALL_S, WAIT_S = 120.0, 120.0, 150.0
HOW = "no Chromium found; install it:  apt-get install chromium  (as root, on Debian), or put a chrome on the PATH"
"""What to do without a browser."""


def installed() -> str | None:
    """Path of a Chromium or Chrome."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One headless browser with one page."""

    def __init__(self, binary: str, profile: Path, size: tuple[int, int] = (1280, 800)) -> None:
        from websockets.sync.client import connect

        flags = [*FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", "about:blank"]
        self._process = subprocess.Popen(
            [binary, *flags], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            pages = json.loads(self._ask(self._port(profile), "/json/list"))
            address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
            self._socket = connect(address, max_size=None, open_timeout=START_S)
        except BaseException:
            self._stop()
            raise
        self._count = 0
        self.logs: list[str] = []
        width, height = size
        self.call("Runtime.enable")
        self.call("Log.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._stop()

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, script: str, timeout_s: float = WAIT_S) -> Any:
        """Wait until an expression is true; its value."""
        end = time.monotonic() + timeout_s
        while not (value := self.evaluate(script)):
            assert time.monotonic() < end, f"{script}: not true after {timeout_s} s; the page says {self.logs[-5:]}"
            time.sleep(0.1)
        return value

    def click(self, script: str) -> None:
        """Press and release the left button in the middle of the element that an expression gives."""
        box = self.evaluate(
            f"(() => {{ const e = {script}; e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press and release a named key, such as ArrowRight."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def screenshot(self) -> NDArray[np.uint8]:
        """What is seen, [H, W, 3]."""
        from PIL import Image

        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def settled(
        self, where: tuple[slice, slice], unlike: NDArray[np.uint8] | None = None, timeout_s: float = WAIT_S
    ) -> NDArray[np.uint8]:
        """A screenshot when two in a row are equal in some rows and columns, and (there) not those of ``unlike``."""
        end, last = time.monotonic() + timeout_s, self.screenshot()
        while True:
            time.sleep(0.25)
            seen = self.screenshot()
            if (seen[where] == last[where]).all() and (unlike is None or (seen[where] != unlike[where]).any()):
                return seen
            assert time.monotonic() < end, f"the page has not settled in {timeout_s} s"
            last = seen

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol; its result."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        end = time.monotonic() + CALL_S
        while True:
            message = json.loads(self._socket.recv(timeout=max(end - time.monotonic(), 0.01)))
            if message.get("id") == self._count:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            if message.get("method") in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}:
                self.logs.append(json.dumps(message["params"])[:500])

    def _port(self, profile: Path) -> int:
        """Chromium writes the port that it took into its profile."""
        end = time.monotonic() + START_S
        place = profile / "DevToolsActivePort"
        while True:
            lines = place.read_text().split() if place.is_file() else []
            if lines:
                return int(lines[0])
            assert self._process.poll() is None, f"the browser ended with code {self._process.returncode}"
            assert time.monotonic() < end, f"the browser did not start in {START_S} s"
            time.sleep(0.05)

    def _ask(self, port: int, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=START_S) as answer:
            data: bytes = answer.read()
            return data

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
