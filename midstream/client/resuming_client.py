"""A viewer that outlives its connections."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2
import msgspec

from midstream.client.http_client import MAX_JSON_LEVELS, HttpClient, path_of
from midstream.errors import ClientError, UnreachableError
from shared.log.events import TERMINAL_TYPES
from shared.sse_decoder import ServerSentEvent, SseDecoder
from shared.strict_json import nests_deeper

EVENT_STREAM = "text/event-stream"
MAX_EVENT_BYTES = 256_000_000
"""Bytes of one event of the API: more than what a provider may send in one, which may be longer in our JSON."""
EVENTS_OUTSIDE_THE_LOG = frozenset({"queued", "reset", "drain"})


class ViewerEvent(NamedTuple):
    """One event as a viewer gets it. `queued`, `reset` and `drain` are not in the log and have no id."""

    id: str | None
    type: str
    data: dict[str, Any]


class ResumingClient:
    """Follows one generation to its end, through any number of connections (docs/protocol.md).

    It is either a new one, from the `body` of `POST /v1/generations`: the Idempotency-Key makes the POST safe to
    repeat until an answer names the generation. Or it is an existing one, followed from behind the event `after`.
    """

    def __init__(
        self,
        client: HttpClient,
        *,
        body: bytes | None = None,
        generation_id: str | None = None,
        after: str | None = None,
        on_outage: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        assert (body is None) != (generation_id is None)
        self.client = client
        self.body = body
        self.generation_id = generation_id
        self.cursor = after
        """Id of the last event that was given out."""
        self.reached = False
        """Whether the API has answered for this generation."""
        self.ended = False
        """Whether nothing follows the cursor."""
        self.on_outage = on_outage
        """Called with the reason when reconnecting did not help at once; once in each outage."""
        self._key = str(uuid4())
        self._retry = 0.0

    def events(self) -> Iterator[ViewerEvent]:
        """Yields each event after the cursor exactly once, up to the terminal one.

        Raises ClientError where the API says no, or where it stayed away for too long.
        """
        budget = self.client.budget()
        while not self.ended:
            error: ClientError = UnreachableError(f"{self.client.url} closed the stream before its end", retryable=True)
            try:
                with self._open() as response:
                    budget.answered()
                    if self._learn(response):
                        continue
                    for event in self._read(response, budget.heard):
                        yield event
                        budget.progress()
                        if event.type == "drain":
                            break
            except ClientError as failure:
                if not failure.retryable:
                    raise
                error = failure
            if not self.ended:
                budget.wait(error, self._retry)
                if budget.failures == 2 and self.reached:
                    self.on_outage(str(error))

    def _open(self) -> AbstractContextManager[httpx2.Response]:
        headers = {"Accept": EVENT_STREAM, "Cache-Control": "no-store"}
        if self.generation_id is None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": self._key}
            return self.client.open("POST", "/v1/generations", headers, self.body)
        if self.cursor is not None:
            headers["Last-Event-ID"] = self.cursor
        return self.client.open("GET", f"{path_of(self.generation_id)}/events", headers)

    def _learn(self, response: httpx2.Response) -> bool:
        """Reads the head of the answer; returns True where no stream comes with it."""
        self.reached = True
        if response.status_code == 204:
            self.ended = True
            return True
        if self.generation_id is None:
            generation_id = response.headers.get("location", "").rpartition("/")[2]
            if not generation_id:
                raise self.client.no_api()
            path_of(generation_id)
            self.generation_id = generation_id
        if response.status_code == 202:
            return True
        if not response.headers.get("content-type", "").startswith(EVENT_STREAM):
            raise self.client.no_api()
        return False

    def _read(self, response: httpx2.Response, heard: Callable[[], None]) -> Iterator[ViewerEvent]:
        decoder = SseDecoder(MAX_EVENT_BYTES)
        for chunk in response.iter_bytes():
            heard()
            try:
                frames = decoder.feed(chunk)
            except ValueError as error:
                raise ClientError(f"{self.client.url} sent an event that is too large ({error})") from None
            if decoder.retry is not None:
                self._retry = decoder.retry / 1000
            for frame in frames:
                yield self._event(frame)

    def _event(self, frame: ServerSentEvent) -> ViewerEvent:
        try:
            fields = msgspec.json.decode(frame.data)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict) or nests_deeper(fields, MAX_JSON_LEVELS) or not _fits(frame.event, fields):
            raise self.client.no_api()
        if frame.event in EVENTS_OUTSIDE_THE_LOG:
            # By the rules of event streams these carry the id before them: it is not theirs.
            if frame.event == "reset":
                self.cursor = None
            return ViewerEvent(None, frame.event, fields)
        self.cursor = frame.id or self.cursor
        self.ended = frame.event in TERMINAL_TYPES
        return ViewerEvent(frame.id or None, frame.event, fields)


_NEEDED: dict[str, dict[str, type]] = {
    "delta": {"part": int},
    "part": {"part": int},
    "part_end": {"part": int},
    "annotation": {"fields": dict},
}
_KINDS: dict[str, type] = {"number": int, "position": int, "delta": str}
"""Fields that we use, and their types in every event of the API."""


def _fits(event: str, fields: dict[str, Any]) -> bool:
    """Says whether an event has the fields that we use, of their types: anything may answer at an address."""
    needed = all(isinstance(fields.get(name), kind) for name, kind in _NEEDED.get(event, {}).items())
    return needed and all(isinstance(fields.get(name), kind | None) for name, kind in _KINDS.items())
