"""A stream that outlives its connections: a cursor, and what is asked with it. Without any I/O."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

from midstream_client.answer import Answer
from midstream_client.errors import ClientError, UnreachableError
from midstream_client.event import TERMINAL_TYPES, Event, json_object
from midstream_client.exchange import Exchange, Request, not_midstream, path_of
from midstream_client.retry_budget import RetryBudget
from midstream_client.sse_decoder import EventTooLongError, ServerSentEvent, SseDecoder

EVENT_STREAM = "text/event-stream"
RECONNECT_S = 1.0
"""Seconds before a reconnect where the server has not said them (`retry`)."""


class Following(Exchange):
    """An event stream, read through any number of connections: each event after the cursor exactly once."""

    def __init__(self, url: str, budget: RetryBudget, cursor: str | None) -> None:
        super().__init__(url, budget)
        self.cursor = cursor
        """Id of the last event that was given out."""
        self.reached = False
        """Whether the server has answered for what is followed."""
        self.on_outage: Callable[[str], None] = lambda _reason: None
        """Called with the reason when reconnecting did not help at once; once in each outage."""
        self._decoder = SseDecoder()
        self._reconnect = RECONNECT_S
        self._streams = False
        """Whether what comes is the stream, and no document that is asked for beside it."""

    def request(self) -> Request:
        """Returns the request for what comes after the cursor."""
        headers = {"accept": EVENT_STREAM, "cache-control": "no-store"}
        if self.cursor is not None:
            headers["last-event-id"] = self.cursor
        return Request("GET", self._path(), headers)

    def pause(self) -> float:
        """Returns the seconds to wait before the next connection. Raises the last error after too long an outage."""
        if self.done or not (self._streams or self._failure):
            return 0.0
        error = self._failure or UnreachableError(f"{self.url} closed the stream before its end", retryable=True)
        pause = self.budget.pause(error, self._least())
        if self.budget.failures == 2 and self.reached:
            self.on_outage(str(error))
        return pause

    def _path(self) -> str:
        raise NotImplementedError

    def _least(self) -> float:
        """Returns the seconds that are waited before a reconnect at least."""
        return self._reconnect

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.reached = True
        self._streams = status == 200
        if self._streams:
            self._decoder = SseDecoder()
            if not headers.get("content-type", "").startswith(EVENT_STREAM):
                raise not_midstream(self.url)

    def _take(self, chunk: bytes) -> Iterator[Event]:
        if not self._streams:
            yield from self._collect(chunk)
            return
        try:
            for frame in self._decoder.feed(chunk):
                event = self._event(frame)
                self.cursor = None if event.type == "reset" else event.id or self.cursor
                self.leaving = event.type == "drain"
                given_out = self._apply(event)
                self.leaving = self.leaving or self.done
                if given_out:
                    yield event
                self.budget.progress()
                if self.leaving:
                    return
        except EventTooLongError as error:
            raise ClientError(f"{self.url} sent an event that is too long ({error})") from None
        finally:
            if self._decoder.retry is not None:
                self._reconnect = self._decoder.retry / 1000

    def _event(self, frame: ServerSentEvent) -> Event:
        data = json_object(frame.data)
        if data is None or not _fits(frame.event, data):
            raise not_midstream(self.url)
        return Event(frame.id, frame.event, data)

    def _apply(self, event: Event) -> bool:
        """Notes what an event says; returns whether it is given out now."""
        raise NotImplementedError


class GenerationFollowing(Following):
    """One generation, followed to its end, and its answer so far.

    It is either a new one, from the `body` of `POST /v1/generations`: `key`, its Idempotency-Key, makes the POST
    safe to repeat until an answer names the generation. Or it is an existing one, from behind the event `after`.
    """

    def __init__(
        self,
        url: str,
        budget: RetryBudget,
        *,
        body: bytes | None = None,
        key: str | None = None,
        generation_id: str | None = None,
        after: str | None = None,
        answer: Answer | None = None,
    ) -> None:
        super().__init__(url, budget, after)
        self.id = generation_id
        self.key = key or str(uuid4())
        self.answer = answer or Answer()
        self._content = body
        self._at_the_end = False
        """Whether nothing follows the cursor, and how it ended is not known."""

    def request(self) -> Request:
        """Returns the POST until the generation has a name, then the request for its events."""
        if self.id is None:
            headers = {"accept": EVENT_STREAM, "content-type": "application/json", "idempotency-key": self.key}
            return Request("POST", "/v1/generations", headers, self._content)
        if self._at_the_end:
            return Request("GET", path_of(self.id), {"accept": "application/json"})
        return super().request()

    def _path(self) -> str:
        assert self.id is not None
        return f"{path_of(self.id)}/events"

    def _least(self) -> float:
        # A POST that got no answer has no stream to reconnect to.
        return self._reconnect if self._streams or self.id is not None else 0.0

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        if status not in ((200,) if self._at_the_end else (200, 204)) and self.id is not None:
            raise not_midstream(self.url)
        if self._at_the_end:
            self._streams = False
            return
        super()._begin(status, headers)
        if self.id is None:
            self._name(headers.get("location", "").rpartition("/")[2])
        if status == 204:
            self.done = self.answer.ended
            self._at_the_end = not self.done

    def _end(self) -> list[Event]:
        if self._at_the_end and self._status == 200:
            snapshot = self._collected()
            self.answer, self.done = answer_of(snapshot, self.url), True
        elif self.id is None and not self._streams:
            self._name(self._collected().get("id"))
            if self.id is None:
                raise not_midstream(self.url)
        # A stream that ends before its terminal event is one to reconnect to: `pause` says when.
        return []

    def _name(self, generation_id: Any) -> None:
        if isinstance(generation_id, str) and generation_id:
            path_of(generation_id)
            self.id = generation_id

    def _apply(self, event: Event) -> bool:
        if event.type == "reset":
            self.answer = Answer()
        elif event.type == "queued" and self.id is None:
            self._name(event.data.get("id"))
        self.answer.apply(event)
        self.done = event.type in TERMINAL_TYPES
        return True


def answer_of(snapshot: dict[str, Any], url: str) -> Answer:
    """Returns the answer that a snapshot is. Raises NotMidstreamError for what is none."""
    try:
        return Answer.of_snapshot(snapshot)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise not_midstream(url) from None


_NEEDED: dict[str, dict[str, type]] = {
    "delta": {"part": int},
    "part": {"part": int},
    "part_end": {"part": int},
    "annotation": {"part": int, "fields": dict},
    "generation": {"generation": str, "number": int},
    "begun": {"generation": str, "number": int},
    "gone": {"generation": str},
    "trimmed": {"generation": str},
}
_KINDS: dict[str, type] = {"number": int, "position": int, "delta": str, "kind": str, "item_id": str}
"""Fields that are used here, and their types in every event of the API."""


def _fits(event: str, data: dict[str, Any]) -> bool:
    """Says whether an event has the fields that are used, of their types: anything may answer at an address."""
    needed = all(isinstance(data.get(name), kind) for name, kind in _NEEDED.get(event, {}).items())
    return needed and all(isinstance(data.get(name), kind | None) for name, kind in _KINDS.items())
