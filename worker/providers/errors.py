"""What went wrong at a provider, as a ProviderError.

Messages are our own sentences. A provider's text may repeat the prompt, so it helps to classify and is never
shown; only its error code is, where it looks like one, and the parameter that it refused.
"""

from collections.abc import Mapping

import httpx2

from shared.process.file_descriptors import is_exhausted
from worker.providers.error_layers import ErrorLayer, layers_of
from worker.providers.error_text import says_too_long, says_wrong_key
from worker.providers.error_words import NARROWER, STATUSES, USED_UP, VAGUE_STATUSES, WORDS, folded
from worker.providers.provider import ErrorCode, ProviderError
from worker.providers.refused_parameter import refused_parameter
from worker.providers.retry_after import retry_after, retry_after_in

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

TRANSPORT_ERRORS = (httpx2.RequestError, httpx2.StreamError, OSError)
"""What reading a body raises; the Anthropic SDK lets all of it through."""


def problem(
    name: str,
    code: ErrorCode,
    detail: str = "",
    *,
    retryable: bool | None = None,
    retry_after: float | None = None,
    status: int | None = None,
) -> ProviderError:
    """Returns the error of provider `name`; whether it is retryable follows from its code unless given."""
    return ProviderError(
        code,
        f"{name}: {_SENTENCES[code]}" + (f" ({detail})" if detail else ""),
        retryable=code in _RETRYABLE if retryable is None else retryable,
        retry_after=retry_after,
        status=status,
    )


def from_status(name: str, status: int, headers: Mapping[str, str], body: object) -> ProviderError:
    """Returns the error for an HTTP status other than 2xx."""
    layers = layers_of(body)
    usual: ErrorCode = "bad_request" if 400 <= status < 500 else "provider_error"
    code = _narrower(layers) or STATUSES.get(status, usual)
    if status in VAGUE_STATUSES and code == usual:
        code = _by_words(layers, refined=True) or code
    code = _by_text(code, layers)
    # A redirect is not followed: the key and the prompt would go to an address that nobody configured.
    retryable: bool | None = False if status < 400 or _is_used_up(layers) else None
    if (wish := headers.get("x-should-retry")) in ("true", "false"):
        retryable = wish == "true"
    seconds = retry_after(headers)
    return problem(
        name,
        code,
        _detail(f"HTTP {status}", code, layers, status),
        retryable=retryable,
        retry_after=_wait(code, layers) if seconds is None else seconds,
        status=status,
    )


def from_event(name: str, error: object) -> ProviderError:
    """Returns the error that the stream itself reports, after a 200."""
    layers = layers_of(error)
    words = [word for layer in reversed(layers) if not layer.quoted for word in layer.words()]
    status = next((int(word) for word in words if len(word) == 3 and word.isdecimal()), None)
    if status is not None and 400 <= status < 600:
        return from_status(name, status, {}, error)
    code = _by_text(_narrower(layers) or _by_words(layers) or "provider_error", layers)
    return problem(
        name,
        code,
        _detail("in the stream", code, layers),
        retryable=False if _is_used_up(layers) else None,
        retry_after=_wait(code, layers),
    )


def _narrower(layers: list[ErrorLayer]) -> ErrorCode | None:
    """Returns what a code means that says more than any status."""
    words = (folded(word) for layer in layers for word in layer.words())
    return next((NARROWER[word] for word in words if word in NARROWER), None)


def _by_words(layers: list[ErrorLayer], *, refined: bool = False) -> ErrorCode | None:
    """Returns what the codes mean; one that says more than a vague status if `refined`."""
    for layer in layers:
        for word in layer.words():
            code = layer.numbers.get(word) or WORDS.get(folded(word))
            if code is None and refined and word.isdecimal():
                code = STATUSES.get(int(word))
            if code is not None and not (refined and code in ("bad_request", "provider_error")):
                return code
    return None


def _by_text(code: ErrorCode, layers: list[ErrorLayer]) -> ErrorCode:
    """Returns what the texts say of an error whose code says little."""
    if code in ("bad_request", "provider_error") and any(says_too_long(layer.text) for layer in layers):
        return "context_length"
    if code == "bad_request" and any(says_wrong_key(layer.text) for layer in layers):
        return "authentication"
    return code


def _is_used_up(layers: list[ErrorLayer]) -> bool:
    return any(folded(word) in USED_UP for layer in layers for word in layer.words())


def _wait(code: ErrorCode, layers: list[ErrorLayer]) -> float | None:
    """Returns how long an error asks to wait, where waiting is what helps."""
    return retry_after_in(layers) if code in ("rate_limit", "overloaded") else None


def _detail(head: str, code: ErrorCode, layers: list[ErrorLayer], status: int | None = None) -> str:
    """Returns what may be shown: the most precise code, and the parameter that was refused."""
    words = (word for layer in layers for word in layer.words() if _may_be_shown(word, layer))
    word = next((word for word in words if word != str(status)), None)
    parameter = refused_parameter(layers) if code == "bad_request" else None
    return ", ".join(filter(None, (head, word, parameter)))


def _may_be_shown(word: str, layer: ErrorLayer) -> bool:
    return folded(word) not in ("", "none", "null") and (not layer.quoted or folded(word) in WORDS)


def from_transport(name: str, error: BaseException | None) -> ProviderError:
    """Returns the error of a failed or broken connection; one that cannot be tried here is not the provider's fault."""
    if is_exhausted(error):
        return problem(name, "worker_exhausted")
    if isinstance(error, httpx2.ReadTimeout | httpx2.WriteTimeout):
        return problem(name, "provider_timeout")
    if isinstance(error, httpx2.DecodingError):
        return problem(name, "invalid_response", "content encoding")
    return problem(name, "connection", type(error).__name__ if error else "")
