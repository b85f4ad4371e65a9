"""What went wrong at a provider, as a ProviderError.

Messages are our own sentences. A provider's text may repeat the prompt, so it helps to classify and is never
shown; only its error code is, where it looks like one.
"""

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from shared.process.file_descriptors import is_exhausted
from worker.providers.provider import ErrorCode, ProviderError

_RETRYABLE: frozenset[ErrorCode] = frozenset(
    {
        "rate_limit",
        "overloaded",
        "provider_error",
        "provider_timeout",
        "connection",
        "invalid_response",
        "incomplete_stream",
        "worker_exhausted",
    }
)

_SENTENCES: dict[ErrorCode, str] = {
    "authentication": "the provider refused the API key",
    "permission": "the API key may not do this, or its account has no credit",
    "not_found": "the provider does not know this model or address",
    "bad_request": "the provider refused the request",
    "context_length": "the request is longer than the model's context",
    "content_filter": "the provider's content filter refused the request",
    "rate_limit": "the provider's rate limit or quota is used up",
    "overloaded": "the provider is overloaded",
    "provider_error": "the provider failed",
    "provider_timeout": "the provider took too long",
    "connection": "the connection to the provider failed",
    "invalid_response": "the provider's answer is not what its protocol says",
    "incomplete_stream": "the provider's stream ended before the answer was complete",
    "worker_exhausted": "the worker has no file descriptor, memory or port left for another connection",
}

_STATUSES: dict[int, ErrorCode] = {
    401: "authentication",
    402: "permission",
    403: "permission",
    404: "not_found",
    408: "provider_timeout",
    409: "provider_error",
    499: "provider_error",
    429: "rate_limit",
    503: "overloaded",
    504: "provider_timeout",
    529: "overloaded",
}

_NARROWER: dict[str, ErrorCode] = {
    "context_length_exceeded": "context_length",
    "exceed_context_size_error": "context_length",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "API_KEY_INVALID": "authentication",
    # Google's words for a country or an account that it does not serve.
    "FAILED_PRECONDITION": "permission",
}
"""Codes that say more than the HTTP status they come with."""

_WORDS: dict[str, ErrorCode] = _NARROWER | {
    "authentication_error": "authentication",
    "billing_error": "permission",
    "insufficient_quota": "rate_limit",
    "invalid_api_key": "authentication",
    "invalid_prompt": "bad_request",
    "invalid_request_error": "bad_request",
    "BadRequestError": "bad_request",
    "model_not_found": "not_found",
    "not_found_error": "not_found",
    "overloaded": "overloaded",
    "overloaded_error": "overloaded",
    "permission_error": "permission",
    "rate_limit_error": "rate_limit",
    "rate_limit_exceeded": "rate_limit",
    "request_too_large": "bad_request",
    "timeout_error": "provider_timeout",
    "vector_store_timeout": "provider_timeout",
    "bio_policy": "content_filter",
    "misalignment_policy_violation": "content_filter",
    "image_content_policy_violation": "content_filter",
    **dict.fromkeys(
        (
            "invalid_image",
            "invalid_image_format",
            "invalid_base64_image",
            "invalid_image_url",
            "invalid_image_mode",
            "image_too_large",
            "image_too_small",
            "image_parse_error",
            "image_file_too_large",
            "image_file_not_found",
            "unsupported_image_media_type",
            "empty_image_file",
            "failed_to_download_image",
        ),
        "bad_request",
    ),
    "INVALID_ARGUMENT": "bad_request",
    "OUT_OF_RANGE": "bad_request",
    "UNAUTHENTICATED": "authentication",
    "PERMISSION_DENIED": "permission",
    "NOT_FOUND": "not_found",
    "RESOURCE_EXHAUSTED": "rate_limit",
    "UNAVAILABLE": "overloaded",
    "DEADLINE_EXCEEDED": "provider_timeout",
}
"""Error types and codes of OpenAI, Anthropic and Google (google.rpc.Code), for errors inside a stream, where no
status says it."""

_TOO_LONG = re.compile(r"prompt is too long|maximum context length|input token count .{0,40}exceeds", re.IGNORECASE)
_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")

TRANSPORT_ERRORS = (httpx2.RequestError, httpx2.StreamError, OSError)
"""What reading a body raises; the Anthropic SDK lets all of it through."""


