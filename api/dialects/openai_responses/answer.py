"""The response object of an unstreamed answer, and of one that still runs: the same as at the end of its stream."""

from typing import Any

import msgspec

from api.dialects.openai_responses.annotations import annotations_of, logprobs_of
from api.dialects.openai_responses.frame import to_json
from api.dialects.openai_responses.output import Output, ResponseStatus
from api.dialects.openai_responses.resource import resource
from api.dialects.openai_responses.said import Said
from api.dialects.openai_responses.terminal import Ending, ending_of
from api.viewing.dialect import Subject
from shared.log.snapshots import PartSoFar, Snapshot


def answer(subject: Subject, said: Snapshot) -> dict[str, Any]:
    """Returns the response object as the log has it so far."""
    output = Output(subject)
    beginnings = [attempt.number for attempt in said.attempts if not attempt.continues]
    output.begin_anew(beginnings[-1] if beginnings else 1)
    for part in said.parts:
        output.place(_said(part))
    status: ResponseStatus = "in_progress" if said.attempts else "queued"
    ending: Ending | None = None
    if said.end is not None:
        ending = ending_of(said.end, said.last.token)
        status = ending.status
        for _ in output.seal():
            pass
    whole = resource(
        subject,
        status,
        output.objects(status),
        completed_at=ending and ending.completed_at,
        error=ending and ending.error,
        cut=ending and ending.cut,
        usage=said.usage if ending is not None else None,
        tier=said.service_tier,
    )
    found: dict[str, Any] = msgspec.json.decode(to_json(whole))
    return found


def _said(part: PartSoFar) -> Said:
    said = Said(part.kind)
    said.grown += to_json(part.text)[1:-1]
    said.ended = part.ended
    for name in (
        "call_id",
        "item_id",
        "name",
        "executor",
        "summary",
        "media_type",
        "url",
        "signature",
        "encrypted",
        "provider",
    ):
        setattr(said, name, getattr(part, name))
    if part.kind == "text":
        said.annotations = [one for fields in part.annotations for one in annotations_of(fields)]
        said.logprobs = logprobs_of(part.logprobs)
    return said
