"""A real browser, driven over the DevTools protocol: Chromium, by default with scripts turned off.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FOUND = next(filter(None, map(shutil.which, NAMES)), None)
SECONDS = 60.0


class Page:
    """The only page of a browser."""

    def __init__(self, connection: ClientConnection, *, runs_scripts: bool) -> None:
        self._connection = connection
        self._ids = count(1)
        self._tell("Page.enable")
        self._tell("Emulation.setScriptExecutionDisabled", value=not runs_scripts)

    def open(self, url: str) -> None:
        self._tell("Page.navigate", url=url)
        self._wait_for(lambda message: message.get("method") == "Page.loadEventFired")

    def press(self, selector: str) -> None:
        """Click on an element with the mouse, where a person sees it."""
        node = self._node(selector)
        self._tell("DOM.scrollIntoViewIfNeeded", nodeId=node)
        corners = self._tell("DOM.getBoxModel", nodeId=node)["model"]["content"]
        x, y = sum(corners[::2]) / 4, sum(corners[1::2]) / 4
        for kind in ("mousePressed", "mouseReleased"):
            self._tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def submit(self, selector: str) -> None:
        """Click on a submit button, and wait for the next page."""
        self.press(selector)
        self._wait_for(lambda message: message.get("method") == "Page.loadEventFired")

    def html(self, selector: str = "main") -> str:
        return str(self._tell("DOM.getOuterHTML", nodeId=self._node(selector))["outerHTML"])

    def resize(self, width: int, height: int = 900) -> None:
        """Show the page as a screen of this size does."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._tell("Emulation.setDeviceMetricsOverride", **size)

    def width(self) -> float:
        """The width of the content, which is more than the screen's if it has to be scrolled sideways."""
        return float(self._tell("Page.getLayoutMetrics")["cssContentSize"]["width"])

    def box(self, selector: str) -> tuple[float, float]:
        """The width and height of an element."""
        model = self._tell("DOM.getBoxModel", nodeId=self._node(selector))["model"]
        return float(model["width"]), float(model["height"])

    def style(self, selector: str) -> dict[str, str]:
        """The styles in force on an element."""
        self._tell("DOM.enable")
        self._tell("CSS.enable")
        found = self._tell("CSS.getComputedStyleForNode", nodeId=self._node(selector))["computedStyle"]
        return {one["name"]: one["value"] for one in found}

    def _node(self, selector: str) -> int:
        root = self._tell("DOM.getDocument")["root"]["nodeId"]
        return int(self._tell("DOM.querySelector", nodeId=root, selector=selector)["nodeId"])

    def _tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        answer = self._wait_for(lambda message: message.get("id") == number)
        assert "error" not in answer, (method, answer)
        result: dict[str, Any] = answer["result"]
        return result

    def _wait_for(self, is_it: Any) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(self._connection.recv(timeout=SECONDS))
            if is_it(message):
                return message


@contextmanager
def browser(folder: Path, *, runs_scripts: bool = False) -> Iterator[Page]:
    """A browser with an empty profile in `folder`."""
    assert FOUND
    options = ("--headless=new", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={folder}")
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with (folder / "browser.log").open("w") as log:
        process = subprocess.Popen([FOUND, *options, *as_root, "about:blank"], stdout=log, stderr=log)
    try:
        with connect(_only_page(folder / "DevToolsActivePort"), max_size=None) as connection:
            yield Page(connection, runs_scripts=runs_scripts)
    finally:
        process.terminate()
        process.wait(SECONDS)


def _only_page(port_file: Path) -> str:
    deadline = time.monotonic() + SECONDS
    while not port_file.exists() or not port_file.read_text():
        assert time.monotonic() < deadline, "the browser did not come up"
        time.sleep(0.1)
    port = port_file.read_text().splitlines()[0]
    while True:
        targets = httpx.get(f"http://127.0.0.1:{port}/json/list").json()
        pages = [target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page"]
        if pages:
            return str(pages[0])
        assert time.monotonic() < deadline, "the browser has no page"
        time.sleep(0.1)
