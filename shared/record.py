"""What Redis keeps of a generation in its record: terms, which never change, and how it stands."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import msgspec

from shared.errors import UnreadableRecordError
from shared.log.events import EventId
from shared.log.guarded_log import LOG_PAGE, page_size
from shared.request.title import title_of_stored
from shared.tracing.trace_context import TraceContext

State = Literal["queued", "running", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is known of a generation from the start, and never changes; but for the request, which may be long."""

    id: str
    owner: str
    model: str
    """`provider/model`."""
    on_interrupt: str
    ttl_ms: int
    """How long the log is kept after its end."""
    unwatched_ms: int | None = None
    """After how long without a viewer it is cancelled; None for never."""
    conversation: str | None = None
    """The conversation that it belongs to, as its caller names it."""
    previous: str | None = None
    """Id of the generation that it goes on from, also where its request repeats what was said there."""
    number: int = 0
    """Of its place in its conversation; 0 before it has one."""


class Shown(msgspec.Struct, omit_defaults=True):
    """What others than its worker want to know of a request, kept beside it so that they need not read it."""

    metadata: dict[str, str] = {}
    json: bool = False
    """Whether the answer is asked for as JSON."""
    idle_timeout: float | None = None
    title: str = ""
    """What a conversation that begins with it is called."""


DialectName = Literal["native", "openai-chat", "openai-responses", "anthropic", "ai-sdk"]
"""The wire formats in which a generation is asked for and watched."""


class Asked(msgspec.Struct, omit_defaults=True):
    """How a generation was asked for: what a dialect says again in its answers and does not find in the log."""

    dialect: DialectName = "native"
    model: str = ""
    """The model's name as the caller wrote it."""
    echo: dict[str, Any] = {}
    """What the answers of `dialect` repeat of the request; its keys are the dialect's own."""

    @property
    def stored(self) -> bool:
        """Says whether others may go on from it: Responses' `store`."""
        return self.dialect != "openai-responses" or self.echo.get("store") is not False

    @property
    def instructs(self) -> bool:
        """Says whether its first message is Responses' `instructions`, which are for this answer alone."""
        return self.dialect == "openai-responses" and bool(self.echo.get("instructions"))


MAX_NEAREST = 32
"""Ancestors that a record names: more are found by the record of the last of them."""


