"""Errors as Messages has them (API reference: "Errors"), so that each SDK raises the class of what happened.

`details.error_code` has our own code: the SDKs show it as `error_code`.
"""

from typing import Any

from api.problems.problem import FieldError, ProblemError
from shared.log.events import Cancelled, Failed

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    410: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_NO_REQUEST = 422
"""The status with which others say that a request is not valid; here it is 400."""

_OURS = frozenset({"internal_error", "worker_lost", "worker_exhausted", "unknown_provider", "too_long"})
_STATUSES = {
    "bad_request": 400,
    "context_length": 400,
    "content_filter": 400,
    "previous_too_long": 400,
    "previous_gone": 409,
    "not_found": 404,
    "rate_limit": 429,
    "overloaded": 529,
    "provider_timeout": 504,
    "deadline_exceeded": 504,
    "storage_full": 503,
    "cancelled": 409,
    **dict.fromkeys(_OURS, 500),
}
"""HTTP status of a generation that failed, by its code; of all other codes it is 502.

Never 401 or 403, also where the provider refused the server's key: the caller's own is right.
"""
CANCELLED = "cancelled"


def status(problem: ProblemError) -> int:
    """Returns the HTTP status of a problem: 400 for a request that is not valid, 404 for a model that is not there."""
    if problem.code in ("unknown_model", "model_not_found"):
        return 404
    return 400 if problem.status == _NO_REQUEST else problem.status


def body(problem: ProblemError, request_id: str | None = None) -> dict[str, Any]:
    """Returns the envelope of a problem."""
    return envelope(status(problem), problem.code, _said(problem), request_id)


def status_of(failed: Failed | Cancelled) -> int:
    """Returns the HTTP status of an unstreamed answer that failed."""
    return _STATUSES.get(_code(failed), 502)


def in_stream(failed: Failed | Cancelled, request_id: str | None = None) -> dict[str, Any]:
    """Returns the envelope of a failure: in a stream the data of its `error` event, else the body."""
    message = failed.message if isinstance(failed, Failed) else "The generation was cancelled."
    return envelope(status_of(failed), _code(failed), message, request_id)


def envelope(status: int, code: str, message: str, request_id: str | None = None) -> dict[str, Any]:
    """Returns the body of an error."""
    error = {"type": type_of(status), "message": message, "details": {"error_code": code}}
    fields: dict[str, Any] = {"type": "error", "error": error}
    return fields | ({"request_id": request_id} if request_id is not None else {})


def type_of(status: int) -> str:
    """Returns the type of an error by its HTTP status."""
    return _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")


def dotted(pointer: str) -> str:
    """Returns a JSON Pointer (RFC 6901) as Anthropic writes a place: `messages.1.content.0.text`."""
    return ".".join(step.replace("~1", "/").replace("~0", "~") for step in pointer.removeprefix("/").split("/"))


def _said(problem: ProblemError) -> str:
    return "; ".join(map(_of_field, problem.errors)) if problem.errors else f"{problem.title}. {problem.detail}"


def _of_field(error: FieldError) -> str:
    place = dotted(error.pointer)
    return f"{place}: {error.message}" if place else error.message


def _code(failed: Failed | Cancelled) -> str:
    return failed.code if isinstance(failed, Failed) else CANCELLED
