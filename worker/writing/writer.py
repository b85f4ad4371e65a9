"""Writes one attempt into the log: gives events their ids, remembers them, and knows how far the log has them."""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Literal

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from shared.errors import MidstreamError
from shared.log.events import (
    ORIGIN,
    TERMINAL_TYPES,
    Delta,
    Event,
    EventId,
    Failed,
    Part,
    PartEnd,
    Response,
    Usage,
    UsageReport,
    encode,
)
from shared.log.guarded_log import Batch, Claim, Reply, WriteOutcome
from shared.usage import Ended

MAX_MERGED_CHARS = 16_384
"""Characters up to which waiting deltas of one part are merged into one event."""
MAX_MERGED_LOGPROBS = 256
"""Tokens up to which those with logprobs are: each may be two kB."""
MAX_BATCH_EVENTS = 256
MAX_BATCH_BYTES = 262_144
FULL_MEMORY_S = 3.0
"""Seconds of a Redis without memory after which the generation is ended."""
FULL_DISK_S = 10.0
"""Seconds of one that cannot write to its disk: less than a worker goes on for without renewing its leases."""
FIRST_EVENTS = 3
"""Events up to which an attempt has said nothing yet, or as good as: `attempt`, `response`, `part`, a first delta."""
MAX_UNSENT_EVENTS = 1024
"""Events that may be on their way to the log before the provider is read more slowly."""

_text = msgspec.json.Encoder().encode

_REPEATED = frozenset({"text", "reasoning", "refusal", "tool_call"})
"""Kinds of parts that the message of an answer has (shared/log/answer_message.py)."""

StopReason = Literal["lease", "gone", "full", "defect"]
"""Why the log wants no more: another attempt has it, it has ended or is no more, Redis has no memory, or we fail."""
DEFECT_END = Failed(code="internal_error", message="Midstream failed, which is a defect.", retryable=False)


class LogFullError(MidstreamError):
    """The attempt said more than `max_log` bytes."""


def _bytes_of(event: Event) -> int:
    """Returns how many bytes an event has as JSON: of a delta, which may join others, only those of what it adds."""
    if isinstance(event, Delta):
        try:
            size = len(_text(event.delta)) - 2
            return size if event.logprobs is UNSET else size + len(_text(event.logprobs))
        except UnicodeEncodeError:  # half of a surrogate pair
            return len(event.delta.encode("utf-8", "surrogatepass")) if event.logprobs is UNSET else len(encode(event))
    return len(encode(event))


def _joins(newest: Delta, event: Delta) -> bool:
    """Takes the logprobs of a delta into the one before it; returns False where only one of them has any.

    So a delta has the logprobs of all its tokens, or of none.
    """
    if newest.logprobs is UNSET or event.logprobs is UNSET or len(newest.logprobs) >= MAX_MERGED_LOGPROBS:
        return False
    newest.logprobs += event.logprobs
    return True


