"""Debian's Firefox, which Playwright does not drive: it wants a build of its own, or the newest commands."""

import itertools
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.missing import missing
from tests.support.polling import until

#: What the protocol of WebDriver calls an element (https://www.w3.org/TR/webdriver2/#elements).
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_TIMEOUT_SECONDS = 120.0


class Firefox:
    """A window of Firefox, driven through its Marionette: lines of JSON, with their length in front.

    https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS)
        self._answers = self._socket.makefile("rb")
        self._ids = itertools.count(1)
        self._read()  # its greeting
        self._call("WebDriver:NewSession")

    def open(self, page: Path) -> None:
        self._call("WebDriver:Navigate", url=page.absolute().as_uri())

    def type(self, selector: str, text: str) -> None:
        """Type into a field; into one for a file, its path."""
        self._call("WebDriver:ElementSendKeys", id=self._find(selector), text=text)

    def click(self, selector: str) -> None:
        self._call("WebDriver:ElementClick", id=self._find(selector))

    def text(self, selector: str) -> str:
        """Return the text that an element shows."""
        return str(self._call("WebDriver:GetElementText", id=self._find(selector))["value"])

    def shows(self, selector: str, text: str) -> None:
        """Wait until an element shows this text."""
        until(lambda: text in self.text(selector), patience=_TIMEOUT_SECONDS)

    def quit(self) -> None:
        self._call("Marionette:Quit")
        self._socket.close()

    def _find(self, selector: str) -> str:
        found = self._call("WebDriver:FindElement", using="css selector", value=selector)
        return str(found["value"][_ELEMENT])

    def _call(self, command: str, **parameters: str) -> Any:
        message = json.dumps([0, next(self._ids), command, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(message), message))
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def _read(self) -> Any:
        size = b""
        while (byte := self._answers.read(1)) != b":":
            size += byte
        return json.loads(self._answers.read(int(size)))


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """Start Firefox, with its profile in `folder`, where its downloads go, too."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        missing("Firefox (apt-get install firefox-esr)")
        return
    profile, active = folder / "profile", folder / "profile" / "MarionetteActivePort"
    profile.mkdir()
    wanted = {"marionette.port": 0, "browser.download.folderList": 2, "browser.download.dir": str(folder)}
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in wanted.items())
    (profile / "user.js").write_text("".join(lines))
    command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(active.exists, patience=_TIMEOUT_SECONDS)
            started = Firefox(int(active.read_text()))
            yield started
            started.quit()
        finally:
            process.terminate()
