"""Errors as OpenAI's SDKs take them: an envelope, of which the status makes the class, and those of a generation."""

import re
from typing import Any

from api.problems.problem import ProblemError
from shared.log.events import Failed

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    410: "not_found_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
_TYPES_BY_CODE = {"budget_exhausted": "insufficient_quota"}
"""Of 429, OpenAI tells apart who has no budget left, for whom waiting is no use ("You exceeded your current quota")."""
_CODES = {
    "unauthorized": "invalid_api_key",
    "unknown_model": "model_not_found",
    "previous_not_found": "previous_response_not_found",
    "rate_limited": "rate_limit_exceeded",
    "budget_exhausted": "insufficient_quota",
}
"""Our codes for which OpenAI has another word."""

_CODES_OF_FAILURE = {
    "rate_limit": "rate_limit_exceeded",
    "bad_request": "invalid_prompt",
    "context_length": "invalid_prompt",
    "content_filter": "invalid_prompt",
    "previous_gone": "invalid_prompt",
    "previous_too_long": "invalid_prompt",
}
"""The code of a failed response; any other is `server_error`, as SDKs know a closed list."""

_STATUSES = {
    "rate_limit": 429,
    "bad_request": 400,
    "context_length": 400,
    "content_filter": 400,
    "previous_too_long": 400,
    "previous_gone": 409,
    "not_found": 404,
    "overloaded": 503,
    "storage_full": 503,
    "provider_timeout": 504,
    "deadline_exceeded": 504,
    "worker_lost": 500,
    "worker_exhausted": 500,
    "unknown_provider": 500,
    "internal_error": 500,
    "too_long": 500,
}
"""The status of a generation that failed unstreamed; any other is the provider's doing, 502."""

_POINTER_STEP = re.compile(r"/([^/]*)")


def status(problem: ProblemError) -> int:
    """Returns the status of a problem: what is wrong with a request is 400 here."""
    return 400 if problem.status == 422 else problem.status


def body(problem: ProblemError) -> dict[str, Any]:
    """Returns the envelope of a problem, which names the first field that is wrong."""
    message, param = problem.detail, None
    if problem.errors:
        param = path(problem.errors[0].pointer) or None
        message = " ".join(f"{path(error.pointer) or 'The body'} {error.message}." for error in problem.errors)
    kind = _TYPES_BY_CODE.get(problem.code)
    return _envelope(status(problem), message, _CODES.get(problem.code, problem.code), param, kind)


def body_of_failure(failed: Failed) -> dict[str, Any]:
    """Returns the envelope of a generation that failed unstreamed."""
    return _envelope(status_of(failed), failed.message, failed.code, None)


def _envelope(status: int, message: str, code: str, param: str | None, kind: str | None = None) -> dict[str, Any]:
    kind = kind or _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def in_stream(failed: Failed) -> dict[str, Any]:
    """Returns the `error` of a failed response; `type` is our code, which says more."""
    return {
        "code": _CODES_OF_FAILURE.get(failed.code, "server_error"),
        "message": failed.message,
        "type": failed.code,
        "param": None,
    }


def status_of(failed: Failed) -> int:
    """Returns the HTTP status of a generation that failed unstreamed; never 401 or 403: the caller's key is right."""
    return _STATUSES.get(failed.code, 502)


def path(pointer: str) -> str:
    """Returns a JSON Pointer as OpenAI names fields: `input[2].content[0]`; a plain name as it is."""
    if not pointer.startswith("/"):
        return pointer
    said = ""
    for step in _POINTER_STEP.findall(pointer):
        name = step.replace("~1", "/").replace("~0", "~")
        said += f"[{name}]" if name.isdecimal() else f".{name}" if said else name
    return said
