"""Errors that stand in a chunk of Chat Completions where an answer should be, beside fields that every chunk has."""

from typing import Any

from worker.providers.error_shapes import failure_in, is_error
from worker.providers.errors import from_event
from worker.providers.openai_chat.chunk import ChatChunk
from worker.providers.provider import ProviderError

_CODES = ("code", "status_code", "statusCode", "error_code", "errorCode", "status")
_TEXTS = ("message", "msg", "detail", "reason", "error_msg", "error_message", "errorMessage", "status_msg")
_FIELDS = (*_CODES, *_TEXTS, "type", "param")
_ERRORS = (
    "error_msg", "error_message", "errorMessage", "err_msg", "errmsg", "errMsg",
    "err", "exception", "traceback", "stack_trace",
)  # fmt: skip
"""Fields that have an error, or its text, and nothing of an answer."""
_FINE = frozenset(
    {
        "", "0", "200", "ok", "success", "succeeded", "none", "null", "stop", "in_progress", "completed",
        "queued", "pending", "waiting", "loading", "processing", "running",
    }
)  # fmt: skip
"""Codes that say that all is well (iFlytek has 0 in each chunk, others 200)."""
_BROKEN = frozenset({"error", "failed", "failure", "fail", "false"})


def failure_beside(name: str, chunk: ChatChunk, said: dict[str, Any], about: dict[str, Any]) -> ProviderError | None:
    """Returns the error that a chunk is, or that is in its choice, flat among other fields; None where it is none.

    Beside an answer only a code makes an error of it. A text that may be an error's is taken from `about`, where
    nothing of an answer is beside it: it is shown to nobody.
    """
    if not chunk.choices and chunk.usage is None:
        whole = about | said | {"object": chunk.object}
        if not _is_fine(whole) and (failure := failure_in(name, whole)) is not None:
            return failure
        if any(str(whole.get(field)).lower() in _BROKEN for field in ("status", "success")):
            return from_event(name, whole)
    if not chunk.choices and any(is_error(about.get(field)) for field in _ERRORS):
        return from_event(name, about)
    for fields in (about, said):
        flat = {field: fields[field] for field in _FIELDS if field in fields}
        if _is_coded(flat) and (failure := failure_in(name, flat)) is not None:
            return failure
    wrapped = {field: about[field] for field in ("base_resp", "errors") if field in about}
    for fields in (about, said):
        for field in _ERRORS:
            fields.pop(field, None)
    if not chunk.choices:
        for field in _TEXTS:
            if isinstance(about.get(field), str):
                del about[field]
    return failure_in(name, wrapped) if wrapped else None


def _is_coded(fields: dict[str, Any]) -> bool:
    if any(str(fields.get(text)).lower() in ("ok", "success", "succeeded") for text in _TEXTS):
        return False
    return any(isinstance(fields.get(code), str | int) for code in _CODES) and not _is_fine(fields)


def _is_fine(fields: dict[str, Any]) -> bool:
    """Says whether it has codes, and all of them say that all is well."""
    codes = [value for code in _CODES if isinstance(value := fields.get(code), str | int)]
    return bool(codes) and all(code is not True and str(code).lower() in _FINE for code in codes)
