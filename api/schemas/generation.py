"""What the routes answer, as OpenAPI describes it."""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET
from pydantic import BaseModel, ConfigDict, Field

from api.schemas.attempts import (
    AttemptAnswer,
    CostAnswer,
    UsageAnswer,
    answered_by,
    attempts_of,
    is_none,
    usage_of,
)
from api.schemas.parts import PartAnswer, document, fields_of
from shared.log.answer_message import answer_of
from shared.log.events import Completed, End, Failed, FinishReason
from shared.log.snapshots import Snapshot
from shared.record import Record, Shown, State

TIMES = ("queued_ms", "time_to_first_token_ms", "tokens_per_second")
"""How long it took, as its last event says it."""
ID_EXAMPLE = "gen_mfrggzdfmztwq2lknnwg23tpobyxe43u"


class Links(BaseModel):
    """Where to go on."""

    self: str
    events: str
    cancel: str


class AcceptedGeneration(BaseModel):
    """A generation as it was accepted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": ID_EXAMPLE,
                    "state": "queued",
                    "model": "openai/gpt-5-mini",
                    "created": "2026-01-31T12:00:00.000Z",
                    "conversation": "trip to Rome",
                    "previous": None,
                    "links": {
                        "self": f"/v1/generations/{ID_EXAMPLE}",
                        "events": f"/v1/generations/{ID_EXAMPLE}/events",
                        "cancel": f"/v1/generations/{ID_EXAMPLE}/cancel",
                    },
                }
            ]
        }
    )

    id: str
    state: State
    model: str = Field(description="`provider/model`, aliases resolved.")
    created: str = Field(description="ISO 8601, UTC, with milliseconds.")
    conversation: str | None = Field(description="The conversation that it belongs to; null where in none.")
    previous: str | None = Field(description="The generation that it goes on from; null where from none.")
    links: Links


class Generation(AcceptedGeneration):
    """A generation, without its content."""

    ended: str | None = Field(description="When the terminal event was written; null before.")


class GenerationList(BaseModel):
    """A page of generations, newest first."""

    data: list[Generation]
    next: str | None = Field(description="Value of `before` for the next page; null at the end.")


class ResponseAnswer(BaseModel):
    """What the provider calls this answer."""

    response_id: str | None
    request_id: str | None = Field(description="Of the HTTP request, for the provider's support.")
    model: str | None = Field(description="The model that answered, as the provider names it.")
    system_fingerprint: str | None = Field(
        default=None, exclude_if=is_none, description="Of the configuration that answered (OpenAI Chat)."
    )
    service_tier: str | None = Field(
        default=None, exclude_if=is_none, description="The tier that served it, as the provider names it."
    )


class RawEvent(BaseModel):
    """Something that the provider said and that has no other place here."""

    protocol: str
    data: Any


class RawAnswer(BaseModel):
    """The `raw` events: how many there are and, with `include=raw`, the first of them."""

    count: int
    events: list[RawEvent] | None = Field(
        default=None, exclude_if=is_none, description="The first of them, 50 and 65,536 bytes at most."
    )


class FailureAnswer(BaseModel):
    """Why it failed."""

    code: str
    message: str
    retryable: bool
    status: int | None = Field(
        default=None, exclude_if=is_none, description="HTTP status of the provider's error, where it had one."
    )
    retry_after_ms: int | None = Field(
        default=None, exclude_if=is_none, description="How long the provider asked to wait, where it did."
    )


class GenerationSnapshot(Generation):
    """A generation with what it has said so far; what an abandoned attempt said is left out."""

    text: str = Field(description="The answer's text so far.")
    json_: Any = Field(
        default=None,
        alias="json",
        description="The document, once it has ended, where `response_format` asked for JSON. Not checked against the "
        "schema.",
    )
    json_error: str | None = Field(default=None, description="Why there is none.")
    parts: list[PartAnswer]
    messages: list[dict[str, Any]] | None = Field(
        description="The answer as the next request takes it among its `messages`: what it said, in its order, with "
        "what its provider wants back. Null before the end, empty where nothing was said."
    )
    answered_by: str | None = Field(
        description="`provider/model` that gave what stands: after a fallback another than `model`. Null where nothing "
        "was said."
    )
    response: ResponseAnswer | None
    raw: RawAnswer
    usage: UsageAnswer | None = Field(description="Of all attempts, as far as it was counted.")
    cost: CostAnswer | None = Field(description="Of all attempts; null before the end, and where no price is known.")
    attempts: list[AttemptAnswer]
    finish_reason: FinishReason | None
    stop_sequence: str | None = Field(
        default=None, exclude_if=is_none, description="The stop sequence that ended it, where the provider says which."
    )
    refusal_category: str | None = Field(
        default=None, exclude_if=is_none, description="Why the provider refused, in its own word, where it says so."
    )
    queued_ms: int | None = Field(
        description="Milliseconds from its acceptance to the start of its first attempt; null before the end."
    )
    time_to_first_token_ms: int | None = Field(
        description="Milliseconds from its acceptance to the first delta of what stands; null before the end, and "
        "where it has none."
    )
    tokens_per_second: float | None = Field(
        description="Output tokens of the last attempt by the time in which its deltas came; null before the end, and "
        "where one of them is not known."
    )
    error: FailureAnswer | None
    last_event_id: str | None = Field(description="The event id to go on from; null while the log is empty.")
    metadata: dict[str, str]


class SharedLinks(BaseModel):
    """Where who has the link goes on."""

    self: str
    events: str


class SharedGeneration(BaseModel):
    """A generation as anybody sees it who has a link to it: what it says, not what was asked, nor by whom."""

    id: str
    state: State
    model: str = Field(description="`provider/model`, aliases resolved.")
    created: str = Field(description="ISO 8601, UTC, with milliseconds.")
    ended: str | None = Field(description="When the terminal event was written; null before.")
    links: SharedLinks
    text: str = Field(description="The answer's text so far.")
    parts: list[PartAnswer]
    answered_by: str | None = Field(description="`provider/model` that gave what stands.")
    usage: UsageAnswer | None = Field(description="Of all attempts, as far as it was counted.")
    cost: CostAnswer | None = Field(description="Of all attempts; null before the end, and where no price is known.")
    finish_reason: FinishReason | None
    error: FailureAnswer | None
    last_event_id: str | None = Field(description="The event id to go on from; null while the log is empty.")


class CancelAnswer(BaseModel):
    """How a generation stands after a cancel: `completed` where completion won."""

    id: str
    state: State


class Status(BaseModel):
    """All is well."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """This node can be asked; whether anybody works is said beside it."""

    status: Literal["ok", "no_worker"]
    workers: int = Field(description="Workers that are alive.")
    warning: str | None = Field(default=None, description="What to do about it, for people; null where all is well.")


def timestamp(milliseconds: int) -> str:
    """Returns the time in ISO 8601, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def links(generation_id: str) -> Links:
    """Returns the addresses of a generation."""
    here = f"/v1/generations/{generation_id}"
    return Links(self=here, events=f"{here}/events", cancel=f"{here}/cancel")