class Writer:
    """Keeps every event of the attempt: a Redis that comes back without its last second is given them again.

    Ids are dense, `<token>-0` and on, and an event never changes once it has one, so that a second write is the same.
    """

    def __init__(
        self,
        generation_id: str,
        claim: Claim,
        *,
        max_log: int,
        dirty: Callable[["Writer"], None],
        restore: Callable[[], Awaitable[bool]],
        stop: Callable[[StopReason], None],
        spoke: Callable[[], None] = lambda: None,
    ) -> None:
        self.generation_id = generation_id
        self.token = claim.token
        self.number = claim.number
        self.first = claim.first
        """The attempt's first event, which the claim wrote; empty where it wrote none."""
        self.after = claim.last
        """The log's last event when this attempt began."""
        self.usage: Usage | None = None
        self.response: Response | None = None
        """What the provider calls the answer that this attempt reads."""
        self.ended: Ended | None = None
        """What is to be counted once the terminal event is known to be on disk."""
        self.began_ms = claim.token - claim.elapsed_ms
        """When the generation's first attempt began (Redis' clock)."""
        self.first_delta_ms: int | None = None
        self.last_delta_ms = 0
        """When the first and the last delta came (ms since the token)."""
        self.reasoned = False
        """Whether any part of the answer is reasoning: then the tokens of that come as deltas too."""
        self.said_something = False
        """Whether any of the answer was put: before that a provider call can be tried again unseen."""
        self.said = 0
        """About how many bytes the answer has, as a later request repeats it."""
        self.prompt = False
        """An end, or something of a tool call, waits: what a program acts on is not gathered for the sake of CPU."""
        self.cancel_requested = False
        self.outcome: WriteOutcome | None = None
        """OK once the log has the terminal event; another one where the log is no longer this attempt's."""
        self.changed = asyncio.Event()
        """Set at every answer of the log; who waits for something clears it and looks again."""
        self.appended_at = self._started = time.monotonic()
        self._base = claim.last
        self._continues = claim.continues
        self._events: list[tuple[str, bytes]] = [("attempt", claim.first)] if claim.first else []
        self._acked = len(self._events)
        self._sent = self._acked
        """How many events have ever been sent: viewers may have seen them, whatever the log answered or has now."""
        self._first_delta_at: int | None = None
        self._waiting: list[Event] = []
        self._halves: dict[int, Delta] = {}
        self._call_parts: set[int] = set()
        self.max_log = max_log
        self._size = len(claim.first)
        """Bytes of the events that have left; of those that wait, `_coming` has them, but for the frames of deltas."""
        self._coming = 0
        self._dirty = dirty
        self._stop = stop
        self._spoke = spoke
        """Is called at the attempt's first delta."""
        self._refused_at: float | None = None
        self._full = False
        self._failed = False
        self.errors = 0
        """Times in a row that the log answered with an error of its own, which is no outage."""
        self.restore = restore
        """Writes the record again where Redis has forgotten it; False where it was deleted or has expired."""

    def put(self, event: Event) -> None:
        """Takes an event on; it leaves with the next append. After the log was lost, nothing is taken on.

        Raises LogFullError past the bound, which a terminal event may pass.
        """
        if self.outcome is not None or (self._full and event.type not in TERMINAL_TYPES):
            return
        if event.type not in TERMINAL_TYPES:
            size = _bytes_of(event)
            self._coming += size
            if isinstance(event, PartEnd) or (isinstance(event, Delta) and event.kind in _REPEATED):
                self.said += size
        if isinstance(event, Delta):
            if not self._whole(event):
                return
        elif isinstance(event, PartEnd) and (half := self._halves.pop(event.part, None)):
            self._take(half)
        elif isinstance(event, UsageReport):
            self.usage = event.usage
        elif isinstance(event, Response):
            self.response = event
        if self._size + self._coming > self.max_log and event.type not in TERMINAL_TYPES:
            raise LogFullError
        self.said_something = self.said_something or not isinstance(event, Response | UsageReport)
        self._take(event)

    def _whole(self, event: Delta) -> bool:
        # Some providers cut between the halves of a surrogate pair. What ends in the first waits for the second, all of
        # it: its number must not be in the log before the last of its characters.
        if half := self._halves.pop(event.part, None):
            if event.delta and not "\udc00" <= event.delta[0] <= "\udfff":
                self._take(half)  # the second never comes; what waits must not grow with each first
            else:
                event.delta = half.delta + event.delta
                if half.logprobs is not UNSET:
                    event.logprobs = [*half.logprobs, *(event.logprobs or ())]
                if event.sequence_number is UNSET:
                    event.sequence_number = half.sequence_number
        if event.delta and "\ud800" <= event.delta[-1] <= "\udbff":
            self._halves[event.part] = event
            return False
        return event.delta != "" or event.logprobs is not UNSET

    def _take(self, event: Event) -> None:
        newest = self._waiting[-1] if self._waiting else None
        now_ms = self.elapsed_ms
        if isinstance(event, Delta):
            self.last_delta_ms = now_ms
            if self.first_delta_ms is None:
                self.first_delta_ms = now_ms
        if (
            isinstance(event, Delta)
            and isinstance(newest, Delta)
            and (newest.part, newest.kind) == (event.part, event.kind)
            and len(newest.delta) < MAX_MERGED_CHARS
            and (newest.logprobs is event.logprobs or _joins(newest, event))
        ):
            newest.delta += event.delta
            if event.sequence_number is not UNSET:
                newest.sequence_number = event.sequence_number
        else:
            event.t = now_ms
            if self._first_delta_at is None and isinstance(event, Delta):
                self._first_delta_at = len(self._events) + len(self._waiting)
                self._spoke()
            self._waiting.append(event)
        self.prompt = self.prompt or self._acted_on(event)
        self._dirty(self)

    def _acted_on(self, event: Event) -> bool:
        if isinstance(event, Delta):
            return event.kind == "tool_call"
        if isinstance(event, Part):
            self.reasoned = self.reasoned or event.kind == "reasoning"
            if event.kind == "tool_call":
                self._call_parts.add(event.part)
        return event.type in TERMINAL_TYPES or (isinstance(event, Part | PartEnd) and event.part in self._call_parts)

    def events(self) -> Iterator[tuple[str, bytes]]:
        """Yields what was put so far, each as its type and JSON."""
        yield from self._events
        yield from ((event.type, encode(event)) for event in self._waiting)

    @property
    def urgent(self) -> bool:
        """Says whether none of the answer has reached the log yet: what viewers wait for is the first of it."""
        return self._acked <= FIRST_EVENTS or self._first_delta_at is None or self._acked <= self._first_delta_at

    @property
    def elapsed_ms(self) -> int:
        """Since the attempt's token, by this worker's clock."""
        return int((time.monotonic() - self._started) * 1000)

    @property
    def behind(self) -> int:
        """Events that the log does not have yet."""
        return len(self._events) - self._acked + len(self._waiting)

    async def caught_up(self, within: int = 0) -> None:
        """Waits until the log is at most `within` events behind, or no longer ours."""
        while self.behind > within and self.outcome is None:
            self.changed.clear()
            await self.changed.wait()

    def batch(self, renew_ms: int) -> Batch | None:
        """Returns what to send next; None where the log has everything."""
        for event in self._waiting:
            data = encode(event)
            self._size += len(data)
            self._events.append((event.type, data))
        self._coming = 0
        self._waiting.clear()
        if self._acked == len(self._events):
            return None
        stop, size = self._acked, 0
        # Where there is no room, only what has the end with it is taken.
        while stop < len(self._events) and (
            self._full or (stop - self._acked < MAX_BATCH_EVENTS and size < MAX_BATCH_BYTES)
        ):
            size += len(self._events[stop][1])
            stop += 1
        self._sent = max(self._sent, stop)
        self.prompt = self.prompt and stop < len(self._events)
        previous = EventId(self.token, self._acked - 1) if self._acked else self._base
        return Batch(
            generation_id=self.generation_id,
            token=self.token,
            number=self.number,
            previous=previous,
            first=self._acked,
            events=self._events[self._acked : stop],
            renew_ms=renew_ms,
            said=self.said,
        )

    def settle(self, batch: Batch, reply: Reply) -> None:
        """Takes in how the log answered a batch."""
        self.errors = 0
        seal = EventId(self.token, len(self._events) - 1)
        if reply.outcome is WriteOutcome.OK:
            self.appended_at = time.monotonic()
            self.cancel_requested = reply.cancel
            self._refused_at = None
            self._acked = batch.first + len(batch.events)
        elif reply.outcome is WriteOutcome.SEALED and reply.last == seal:
            # Our own seal: the first reply to it was lost, or this was the look whether it is still there.
            self._acked = len(self._events)
        elif reply.outcome is WriteOutcome.MISMATCH and reply.last.token == self.token:
            # Ahead of what we knew: a reply was lost. Behind: Redis came back without its last second.
            self._acked = reply.last.seq + 1
        elif reply.outcome is WriteOutcome.MISMATCH and reply.last.token < self.token:
            self.begin_again(reply.last)
        else:
            self.lose(WriteOutcome.FENCED if reply.outcome is WriteOutcome.MISMATCH else reply.outcome)
        if self.behind == 0 and self._events[-1][0] in TERMINAL_TYPES and self.outcome is None:
            self.outcome = WriteOutcome.OK
        self.changed.set()

    def recheck(self) -> None:
        """Sends the newest event once more: the log answers that it has it, or gets again what it has lost."""
        if self.behind == 0:
            self._acked = len(self._events) - 1
        self._dirty(self)

    def begin_again(self, base: EventId = ORIGIN) -> None:
        """Sends the whole attempt again, as continuation of what the log has from before.

        An attempt that continues an earlier one, of which Redis lost a part, is given up: another will go on there.
        """
        if self._continues and base != self._base:
            self.lose(WriteOutcome.FENCED)
            return
        self._base, self._acked = base, 0
        self._dirty(self)

    def refuse(self, seconds: float) -> None:
        """Notes that Redis has no room for the batch, and asks for the end after `seconds` of that.

        Then what was never sent is dropped. Without memory the end is taken at once with what was sent, without a disk
        as soon as that is there again. An answer that has its end is kept: viewers may have seen it, and a Redis that
        came back without it will have it again.
        """
        if self.outcome is WriteOutcome.OK or self.ended is not None:
            return
        self._refused_at = self._refused_at or time.monotonic()
        if not self._full and time.monotonic() - self._refused_at > seconds:
            self._full = True
            del self._events[self._sent :]
            self._waiting.clear()
            self._stop("full")

    def fail(self) -> None:
        """Ends the run as failed, for a defect: what waits cannot be written, or an answer not be understood.

        An end that waits becomes that. The second time the log is given up, for another attempt to begin.
        """
        if self._failed:
            self.lose(WriteOutcome.FENCED)
            return
        self._failed = True
        ends = any(event.type in TERMINAL_TYPES for event in self._waiting)
        self._waiting.clear()
        self._halves.clear()
        if ends:
            self._waiting.append(replace(DEFECT_END, t=self.elapsed_ms))
            self.ended = self.ended and dataclasses.replace(self.ended, state="failed")
            self._dirty(self)
        self._stop("defect")
        self.changed.set()

    def lose(self, outcome: WriteOutcome) -> None:
        """Stops writing: the log is another's, or nobody's."""
        self.abandon(outcome)
        self._stop("lease" if outcome is WriteOutcome.FENCED else "gone")

    def abandon(self, outcome: WriteOutcome = WriteOutcome.FENCED) -> None:
        """Stops writing: the attempt is over."""
        self.outcome = outcome
        self._waiting.clear()
        self._acked = len(self._events)
        self.changed.set()
