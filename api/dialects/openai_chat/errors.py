"""Errors as OpenAI has them (API reference: "Error codes"), so that each SDK raises its class for them."""

import re
from typing import Any

from api.problems.problem import ProblemError
from shared.log.events import Failed

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_TYPES_BY_CODE = {"budget_exhausted": "insufficient_quota"}
"""Of 429, OpenAI tells apart who has no budget left, for whom waiting is no use ("You exceeded your current quota")."""
_CODES = {
    "unauthorized": "invalid_api_key",
    "unknown_model": "model_not_found",
    "rate_limit": "rate_limit_exceeded",
    "rate_limited": "rate_limit_exceeded",
    "budget_exhausted": "insufficient_quota",
    "context_length": "context_length_exceeded",
}
"""OpenAI's words for codes of ours; programs compare them."""
_FAILURE_STATUSES = {
    "rate_limit": 429,
    "overloaded": 503,
    "bad_request": 400,
    "not_found": 404,
    "context_length": 400,
    "content_filter": 400,
    "previous_too_long": 400,
    "previous_gone": 409,
    "provider_timeout": 504,
    "deadline_exceeded": 504,
    "worker_lost": 500,
    "worker_exhausted": 500,
    "unknown_provider": 500,
    "internal_error": 500,
    "storage_full": 503,
    "too_long": 500,
}
"""HTTP statuses of generations that failed, by code; 502 for all else that a provider did: its refusal of the key is
none of the caller's."""
CANCELLED: dict[str, Any] = {
    "error": {
        "message": "The generation was cancelled.",
        "type": "cancelled",
        "param": None,
        "code": "cancelled",
    }
}
"""The end of a stream that somebody cancelled."""

_INDEX = re.compile(r"\.([0-9]+)(?=\.|$)")


def body(problem: ProblemError) -> dict[str, Any]:
    """Returns the body of an error answer. Its message has the remedy of each field, as SDKs show nothing else."""
    errors = [f"{_param(one.pointer) or 'The body'} {one.message}" for one in problem.errors]
    words = [f"{problem.title}. {problem.detail}", *(f"{error.rstrip('.')}." for error in errors)]
    param = next((_param(one.pointer) for one in problem.errors), None)
    kind = _TYPES_BY_CODE.get(problem.code) or _type(status(problem))
    return _error(" ".join(words), kind, problem.code, param or None)


def status(problem: ProblemError) -> int:
    """Returns the HTTP status of an error answer: OpenAI says 400 of requests that are not valid."""
    return 400 if problem.status == 422 else problem.status


def in_stream(failed: Failed) -> dict[str, Any]:
    """Returns what a stream says of a generation that failed."""
    return _error(failed.message, _type(status_of(failed)), failed.code, None)


def status_of(failed: Failed) -> int:
    """Returns the HTTP status of an answer that was to be one object, and failed."""
    return _FAILURE_STATUSES.get(failed.code, 502)


def _type(status: int) -> str:
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")


def _error(message: str, kind: str, code: str, param: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": _CODES.get(code, code)}}


def _param(pointer: str) -> str:
    """Returns a JSON Pointer as OpenAI names parameters, such as `messages[0].content`."""
    names = [name.replace("~1", "/").replace("~0", "~") for name in pointer.removeprefix("/").split("/")]
    return _INDEX.sub(r"[\1]", ".".join(names))