def summary(record: Record) -> dict[str, Any]:
    """Returns the fields of Generation."""
    return {
        "id": record.id,
        "state": record.state,
        "model": record.model,
        "created": timestamp(record.created_ms),
        "ended": timestamp(record.ended_ms) if record.ended_ms is not None else None,
        "conversation": record.conversation,
        "previous": record.gone_on_from,
        "links": links(record.id),
    }


def _told(end: End | None, name: str) -> Any:
    """Returns a field of an end; None before it, and where it was left out."""
    value = getattr(end, name, UNSET)
    return None if value is UNSET else value


def snapshot(record: Record, shown: Shown, said: Snapshot, *, raw: bool = False) -> GenerationSnapshot:
    """Returns what a record, what was asked for, and the fold of a log add up to; with `raw` also its raw events."""
    end = said.end
    completed = end if isinstance(end, Completed) else None
    failed = end if isinstance(end, Failed) else None
    fields = summary(record)
    if end is not None:
        fields["state"] = end.type
    value, error = document(said) if shown.json and end is not None else (None, None)
    names = {
        "response_id": said.response_id,
        "request_id": said.request_id,
        "model": said.model,
        "system_fingerprint": said.system_fingerprint,
        "service_tier": said.service_tier,
    }
    return GenerationSnapshot.model_validate(
        fields
        | {
            "text": said.text,
            "json": value,
            "json_error": error,
            "parts": [fields_of(part, over=end is not None) for part in said.parts],
            "messages": None if end is None else answer_of(said),
            "answered_by": answered_by(said),
            "response": names if any(names.values()) else None,
            "raw": {"count": said.raw_count} | ({"events": said.raw} if raw else {}),
            "usage": msgspec.to_builtins(usage_of(said)),
            "cost": end and msgspec.to_builtins(end.cost),
            "attempts": attempts_of(said),
            "finish_reason": completed and completed.finish_reason,
            "stop_sequence": (completed and completed.stop_sequence) or None,
            "refusal_category": (completed and completed.refusal_category) or None,
            **{name: _told(end, name) for name in TIMES},
            "error": failed and msgspec.to_builtins(failed),
            "last_event_id": str(said.last) if said.last.token else None,
            "metadata": shown.metadata,
        },
        from_attributes=True,
    )


def shared(snapshot: GenerationSnapshot, address: str) -> SharedGeneration:
    """Returns of a snapshot what a link at this address shows."""
    links = SharedLinks(self=address, events=f"{address}/events")
    fields = {name: getattr(snapshot, name) for name in SharedGeneration.model_fields if name != "links"}
    return SharedGeneration.model_construct(**fields, links=links)
