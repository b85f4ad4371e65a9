"""What the routes answer, as OpenAPI describes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.events import AttemptReason, FinishReason, PartKind
from shared.generations import Record, State
from shared.requests import GenerationRequest
from shared.snapshots import Snapshot

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
    links: Links


class Generation(AcceptedGeneration):
    """A generation, without its content."""

    ended: str | None = Field(description="When the terminal event was written; null before.")


class GenerationList(BaseModel):
    """A page of generations, newest first."""

    data: list[Generation]
    next: str | None = Field(description="Value of `before` for the next page; null at the end.")


class PartAnswer(BaseModel):
    """One part: text, reasoning or refusal with `text`, a tool call with name, id and arguments."""

    kind: PartKind
    text: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = Field(default=None, description="JSON text; complete once `complete`.")
    complete: bool = Field(description="Whether the part has ended.")


class AttemptAnswer(BaseModel):
    """One attempt, and why it was made."""

    number: int
    reason: AttemptReason
    model: str
    provider: str
    continues: bool


class UsageAnswer(BaseModel):
    """Tokens. `input_tokens` includes cached ones, `output_tokens` reasoning."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int


class CostAnswer(BaseModel):
    """What the provider charges, as a decimal string."""

    amount: str
    currency: str


class FailureAnswer(BaseModel):
    """Why it failed."""

    code: str
    message: str
    retryable: bool


class GenerationSnapshot(Generation):
    """A generation with what it has said so far; what an abandoned attempt said is left out."""

    text: str = Field(description="The answer's text so far.")
    parts: list[PartAnswer]
    usage: UsageAnswer | None
    cost: CostAnswer | None
    attempts: list[AttemptAnswer]
    finish_reason: FinishReason | None
    error: FailureAnswer | None
    last_event_id: str | None = Field(description="Cursor to go on from; null while the log is empty.")
    metadata: dict[str, str]


class Outcome(BaseModel):
    """How a generation stands after a cancel: `completed` where completion won."""

    id: str
    state: State


class Model(BaseModel):
    """A model that has a name here. Any other of a known provider is asked for as `provider/model`."""

    id: str = Field(description="What to send as `model`.")
    object: Literal["model"] = "model"
    provider: str
    aliases: list[str]
    default: bool


class Provider(BaseModel):
    """An endpoint: `name/…` is a model of it."""

    name: str
    protocol: str


class ModelList(BaseModel):
    """Models by name, and the providers."""

    object: Literal["list"] = "list"
    data: list[Model]
    providers: list[Provider]
    simulated: bool = Field(description="Whether the default model's answers come from the simulator.")


class Status(BaseModel):
    """All is well."""

    status: Literal["ok"] = "ok"


def timestamp(milliseconds: int) -> str:
    """ISO 8601 in UTC."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def links(generation_id: str) -> Links:
    """The addresses of a generation."""
    here = f"/v1/generations/{generation_id}"
    return Links(self=here, events=f"{here}/events", cancel=f"{here}/cancel")


def summary(record: Record) -> dict[str, Any]:
    """The fields of Generation."""
    return {
        "id": record.id,
        "state": record.state,
        "model": record.model,
        "created": timestamp(record.created_ms),
        "ended": timestamp(record.ended_ms) if record.ended_ms is not None else None,
        "links": links(record.id),
    }


def snapshot(record: Record, said: Snapshot) -> GenerationSnapshot:
    """A record and the fold of its log."""
    end = said.end
    completed = end if end is not None and end.type == "completed" else None
    failed = end if end is not None and end.type == "failed" else None
    fields = summary(record)
    if end is not None:
        fields["state"] = end.type
    return GenerationSnapshot.model_validate(
        fields
        | {
            "text": said.text,
            "parts": [
                {
                    "kind": part.kind,
                    "complete": part.ended,
                    "call_id": part.call_id,
                    "name": part.name,
                    "arguments" if part.kind == "tool_call" else "text": part.text,
                }
                for part in said.parts
            ],
            "usage": said.usage,
            "cost": getattr(completed, "cost", None),
            "attempts": said.attempts,
            "finish_reason": getattr(completed, "finish_reason", None),
            "error": failed,
            "last_event_id": str(said.last) if said.last.token else None,
            "metadata": GenerationRequest.model_validate_json(record.request).metadata,
        },
        from_attributes=True,
    )
