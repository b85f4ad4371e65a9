"""What a whole response says (API reference: "The response object"): how it ended, its output and what is beside it."""

from typing import Any, NamedTuple

from worker.providers.error_shapes import is_error
from worker.providers.openai_responses.event import PLACE_OF_CONTENT, SUMMARY, PartPlace, ResponsesEvent, spoken
from worker.providers.openai_responses.usage import says, unmapped_counts

BEGINNINGS = frozenset({"response.created", "response.queued", "response.in_progress"})
"""Events whose response is not complete, whatever it says of itself: what was asked is in it."""

ENDS = frozenset(
    {"response.completed", "response.done", "response.incomplete", "response.failed", "response.cancelled"}
)
"""Events that end an answer, also without a response; `response.done` is what gateways call the first."""

_END_STATUSES = frozenset({"completed", "incomplete", "failed", "cancelled"})

ECHO_FIELDS = frozenset(
    {
        "id", "object", "created_at", "completed_at", "status", "error", "incomplete_details", "instructions", "model",
        "metadata", "output", "output_text", "parallel_tool_calls", "temperature", "tool_choice", "tools", "top_p",
        "background", "conversation", "image", "max_output_tokens", "max_tool_calls", "previous_response_id", "prompt",
        "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier", "store",
        "service_tier", "text", "top_logprobs", "truncation", "usage", "user", "frequency_penalty", "presence_penalty",
        "access_programs", "context_management", "billing", "type", "sequence_number",
    }
)  # fmt: skip
"""Fields of a whole response that repeat the request, or that are read."""


MAX_TIER_CHARS = 256
"""Characters of what a tier is called."""


class Content(NamedTuple):
    """One content of an item, whole. `place` is None where nobody knows its type."""

    place: PartPlace | None
    text: str
    fields: dict[str, Any]


def is_end(kind: str, response: dict[str, Any]) -> bool:
    """Says whether an event of this type, with this response in it, ends the answer."""
    return kind in ENDS or (kind not in BEGINNINGS and status_of(response) in _END_STATUSES)


def has_failed(kind: str, response: dict[str, Any]) -> bool:
    """Says whether it ends in a failure, which may be that somebody cancelled it there."""
    return kind in ("response.failed", "response.cancelled") or status_of(response) in ("failed", "cancelled")


def status_of(response: dict[str, Any]) -> str | None:
    """Returns a response's status in lower case."""
    status = word(response, "status")
    return status and status.lower()


def cause_of(event: ResponsesEvent, response: dict[str, Any]) -> dict[str, Any] | str | None:
    """Returns why an answer failed; None where it does not say so, as Azure's, whose next event does."""
    for error in (response.get("error"), event.error):
        if is_error(error):
            return error if isinstance(error, dict) else str(error)
    if event.message or event.code:
        return {"code": event.code, "message": event.message}
    return {"code": reason} if (reason := cut_by(response)) else None


def cut_by(response: dict[str, Any]) -> str | None:
    """Returns the reason for which an answer is incomplete, if it says one."""
    details = response.get("incomplete_details")
    return word(details, "reason") if isinstance(details, dict) else None


def output_of(response: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the items of a response. Where none is a message, its text may stand beside them, as in the SDKs."""
    output = objects(response.get("output"))
    text = response.get("output_text")
    if isinstance(text, str) and text and not any(item.get("type") == "message" for item in output):
        output.append({"type": "message", "content": text})
    return output


def contents_of(fields: dict[str, Any]) -> list[Content]:
    """Returns the contents of a message or of reasoning, in order, and before them the summaries."""
    summaries = _listed(fields.get("summary"))
    found = [Content(SUMMARY, text, {}) for item in summaries if (text := _text_in(item, "text"))]
    reasons = fields.get("type") == "reasoning"
    for item in _listed(fields.get("content")):
        given = item if isinstance(item, dict) else {"type": "output_text", "text": item}
        found.append(content_of(given, reasons=reasons))
    return found


def content_of(given: dict[str, Any], *, reasons: bool = False) -> Content:
    """Returns one content. What has no type of its own is reasoning within reasoning."""
    kind = str(given.get("type"))
    if reasons and kind in ("output_text", "text"):
        kind = "reasoning_text"
    place, field = PLACE_OF_CONTENT.get(kind, (None, ""))
    return Content(place, _text_in(given, field), given)


def _text_in(given: object, field: str) -> str:
    value = given.get(field) if isinstance(given, dict) else given
    return spoken(value) or ""


def _listed(value: object) -> list[Any]:
    """Returns a list as it is, and a text or one object as a list of it."""
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, str | dict) and value else []


def objects(value: object) -> list[dict[str, Any]]:
    """Returns the objects in a list; one object is a list of it."""
    return [item for item in _listed(value) if isinstance(item, dict)]


def word(fields: dict[str, Any], name: str) -> str | None:
    """Returns a name or an id, which may be a number; None where there is none."""
    value = fields.get(name)
    return spoken(value) or None if isinstance(value, str | int | float) else None


def tier_of(response: dict[str, Any]) -> str | None:
    """Returns the tier that serves an answer; `auto` is what was asked, until it is known."""
    tier = word(response, "service_tier")
    return None if tier is None or tier == "auto" or len(tier) > MAX_TIER_CHARS else tier


def unmapped(response: dict[str, Any]) -> dict[str, Any]:
    """Returns what a whole response says beside the answer: uses of tools, moderation, what became of the cache."""
    rest = {field: value for field, value in response.items() if field not in ECHO_FIELDS and says(value)}
    if counts := unmapped_counts(response.get("usage")):
        rest["usage"] = counts
    return rest
