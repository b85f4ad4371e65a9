"""Errors inside an answer with status 200, in the shapes that protocols, gateways and servers give them.

OpenAI wraps an error in `error`, Anthropic names the event so, vLLM says `"object": "error"`, FastAPI has `detail`,
Cloudflare `errors`, MiniMax a `base_resp` in every answer; some say it flat, or in one word.
"""

import re
from typing import Any

from worker.providers.errors import from_event
from worker.providers.provider import ProviderError

ERROR_EVENTS = frozenset({"error", "exception", "fatal", "fatal_error"})
"""Names of server-sent events that are errors, whatever is in them."""

_ERROR_TYPE = re.compile(r"(?:^|[._-])(?:error|exception)$", re.IGNORECASE)
_WRAPS = ("error", "errors")
_TEXTS = ("message", "msg", "detail", "error_msg", "error_message", "errorMessage", "status_msg", "err")
_CODES = ("code", "status", "status_code", "statusCode", "error_code", "errorCode", "type")
_KINDS = ("__type", "errorType", "error_type")
"""Fields that only errors have: of AWS, of its Lambda, of gateways."""
_ABOUT = frozenset(
    (*_TEXTS, *_CODES, *_KINDS, "object", "param", "success", "request_id", "requestId", "timestamp", "path", "title",
     "instance", "reason", "data", "trace_id", "traceId")
)  # fmt: skip
"""Fields that an error has, and an answer has only some of."""

_FINE = frozenset(
    {"0", "200", "ok", "success", "info", "log", "notice", "warning", "status", "progress", "queued", "queueing",
     "pending", "processing", "in_progress", "running", "waiting"}
)  # fmt: skip
"""Codes and types of what is no error, though it has a message: gateways that queue tell how far they are."""


def is_error(error: object) -> bool:
    """Says whether an `error` field says anything: some send an empty one with every chunk."""
    if isinstance(error, dict):
        return any(is_error(value) for value in error.values())
    return bool(error)


def failure_in(name: str, value: object) -> ProviderError | None:
    """Returns the error that an event, or a whole document, of provider `name` is; None where it is none.

    It is asked about what is no part of an answer as the protocol has it, not about every event.
    """
    if isinstance(value, list):
        found = (failure_in(name, item) for item in value[:1] if isinstance(item, dict))
        return next(found, None)
    if not isinstance(value, dict):
        return None
    over = isinstance(value.get("sequence_number"), int)
    value = _unwrapped(value)
    if not (
        any(is_error(value.get(field)) for field in _WRAPS) or _refuses(value) or _is_named(value) or _is_flat(value)
    ):
        return None
    failure = from_event(name, value)
    # It is among the answer's events (Responses), so the answer is over and not only its connection.
    failure.over = over
    return failure


def failure_of(name: str, value: object) -> ProviderError:
    """Returns the error that is in an event named so, whatever its shape."""
    return failure_in(name, value) or from_event(name, value)


def _unwrapped(value: dict[str, Any]) -> dict[str, Any]:
    """Returns an error whose field is its name as others say it: Bedrock's exceptions, Apigee's `fault`.

    One may also stand in the `response` in which Google's Code Assist wraps all that it says.
    """
    for field, inner in value.items():
        if not isinstance(inner, dict):
            continue
        if field.endswith("Exception"):
            return {"error": {"type": field[0].upper() + field[1:], **inner}}
        if field == "fault":
            detail = inner.get("detail")
            code = detail.get("errorcode") if isinstance(detail, dict) else None
            return {"error": {"message": inner.get("faultstring"), "code": code}}
        if field == "response" and is_error(inner.get("error")):
            return {"error": inner["error"]}
    return value


def _refuses(value: dict[str, Any]) -> bool:
    """Says whether MiniMax's `base_resp`, which every answer of theirs has, is not that of success."""
    base = value.get("base_resp")
    return isinstance(base, dict) and base.get("status_code") not in (0, "0", None)


def _is_named(value: dict[str, Any]) -> bool:
    if any(isinstance(kind := value.get(field), str) and _ERROR_TYPE.search(kind) for field in ("type", "object")):
        return True
    return any(str(value.get(field) or "none").lower() not in ("none", "null") for field in _KINDS)


def _is_flat(value: dict[str, Any]) -> bool:
    """Says whether all that it has is a text, and what else errors have."""
    return (
        _fields(value) <= _ABOUT
        and any(isinstance(value.get(field), str | list) and value[field] for field in _TEXTS)
        and not isinstance(value.get("message"), dict)
        and not is_notice(value)
    )


def is_notice(value: dict[str, Any]) -> bool:
    """Says whether a flat event has a code or a type of what is no error; its text is the provider's all the same."""
    words = (value.get(field) for field in (*_CODES, "object"))
    return _fields(value) <= _ABOUT and any(str(word).lower().rpartition(".")[2] in _FINE for word in words)


def _fields(value: dict[str, Any]) -> set[str]:
    return {field for field, given in value.items() if given is not None}
