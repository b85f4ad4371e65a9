"""The event model: a generation is a list of parts, each of which starts, grows by deltas and ends.

Pure values. Identity (the event id) is the log's concern: a log entry is an event's type and its compact JSON.
"""

import re
from collections.abc import Iterable
from functools import reduce
from typing import Any, ClassVar, Literal, NamedTuple, Self, get_args

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import astuple

from shared.errors import TooDeepError

AttemptReason = Literal["new", "worker_lost", "drained", "provider_error", "fallback", "source_lost"]
PartKind = Literal["text", "reasoning", "refusal", "tool_call", "tool_result", "file"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "paused", "other"]


class EventId(NamedTuple):
    """`<token>-<seq>`: the Redis entry id, the SSE `id:` and the viewer's cursor at once.

    `token` is the attempt's fencing token (ms since the epoch on Redis' clock), `seq` counts its events from 0.
    """

    token: int
    seq: int

    def __str__(self) -> str:
        return f"{self.token}-{self.seq}"

    @property
    def before(self) -> "EventId":
        """The id just before this one, in the order of Redis' stream ids; ORIGIN's is ORIGIN."""
        if self.seq:
            return EventId(self.token, self.seq - 1)
        return EventId(self.token - 1, (1 << 64) - 1) if self.token else ORIGIN

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Reads an id in its one canonical form.

        Raises ValueError for anything else: signs, spaces, leading zeros, more than 64 bits (Redis' stream id limits).
        """
        token_text, dash, seq_text = (text.decode("ascii") if isinstance(text, bytes) else text).partition("-")
        if dash and token_text.isdecimal() and seq_text.isdecimal() and len(token_text) <= 20 and len(seq_text) <= 20:
            event_id = cls(int(token_text), int(seq_text))
            if str(event_id) == f"{token_text}-{seq_text}" and max(event_id) < 1 << 64:
                return event_id
        raise ValueError("an event id is <token>-<seq>")


ORIGIN = EventId(0, 0)
"""Before every event: the cursor of a viewer that has seen nothing, and the last id of an empty log."""


class Event(Struct, kw_only=True):
    """What all events have. The docstrings of its fields, and of all others here, are those of /openapi.json."""

    type: ClassVar[str]
    t: int = 0
    """Milliseconds since the start of the attempt, which is its token."""
    sequence_number: int | UnsetType = UNSET
    """The provider's own number of the event that this came from, where its protocol has one: after it another attempt
    can go on. Of merged deltas it is the last one's."""


MAX_TOKENS = 1_000_000_000
"""Tokens of one kind in one call, a hundred times the longest context there is: a larger count is a mistake."""


class Usage(Struct, frozen=True):
    """Token counts."""

    input_tokens: int = 0
    """All of the input, cached and cache-write ones included."""
    output_tokens: int = 0
    """All of the output, reasoning included."""
    cached_tokens: int = 0
    """Of the input, those that the provider had cached."""
    cache_write_tokens: int = 0
    """Of the input, those that it has cached now."""
    reasoning_tokens: int = 0
    """Of the output, those of reasoning."""
    audio_input_tokens: int | UnsetType = UNSET
    """Of the input, those of sound."""
    audio_output_tokens: int | UnsetType = UNSET
    """Of the output, those of sound."""
    cache_write_5m_tokens: int | UnsetType = UNSET
    """Of the cache-write ones, those that are kept for 5 minutes (Anthropic)."""
    cache_write_1h_tokens: int | UnsetType = UNSET
    """Of the cache-write ones, those that are kept for an hour (Anthropic)."""
    server_tool_calls: dict[str, int] | UnsetType = UNSET
    """Calls of the provider's own tools, by its name for them, such as `web_search_requests`."""

    def __add__(self, other: "Usage") -> "Usage":
        """Returns the counts of both together; what neither says stays unsaid."""
        return Usage(*map(_sum, astuple(self), astuple(other)))

    @property
    def is_possible(self) -> bool:
        """Says whether one call can have used this: nothing negative, and nothing beyond MAX_TOKENS."""
        calls = {} if self.server_tool_calls is UNSET else self.server_tool_calls
        counts = [count for count in astuple(self) if isinstance(count, int)]
        return all(0 <= count <= MAX_TOKENS for count in (*counts, *calls.values()))


def _sum(one: Any, other: Any) -> Any:
    if one is UNSET or other is UNSET:
        return other if one is UNSET else one
    if isinstance(one, dict):
        return {name: one.get(name, 0) + other.get(name, 0) for name in one | other}
    return one + other


class Cost(Struct, frozen=True):
    """What the provider charges."""

    amount: str
    """A decimal number as text, so that no digit is lost."""
    currency: str = "USD"
    """ISO 4217."""
    at_least: bool | UnsetType = UNSET
    """More may have been charged: something of what was used is not known, or has no price."""


class Spent(Struct, frozen=True):
    """What one attempt used of a model, and what that costs."""

    model: str
    """`provider/model`, as it was asked for."""
    usage: Usage
    """What it used, as far as it was counted."""
    cost: Cost | None = None
    """Null where no price is known."""
    estimated: bool | UnsetType = UNSET
    """Nobody counted: both are made from the length of what was asked and said, and are in no sum."""
    attempt: int | UnsetType = UNSET
    """Number of the attempt; of a call that a later attempt went on with, the later one's. Earlier versions lack it."""


def total_usage(spent: Iterable[Spent]) -> Usage | None:
    """Returns what was counted in all of it; None where nothing was."""
    counted = [line.usage for line in spent if line.estimated is not True]
    return reduce(Usage.__add__, counted) if counted else None


class Attempt(Event):
    """The first event of every attempt. Unless it `continues`, all that earlier attempts said is superseded."""

    type: ClassVar[str] = "attempt"
    number: int
    """From 1."""
    reason: AttemptReason
    """Why it was made: the first, or what became of the one before it."""
    model: str
    """`provider/model`. Logs of earlier versions have it without the provider."""
    provider: str
    """The provider that is asked, by its name on this server."""
    continues: bool = False
    """Whether it goes on with what stands, and does not start over."""
    cached: bool | UnsetType = UNSET
    """It copies another generation's answer; absent where the provider was called."""


class Response(Event):
    """What the provider calls this answer; it may come again, and then the latest counts."""

    type: ClassVar[str] = "response"
    response_id: str | UnsetType = UNSET
    """The provider's id of the answer."""
    request_id: str | UnsetType = UNSET
    """Of the HTTP request, for the provider's support."""
    model: str | UnsetType = UNSET
    """The model that answers, as the provider names it."""
    system_fingerprint: str | UnsetType = UNSET
    """Of the configuration that answers (OpenAI Chat)."""
    service_tier: str | UnsetType = UNSET
    """The tier that served it (OpenAI, Anthropic), as the provider names it."""


class Part(Event):
    """A part starts. What it has beside `part` and `kind` is there for the kinds that it is of.

    A file's deltas are its content in Base64 (RFC 4648), unless it has a `url`.
    """

    type: ClassVar[str] = "part"
    part: int
    """Its index in the attempt, from 0."""
    kind: PartKind
    """What it consists of."""
    item_id: str | UnsetType = UNSET
    """The provider's own id of it, which it may want back in the next request."""
    call_id: str | UnsetType = UNSET
    """Of a tool's call and its result: the id that both have."""
    name: str | UnsetType = UNSET
    """The tool's."""
    executor: Literal["client", "provider"] | UnsetType = UNSET
    """Who runs the tool: you, or the provider."""
    summary: bool | UnsetType = UNSET
    """Whether reasoning is the provider's summary of it."""
    media_type: str | UnsetType = UNSET
    """Of a file (RFC 6838)."""
    url: str | UnsetType = UNSET
    """Where a file is that was not sent along."""
    is_error: bool | UnsetType = UNSET
    """Whether a tool's result says that the tool failed."""
    result_type: str | UnsetType = UNSET
    """The provider's own type of a tool's result, such as `web_search_tool_result`."""
    resumes: bool | UnsetType = UNSET
    """It goes on where the newest part of this kind and `item_id` broke off, in what this attempt continues."""


class Delta(Event):
    """A part grows. For a tool call the deltas are fragments of its arguments' JSON text."""

    type: ClassVar[str] = "delta"
    part: int
    """The part that grows, by its index in the attempt."""
    kind: PartKind
    """That of the part."""
    delta: str
    """What to append to the part."""
    logprobs: list[Any] | UnsetType = UNSET
    """Of each token of `delta`, as OpenAI Chat has them: `token`, `logprob`, `bytes`, `top_logprobs`."""


class Annotation(Event):
    """A citation or similar, attached to a part."""

    type: ClassVar[str] = "annotation"
    part: int
    """The part, by its index in the attempt."""
    fields: dict[str, Any]
    """As the provider gave them."""
    protocol: str | UnsetType = UNSET
    """The protocol whose shape `fields` has."""


class PartEnd(Event):
    """A part is complete. Signature and encrypted reasoning are opaque and go back only to `provider`."""

    type: ClassVar[str] = "part_end"
    part: int
    """The part, by its index in the attempt."""
    signature: str | UnsetType = UNSET
    """Opaque; of use to `provider` only."""
    encrypted: str | UnsetType = UNSET
    """Opaque reasoning; of use to `provider` only."""
    provider: str | UnsetType = UNSET
    """Whom `signature` and `encrypted` are of."""


class Raw(Event):
    """Something the provider said that has no place in this model: kept whole, and never shown as an answer."""

    type: ClassVar[str] = "raw"
    protocol: str
    """The protocol that the provider speaks."""
    data: Any
    """The provider's event, as its JSON has it."""


class UsageReport(Event):
    """Token counts of this attempt so far: cumulative, the latest wins."""

    type: ClassVar[str] = "usage"
    usage: Usage
    """So far, in this attempt."""


class End(Event, kw_only=True):
    """What terminal events have."""

    usage: Usage | None = None
    """Of all attempts, as far as it was counted. Logs of earlier versions have that of the last attempt here."""
    cost: Cost | None = None
    """What all attempts cost, as far as it is known; null where nothing is."""
    spent: list[Spent] | UnsetType = UNSET
    """What was paid, attempt by attempt; left out where that is `usage` and `cost` of the last one."""
    queued_ms: int | UnsetType = UNSET
    """Milliseconds from its acceptance to the start of its first attempt."""
    time_to_first_token_ms: int | UnsetType = UNSET
    """Milliseconds from its acceptance to the first delta of what stands; left out where it has none."""
    streaming_ms: int | UnsetType = UNSET
    """Milliseconds from the first delta of the last attempt to its last one; left out where it has no two."""
    streamed_tokens: int | UnsetType = UNSET
    """Output tokens of that time: of the last attempt, without those of reasoning where it sent none of that."""
    tokens_per_second: float | UnsetType = UNSET
    """`streamed_tokens` over `streaming_ms`; left out where one of them is not known."""

    @property
    def all_usage(self) -> Usage | None:
        """What all attempts used, as far as it was counted."""
        return (None if self.spent is UNSET else total_usage(self.spent)) or self.usage

    @property
    def last_usage(self) -> Usage | None:
        """What the last attempt used, which called a provider; None where that was not counted."""
        if self.spent is UNSET or not self.spent:
            return self.usage
        return None if self.spent[-1].estimated is True else self.spent[-1].usage


class Completed(End):
    """Terminal: the provider ended the answer itself."""

    type: ClassVar[str] = "completed"
    finish_reason: FinishReason
    """Why it ended."""
    raw_finish_reason: str | None = None
    """The same, as the provider said it."""
    response_id: str | None = None
    """The provider's id of the answer."""
    stop_sequence: str | UnsetType = UNSET
    """The stop sequence that ended it, where the provider says which."""
    refusal_category: str | UnsetType = UNSET
    """Why the provider refused, in its own word, where it says so."""


class Failed(End):
    """Terminal: no (further) attempt can succeed."""

    type: ClassVar[str] = "failed"
    code: str
    """Stable, for programs."""
    message: str
    """For people, and safe to show."""
    retryable: bool
    """Whether the same request may succeed later."""
    status: int | UnsetType = UNSET
    """HTTP status of the provider's answer, where it had one."""
    retry_after_ms: int | UnsetType = UNSET
    """How long the provider asked to wait."""


class Cancelled(End):
    """Terminal: somebody cancelled it."""

    type: ClassVar[str] = "cancelled"


AnyEvent = Attempt | Response | Part | Delta | Annotation | PartEnd | Raw | UsageReport | Completed | Failed | Cancelled

_LINE_ENDS = re.compile("\u0085|\u2028|\u2029".encode())
"""U+0085, U+2028 and U+2029, at which clients break lines that are none (RFC 8259 lets JSON hold them as they are)."""
TERMINAL_TYPES = frozenset({"completed", "failed", "cancelled"})


_encoder = msgspec.json.Encoder()
_decoders: dict[str, msgspec.json.Decoder[AnyEvent]] = {
    event.type: msgspec.json.Decoder(event) for event in get_args(AnyEvent)
}
EVENT_TYPES = frozenset(_decoders)


def encode(event: Event) -> bytes:
    """Returns compact JSON of one event, without its type, in one line for whoever splits it (str.splitlines).

    A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD.
    """
    try:
        data = _encoder.encode(event)
    except UnicodeEncodeError:
        data = _encoder.encode(_scalar(msgspec.to_builtins(event)))
    # What is not ASCII stands in strings only, and no part of a character is one.
    return _LINE_ENDS.sub(_escape, data) if _LINE_ENDS.search(data) else data


def _escape(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode())


def _scalar(value: Any) -> Any:
    # UTF-16 joins the halves of a pair, which are two characters in a str, and shows what remains unpaired.
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_scalar(key): _scalar(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_scalar(item) for item in value]
    return value


def decode(type: str, data: bytes) -> AnyEvent:
    """Returns the event of a log entry.

    Raises ValueError for an unknown type or data that does not fit it, TooDeepError for what older versions let nest.
    """
    decoder = _decoders.get(type)
    if decoder is None:
        raise ValueError(f"unknown event type {type!r}")
    try:
        return decoder.decode(data)
    except RecursionError:
        raise TooDeepError(f"{type} nests deeper than it can be read") from None