def problem(
    name: str,
    code: ErrorCode,
    detail: str = "",
    *,
    retryable: bool | None = None,
    retry_after: float | None = None,
) -> ProviderError:
    """Returns the error of provider `name`; whether it is retryable follows from its code unless given."""
    return ProviderError(
        code,
        f"{name}: {_SENTENCES[code]}" + (f" ({detail})" if detail else ""),
        retryable=code in _RETRYABLE if retryable is None else retryable,
        retry_after=retry_after,
    )


def from_status(name: str, status: int, headers: Mapping[str, str], body: object) -> ProviderError:
    """Returns the error for an HTTP status other than 2xx."""
    error = _error_of(body)
    words = _words(error)
    usual: ErrorCode = "bad_request" if 400 <= status < 500 else "provider_error"
    code: ErrorCode = next((_NARROWER[word] for word in words if word in _NARROWER), _STATUSES.get(status, usual))
    if code == "bad_request" and _TOO_LONG.search(str(error.get("message"))):
        code = "context_length"
    # A redirect is not followed: the key and the prompt would go to an address that nobody configured.
    retryable: bool | None = False if status < 400 or "insufficient_quota" in words else None
    if (wish := headers.get("x-should-retry")) in ("true", "false"):
        retryable = wish == "true"
    seconds = retry_after(headers)
    return problem(
        name,
        code,
        ", ".join([f"HTTP {status}", *words[:1]]),
        retryable=retryable,
        retry_after=_retry_delay(error) if seconds is None else seconds,
    )


def from_event(name: str, error: object) -> ProviderError:
    """Returns the error that the stream itself reports, after a 200."""
    fields = _error_of(error)
    words = _words(fields)
    status = next((int(word) for word in words if len(word) == 3 and word.isdigit()), None)
    if status is not None and 400 <= status < 600:
        return from_status(name, status, {}, fields)
    code: ErrorCode = next((_WORDS[word] for word in words if word in _WORDS), "provider_error")
    if code == "bad_request" and _TOO_LONG.search(str(fields.get("message"))):
        code = "context_length"
    retryable = False if "insufficient_quota" in words else None
    return problem(name, code, ", ".join(["in the stream", *words[:1]]), retryable=retryable)


def from_transport(name: str, error: BaseException | None) -> ProviderError:
    """Returns the error of a failed or broken connection; one that cannot be tried here is not the provider's fault."""
    if is_exhausted(error):
        return problem(name, "worker_exhausted")
    if isinstance(error, httpx2.ReadTimeout | httpx2.WriteTimeout):
        return problem(name, "provider_timeout")
    if isinstance(error, httpx2.DecodingError):
        return problem(name, "invalid_response", "content encoding")
    return problem(name, "connection", type(error).__name__ if error else "")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds that the provider asks callers to wait; None where it asks for none.

    They are in `retry-after-ms` (OpenAI), else in `retry-after`, in seconds or as a date (RFC 9110, 10.2.3).
    """
    for header, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers.get(header, "")) / unit
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError):
        return None
    return max(0.0, date.timestamp() - time.time())


def _error_of(body: object) -> dict[str, Any]:
    """Returns the fields of an error, which the protocols wrap in `error` or not."""
    if not isinstance(body, dict):
        return {"message": body}
    inner = body.get("error", body)
    return inner if isinstance(inner, dict) else {"message": inner}


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns what Google says about an error (google.rpc.ErrorInfo, RetryInfo and others)."""
    details = error.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _retry_delay(error: dict[str, Any]) -> float | None:
    """Returns the seconds that Google puts into the error (google.rpc.RetryInfo) and not into a header."""
    for detail in _details(error):
        if match := _DELAY.fullmatch(str(detail.get("retryDelay"))):
            return float(match[1])
    return None


def _words(error: dict[str, Any]) -> list[str]:
    """Returns the codes an error gives itself, most precise first."""
    details = error.get("details")
    cause = details.get("error_code") if isinstance(details, dict) else None
    reasons = [detail.get("reason") for detail in _details(error)]
    candidates = (*reasons, error.get("status"), error.get("code"), cause, error.get("type"))
    return [str(word) for word in candidates if isinstance(word, str | int) and _WORD.fullmatch(str(word))]