class Chain(NamedTuple):
    """What a generation goes on from, and what all of that adds up to, so that nobody has to read it for its length."""

    size: int
    """Bytes of its own request, and about those of all requests and answers before it."""
    messages: int
    """Of all these requests, and one for each answer."""
    depth: int = 0
    """How many generations are before it."""
    nearest: tuple[str, ...] = ()
    """Ids of those, the newest first; MAX_NEAREST at most."""

    @classmethod
    def parse(cls, stored: bytes) -> Self:
        """Returns a chain as a record has it. Raises ValueError."""
        size, messages, depth, *nearest = stored.decode().split(" ")
        return cls(int(size), int(messages), int(depth), tuple(nearest))

    @property
    def text(self) -> str:
        """How a record has it."""
        return " ".join(map(str, (self.size, self.messages, self.depth, *self.nearest)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance(Terms):
    """What is written of a generation as it is accepted."""

    request: bytes
    shown: bytes = b""
    """JSON of its Shown; made of the request where it is not given."""
    asked: bytes = b""
    """JSON of its Asked; empty where a caller spoke the native dialect."""
    chain: Chain | None = None
    """What it goes on from, and how long that is; None where nobody has counted."""
    fingerprint: str = ""
    """SHA-256 of the request and of `asked`, in hexadecimal; made of them where it is not given."""
    created_ms: int = 0
    """When its caller was told that it is accepted, on Redis' clock, so that it is the same again; 0 before that."""
    trace: TraceContext | None = None
    """The trace that the request belongs to, which its worker goes on with; None where nobody traces it."""

    def __post_init__(self) -> None:
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", hashlib.sha256(self.request + self.asked).hexdigest())
        if not self.shown:
            object.__setattr__(self, "shown", msgspec.json.encode(shown_of(self.request)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Terms):
    """A generation's record as it stood when it was read, without the request."""

    shown: bytes | None
    """JSON of its Shown; None in what an older version has accepted."""
    fingerprint: str
    created_ms: int
    state: State
    attempts: int
    seal: EventId | None
    """Id of the terminal event; None while the log may grow."""
    ended_ms: int | None
    cancel_requested: bool
    failures: int
    """Attempts that count against `max_attempts`; that of a lost worker counts at the next claim."""
    max_attempts: int
    beside: bool
    """Whether another on its last attempt ran on the same worker: if that was lost, it does not count."""
    pardons: int
    """Lost attempts that did not count for this reason; `max_attempts` are pardoned."""
    choice: int
    """Place of its model among those that the request allows: 0 its own, 1 the first fallback."""
    chain: Chain | None = None
    """What it goes on from; None in what an older version has accepted."""
    said: int = 0
    """About how many bytes its answer has; 0 before its end, and where no worker has ended it."""
    page: int = LOG_PAGE
    """How many of its log's entries are read at a time."""
    trace: TraceContext | None = None
    """The trace of the request that was accepted first: repeated POSTs and retries that join it have their own."""

    @property
    def gone_on_from(self) -> str | None:
        """Returns the id of the generation that it goes on from, also as an older version has noted it."""
        return self.previous or (self.chain.nearest[0] if self.chain is not None and self.chain.nearest else None)

    def accepted(self, request: bytes, asked: bytes) -> Acceptance:
        """Returns what was accepted, with its request and how it was asked for."""
        return Acceptance(
            id=self.id,
            owner=self.owner,
            model=self.model,
            on_interrupt=self.on_interrupt,
            ttl_ms=self.ttl_ms,
            unwatched_ms=self.unwatched_ms,
            conversation=self.conversation,
            previous=self.previous,
            number=self.number,
            request=request,
            asked=asked,
            shown=self.shown or b"",
            chain=self.chain,
            fingerprint=self.fingerprint,
            created_ms=self.created_ms,
            trace=self.trace,
        )


RECORD_FIELDS = [
    "owner", "model", "shown", "fingerprint", "on_interrupt", "ttl", "created", "state", "attempts", "seal", "ended",
    "cancel", "failures", "max_attempts", "beside", "pardons", "choice",
    "chain", "said", "large", "largest", "unwatched", "traceparent", "tracestate",
    "conversation", "previous", "number",
]  # fmt: skip
"""What of a record is read: all but the request, which may be 8 MB, and what only scripts need."""


class _Format(msgspec.Struct):
    type: str = "text"


class _Asked(msgspec.Struct):
    response_format: _Format | None = None
    metadata: dict[str, str] = {}
    idle_timeout: float | None = None
    conversation: str | None = None


_read_asked = msgspec.json.Decoder(_Asked).decode


def shown_of(request: bytes) -> Shown:
    """Returns what others than its worker want to know of a stored request; nothing where it cannot be read."""
    try:
        fields = _read_asked(request)
    except msgspec.MsgspecError:
        return Shown()
    wants_json = fields.response_format is not None and fields.response_format.type != "text"
    title = "" if fields.conversation is None else title_of_stored(request)
    return Shown(metadata=fields.metadata, json=wants_json, idle_timeout=fields.idle_timeout, title=title)


def _trace(fields: Mapping[str, bytes]) -> TraceContext | None:
    return TraceContext.parse(fields["traceparent"].decode(), fields.get("tracestate", b"").decode())


def read_record(generation_id: str, values: Sequence[bytes | None]) -> Record | None:
    """Returns what these fields say; None where there is no record. Raises UnreadableRecordError."""
    fields = {name: value for name, value in zip(RECORD_FIELDS, values, strict=False) if value is not None}
    if "state" not in fields:
        return None
    try:
        return Record(
            id=generation_id,
            owner=fields["owner"].decode(),
            model=fields["model"].decode(),
            shown=fields.get("shown"),
            fingerprint=fields["fingerprint"].decode(),
            on_interrupt=fields["on_interrupt"].decode(),
            ttl_ms=int(fields["ttl"]),
            unwatched_ms=int(fields["unwatched"]) if "unwatched" in fields else None,
            conversation=fields["conversation"].decode() if "conversation" in fields else None,
            previous=fields["previous"].decode() if "previous" in fields else None,
            number=int(fields.get("number", 0)),
            created_ms=int(fields["created"]),
            state=fields["state"].decode(),  # type: ignore[arg-type]  # written by our scripts only
            attempts=int(fields["attempts"]),
            seal=EventId.parse(fields["seal"]) if "seal" in fields else None,
            ended_ms=int(fields["ended"]) if "ended" in fields else None,
            cancel_requested="cancel" in fields,
            failures=int(fields["failures"]),
            max_attempts=int(fields["max_attempts"]),
            beside="beside" in fields,
            pardons=int(fields.get("pardons", 0)),
            choice=int(fields.get("choice", 0)),
            chain=Chain.parse(fields["chain"]) if "chain" in fields else None,
            said=int(fields.get("said", 0)),
            page=page_size(int(fields.get("large", 0)), int(fields.get("largest", 0))),
            trace=_trace(fields) if "traceparent" in fields else None,
        )
    except (ValueError, KeyError):
        raise UnreadableRecordError(generation_id) from None
