"""A replay: another generation's answer, said again as its provider said it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal

from msgspec import UNSET, UnsetType
from redis.exceptions import RedisError

from shared.log.events import (
    Annotation,
    AnyEvent,
    Attempt,
    Cancelled,
    Completed,
    Cost,
    Delta,
    EventId,
    Failed,
    Part,
    PartEnd,
    PartKind,
    Response,
    decode,
)
from shared.log.snapshots import Snapshot
from shared.request.generation_request import GenerationRequest
from worker.cache.source import Beginning, Source, SourceLostError
from worker.providers.provider import Pause, ProviderError, ProviderEvent

_NAMES = ("response_id", "model", "system_fingerprint", "service_tier")
"""What a `response` says of the answer, whoever has asked for it."""


class AnswerCopy:
    """Turns events of an answer, and of attempts that continued it, into those of one attempt that costs nothing."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._open: dict[tuple[PartKind, str | UnsetType], int] = {}
        self._parts = 0

    def take(self, event: AnyEvent) -> ProviderEvent | None:
        """Returns the event that the replay has for this one; None where it has none.

        Raises SourceLostError where the answer starts over or comes to no end, and ValueError for an event of no part.
        """
        event.sequence_number = UNSET
        match event:
            case Attempt():
                if not event.continues:
                    raise SourceLostError
                self._places = {}
                return None
            case Failed() | Cancelled():
                raise SourceLostError
            case Part():
                return self._part(event)
            case Delta() | Annotation() | PartEnd():
                if event.part not in self._places:
                    raise ValueError("an event of a part that has not begun")
                event.part = self._places[event.part]
                if isinstance(event, PartEnd):
                    self._open = {what: part for what, part in self._open.items() if part != event.part}
            case Response():
                event.request_id = UNSET  # there was none
                if all(getattr(event, name) is UNSET for name in _NAMES):
                    return None
            case Completed():
                event.usage = event.last_usage
                event.cost = Cost("0", event.cost.currency) if event.cost else Cost("0")
        return event

    def _part(self, event: Part) -> Part | None:
        resumed = self._open.get((event.kind, event.item_id)) if event.resumes is True else None
        if resumed is not None:
            self._places[event.part] = resumed
            return None
        self._places[event.part] = self._open[event.kind, event.item_id] = self._parts
        event.part, event.resumes = self._parts, UNSET
        self._parts += 1
        return event


class Replay:
    """Serves a source as a provider, which may have no news for `quiet` seconds.

    With the pace `original` no gap is longer than `longest` seconds.
    """

    def __init__(
        self, source: Source, beginning: Beginning, *, pace: Literal["full", "original"], longest: float, quiet: float
    ) -> None:
        self.name = beginning.provider
        self.idle_timeout: float | None = None
        self.model = beginning.model
        self._source = source
        self._at = beginning.at
        self._pace = pace
        self._longest = longest
        self._quiet = Pause(quiet)

    def continues(self, request: GenerationRequest, model: str, so_far: Snapshot) -> bool:
        """Returns False: the whole answer is there to be said again."""
        return False

    async def stream(
        self, request: GenerationRequest, model: str, so_far: Snapshot | None = None
    ) -> AsyncGenerator[list[ProviderEvent], None]:
        """Yields the answer as far as it is there, and then as it comes.

        Raises ProviderError where the source starts over, or ends in anything but an answer.
        """
        answer_copy = AnswerCopy()
        clock = _Clock(self._at, self._longest) if self._pace == "original" else None
        cursor = self._at
        yield self._quiet
        try:
            async with aclosing(self._source.pages(cursor)) as pages:
                async for page in pages:
                    events: list[ProviderEvent] = []
                    for entry in page:
                        event = decode(*entry[1:])
                        if isinstance(event, Attempt) and not await self._source.log.holds(self._source.id, cursor):
                            raise SourceLostError  # Redis came back older: it continues from something else
                        cursor = entry.id
                        t = event.t
                        if (said := answer_copy.take(event)) is None:
                            continue
                        events.append(said)
                        if clock is not None:
                            await clock.wait(entry.id.token + t)
                            yield events
                            events = []
                    if events:
                        yield events
                    yield self._quiet
        except (SourceLostError, ValueError, RedisError):
            message = "The generation whose answer this one shared started over, or came to no answer."
            raise ProviderError("incomplete_stream", message, retryable=True) from None

    async def cancel(self, request: GenerationRequest, response_id: str) -> None:
        """Does nothing: what runs at the provider is the source's."""

    async def aclose(self) -> None:
        """Does nothing: a replay has no connections of its own."""


class _Clock:
    """Waits until the source's events are due again."""

    def __init__(self, beginning: EventId, longest: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._last_ms = beginning.token
        self._longest = longest

    async def wait(self, at_ms: int) -> None:
        self._due += min(max(0, at_ms - self._last_ms) / 1000, self._longest)
        self._last_ms = max(at_ms, self._last_ms)
        await asyncio.sleep(self._due - self._loop.time())
