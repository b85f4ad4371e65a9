"""An answer on the wire with its quirks."""

import json
from collections.abc import Iterator

from simulator.quirks.event import Event, events_of
from simulator.quirks.quirk import Quirk
from simulator.wire import Headers, WireWriter, document


class QuirkedWriter:
    """Only whole answers are changed: what a fault sends is the good writer's."""

    def __init__(self, writer: WireWriter, quirks: tuple[Quirk, ...], protocol: str, total: int) -> None:
        """`total` is the number of deltas."""
        self.headers: Headers = writer.headers
        self._writer = writer
        self._total = total
        self._document = next((quirk.documents[protocol] for quirk in quirks if quirk.documents), None)
        events = _good(writer, total)
        for quirk in quirks:
            events = quirk.events.get(protocol, iter)(events)
        self._events = events
        self._next: Event | None = None
        self._begun = False

    def _take(self, stop: int) -> bytes:
        """What is sent before delta `stop`."""
        if not self._begun:
            self._begun, self._next = True, next(self._events, None)
        frames: list[bytes] = []
        while self._next is not None and self._next.due < stop:
            frames.append(self._next.frame())
            self._next = next(self._events, None)
        return b"".join(frames)

    def opening(self) -> bytes:
        return self._take(0)

    def deltas(self, start: int, stop: int) -> bytes:
        return self._take(stop)

    def closing(self) -> bytes:
        return self._take(self._total + 1)

    def error(self) -> bytes:
        return self._writer.error()

    def broken(self) -> bytes:
        return self._writer.broken()

    def keepalive(self) -> bytes:
        return self._writer.keepalive()

    def whole(self) -> bytes:
        whole = self._writer.whole()
        return whole if self._document is None else document(self._document(json.loads(whole)))


def _good(writer: WireWriter, total: int) -> Iterator[Event]:
    yield from events_of(writer.opening(), -1)
    for n in range(total):
        yield from events_of(writer.deltas(n, n + 1), n)
    yield from events_of(writer.closing(), total)
