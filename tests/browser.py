"""A real browser in the dark, driven over its DevTools protocol through two pipes: no port, no package."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WITHOUT = "no chromium installed (apt-get install chromium)"
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--mute-audio",  # sounds are decoded and played all the same, into nothing
    "--autoplay-policy=no-user-gesture-required",
    "--proxy-server=127.0.0.1:9",  # nobody is there
    "--remote-debugging-pipe",
)
LOADED_S, ANSWER_S = 30.0, 30.0


class Browser:
    """One page, and everything it asked the network for, logged or threw."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write, self._rest = read, write, b""
        self._sent, self._session = 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The browser's answer to a command of the protocol."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + ANSWER_S
        while True:
            said = self._next(deadline)
            if said.get("id") == self._sent:
                assert "error" not in said, said
                answer: dict[str, Any] = said["result"]
                return answer
            self.events.append(said)

    def open(self, page: Path) -> None:
        """Load a file, as somebody does who clicks on it."""
        self.ask("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + LOADED_S
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next(deadline))

    def run(self, script: str) -> Any:
        """What an expression is worth in the page; promises are waited for."""
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """A key, down and up, wherever the focus is."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else "")

    def picture(self, file: Path, width: int = 1200, **features: str) -> None:
        """A picture of the whole page, with media features such as `prefers_color_scheme="dark"`."""
        chosen = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.ask("Emulation.setEmulatedMedia", features=chosen)
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        found = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(found["data"]))

    @property
    def requests(self) -> list[str]:
        """The addresses that the page asked for, itself included; data inside of it not."""
        asked = [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [address for address in asked if not address.startswith("data:")]

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """What it logged or threw."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event for event in self.events if event["method"] in kinds]

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser did not answer in time"
            read = os.read(self._read, 1 << 20)
            assert read, "the browser went away"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        said: dict[str, Any] = json.loads(message)
        return said


def until(page: Browser, script: str, true: Callable[[Any], bool]) -> Any:
    """What an expression is worth in the page once `true` says yes to it."""
    deadline = time.monotonic() + ANSWER_S
    while not true(found := page.run(script)):
        assert time.monotonic() < deadline, f"{script}: {found}"
        time.sleep(0.05)
    return found


def pipe() -> tuple[int, int]:
    """Both ends of a pipe, above the descriptors that a child gives new meanings."""
    made = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in made)
    for end in made:
        os.close(end)
    return high[0], high[1]


@contextmanager
def browser(folder: Path, width: int = 1200) -> Iterator[Browser]:
    """A browser with a new profile in a folder, for as long as this lasts."""
    commands, answers = pipe(), pipe()
    command = [str(CHROMIUM), *OPTIONS, f"--window-size={width},900", f"--user-data-dir={folder / 'profile'}"]
    # It reads commands from descriptor 3 and writes answers to 4.
    script = f"import os, sys; os.dup2({commands[0]}, 3); os.dup2({answers[1]}, 4); os.execv(sys.argv[1], sys.argv[1:])"
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *command], pass_fds=(commands[0], answers[1]), stdout=log, stderr=log
        )
    os.close(commands[0])
    os.close(answers[1])
    try:
        yield Browser(answers[0], commands[1])
    finally:
        os.close(commands[1])  # which it takes as the word to go
        os.close(answers[0])
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
