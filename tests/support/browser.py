"""Headless Chromium over WebDriver (a W3C standard): a page as somebody sees it, without a package for it."""

import base64
import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


def chromedriver() -> str:
    """Path of the driver; the test says that it is skipped where Chromium or its driver is not installed."""
    found = shutil.which("chromedriver")
    if found is None or not (shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium with its driver here: apt-get install chromium chromium-driver")
    return found


class Browser:
    """One browser, closed at the end."""

    def __init__(self) -> None:
        self._driver = subprocess.Popen([chromedriver(), "--port=0"], stdout=subprocess.PIPE, text=True)
        assert self._driver.stdout is not None
        port = next(m[1] for line in self._driver.stdout if (m := re.search(r"successfully on port (\d+)", line)))
        self._root = f"http://127.0.0.1:{port}/session"
        wanted = {
            "goog:chromeOptions": {
                "args": _OPTIONS,
                "binary": shutil.which("chromium") or shutil.which("google-chrome"),
            },
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        session = self._ask("", {"capabilities": {"alwaysMatch": wanted}})
        self._root += f"/{session['sessionId']}"

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._ask("", method="DELETE")
        finally:
            self._driver.terminate()
            self._driver.wait(30)

    def open(self, page: Path, *, width: int = 1200, scheme: str = "light") -> None:
        """Load a file at a width in CSS pixels, for somebody who prefers a colour scheme."""
        self._devtools("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self._devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._ask("/url", {"url": page.absolute().as_uri()})

    def run(self, script: str) -> Any:
        """What a script in the page returns."""
        return self._ask("/execute/sync", {"script": script, "args": []})

    def click(self, selector: str) -> None:
        """A click as a person makes it: in the middle of the element, which has to be visible."""
        (element,) = self._ask("/element", {"using": "css selector", "value": selector}).values()
        self._ask(f"/element/{element}/click", {})

    def messages(self) -> list[str]:
        """What the console said since the last call."""
        return [entry["message"] for entry in self._ask("/se/log", {"type": "browser"})]

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self._ask("/print", {}))

    def picture(self) -> bytes:
        """PNG of the whole page."""
        size = self._devtools("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "scale": 1, "width": size["width"], "height": size["height"]}
        return base64.b64decode(self._devtools("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"])

    def _devtools(self, command: str, **parameters: Any) -> Any:
        return self._ask("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(
            urllib.request.Request(self._root + path, data, method=method), timeout=120
        ) as answer:
            return json.load(answer)["value"]
