"""A viewer that comes back with its cursor until the end, and what it saw on the way."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from typing import Any

from tests.mended.running import until
from tests.mended.upstream import DONE, Script, chunk, counted

TERMINAL = ("completed", "failed", "cancelled")
AGAIN = 0.1
"""Seconds between two tries."""


class Viewer:
    """Follows a generation on a thread, at any port that leads to an API."""

    def __init__(self, port: int, generation_id: str) -> None:
        self._port, self._path = port, f"/v1/generations/{generation_id}/events"
        self.text = ""
        self.seen: list[str] = []
        """The ids of the events, in their order, since the last `reset`."""
        self.statuses: list[int] = []
        """What it was answered, at each connect."""
        self.end: str | None = None
        self._stopped = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Come back no more."""
        self._stopped.set()

    def whole(self, text: str) -> bool:
        """Whether it has all of this answer, and each event once and in order."""
        places = [tuple(map(int, event_id.split("-"))) for event_id in self.seen]
        return (self.end, self.text, sorted(set(places))) == ("completed", text, places)

    def _run(self) -> None:
        while self.end is None and not self._stopped.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._connect()
            time.sleep(AGAIN)

    def _connect(self) -> None:
        headers = {"Last-Event-ID": self.seen[-1]} if self.seen else {}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            connection.request("GET", self._path, headers=headers)
            response = connection.getresponse()
            self.statuses.append(response.status)
            fields: dict[str, str] = {}
            while response.status == 200 and not self._stopped.is_set() and (line := response.readline().decode()):
                name, _, value = line.rstrip("\n").partition(": ")
                if line != "\n":
                    fields[name] = value
                elif "data" in fields:
                    self._take(fields.get("event", ""), json.loads(fields["data"]), fields.get("id"))
                    fields = {}
        finally:
            connection.close()

    def _take(self, event: str, data: Any, event_id: str | None) -> None:
        if event == "reset":
            self.text, self.seen = "", []
        if event_id is not None:
            self.seen.append(event_id)
        if event == "attempt" and not data["continues"]:
            self.text = ""
        if event == "delta":
            self.text += data["delta"]
        if event in TERMINAL:
            self.end = event


def slow(words: int, pause: float) -> tuple[Script, str]:
    """An answer of OpenAI Chat in so many words, each after so many seconds; and its text."""
    text = [f"w{number} " for number in range(words)]
    body: list[object] = []
    for word in text:
        body += [pause, chunk({"content": word})]
    return Script([*body, chunk({}, "stop"), counted(5, words), DONE]), "".join(text)


def all_whole(viewers: list[Viewer], text: str, seconds: float, running: Any = None) -> None:
    """Wait until each has ended; each has the whole answer."""
    until(lambda: all(viewer.end for viewer in viewers), seconds, running)
    assert [viewer.end for viewer in viewers if not viewer.whole(text)] == []
