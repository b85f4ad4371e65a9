"""HTTP answers and what they mean."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from shared.config.protocols import Protocol
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.errors import from_status
from worker.providers.retry_after import retry_after
from worker.providers.provider import Provider


@pytest.mark.parametrize(
    ("status", "error", "code", "retryable"),
    [
        (400, {}, "bad_request", False),
        (400, {"code": "context_length_exceeded"}, "context_length", False),
        (400, {"type": "exceed_context_size_error", "code": 400}, "context_length", False),
        (400, {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}, "context_length", False),
        (400, {"message": "This model's maximum context length is 8 tokens"}, "context_length", False),
        (400, {"code": "content_filter"}, "content_filter", False),
        (401, {"code": "invalid_api_key"}, "authentication", False),
        (402, {}, "permission", False),
        (403, {}, "permission", False),
        (404, {"code": "model_not_found"}, "not_found", False),
        (408, {}, "provider_timeout", True),
        (409, {}, "provider_error", True),
        (413, {}, "bad_request", False),
        (418, {}, "bad_request", False),
        (422, {}, "bad_request", False),
        (429, {"code": "rate_limit_exceeded"}, "rate_limit", True),
        (429, {"code": "insufficient_quota"}, "rate_limit", False),
        (500, {}, "provider_error", True),
        (502, {}, "provider_error", True),
        (503, {}, "overloaded", True),
        (504, {}, "provider_timeout", True),
        (529, {"type": "overloaded_error"}, "overloaded", True),
    ],
)
def test_statuses(status: int, error: dict[str, Any], code: str, retryable: bool) -> None:
    got = from_status("acme", status, {}, {"error": error})
    assert (got.code, got.retryable) == (code, retryable)
    assert got.message.startswith("acme: ")
    assert f"HTTP {status}" in got.message
    # The OpenAI SDK has taken the error out of its wrapping.
    assert from_status("acme", status, {}, error).code == code


@pytest.mark.parametrize("body", [None, "<html>SECRET</html>", [], {"error": "SECRET"}, {"detail": "SECRET"}])
def test_a_body_that_is_no_error(body: object) -> None:
    got = from_status("acme", 500, {}, body)
    assert got.code == "provider_error"
    assert "SECRET" not in got.message


@pytest.mark.parametrize("word", ["SECRET words", "x" * 65, "SECRET\n", {"SECRET": 1}, ["SECRET"]])
def test_a_code_that_is_no_word_is_not_shown(word: Any) -> None:
    message = from_status("acme", 400, {}, {"error": {"code": word, "type": "bad_thing"}}).message
    assert "bad_thing" in message
    assert "SECRET" not in message
    assert "xx" not in message


def test_the_provider_may_overrule() -> None:
    assert not from_status("acme", 500, {"x-should-retry": "false"}, None).retryable
    assert from_status("acme", 400, {"x-should-retry": "true"}, None).retryable


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "later"}, None),
        ({"retry-after": formatdate(0, usegmt=True)}, 0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_as_a_date() -> None:
    seconds = retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert seconds is not None
    assert 50 < seconds <= 60


def google(status: str, message: str = "", *details: dict[str, str]) -> dict[str, Any]:
    return {"code": 400, "status": status, "message": message, "details": list(details)}


BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
TOO_LONG = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048575)."


@pytest.mark.parametrize(
    ("status", "error", "code", "shown"),
    [
        (400, google("INVALID_ARGUMENT"), "bad_request", "INVALID_ARGUMENT"),
        (400, google("INVALID_ARGUMENT", "API key not valid.", BAD_KEY), "authentication", "API_KEY_INVALID"),
        (400, google("INVALID_ARGUMENT", TOO_LONG), "context_length", "INVALID_ARGUMENT"),
        (400, google("FAILED_PRECONDITION"), "permission", "FAILED_PRECONDITION"),
        (401, google("UNAUTHENTICATED"), "authentication", "UNAUTHENTICATED"),
        (403, google("PERMISSION_DENIED"), "permission", "PERMISSION_DENIED"),
        (404, google("NOT_FOUND"), "not_found", "NOT_FOUND"),
        (429, google("RESOURCE_EXHAUSTED"), "rate_limit", "RESOURCE_EXHAUSTED"),
        (499, google("CANCELLED"), "provider_error", "CANCELLED"),
        (500, google("INTERNAL"), "provider_error", "INTERNAL"),
        (503, google("UNAVAILABLE"), "overloaded", "UNAVAILABLE"),
        (504, google("DEADLINE_EXCEEDED"), "provider_timeout", "DEADLINE_EXCEEDED"),
    ],
)
def test_the_statuses_of_google(status: int, error: dict[str, Any], code: str, shown: str) -> None:
    got = from_status("acme", status, {}, {"error": error})
    assert got.code == code
    assert f"(HTTP {status}, {shown})" in got.message


@pytest.mark.parametrize(
    ("delay", "header", "seconds"),
    [
        ("34.074824224s", {}, 34.074824224),
        ("3s", {"retry-after": "5"}, 5),
        ("soon", {}, None),
        ("-1s", {}, None),
        ("1e9s", {}, None),
        (None, {}, None),
    ],
)
def test_google_says_in_the_error_when_to_try_again(delay: Any, header: dict[str, str], seconds: float | None) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    error = {"error": google("RESOURCE_EXHAUSTED", "", {"@type": "other"}, info)}
    assert from_status("acme", 429, header, error).retry_after == seconds


@pytest.mark.parametrize("protocol", ["openai-chat", "anthropic", "gemini"])
async def test_the_headers_come_through_the_sdk(
    protocol: Protocol,
    upstream: Upstream,
    adapter: Callable[[Protocol, str], Provider],
    ask: Callable[..., GenerationRequest],
) -> None:
    headers = {"content-type": "application/json", "Retry-After": "3600"}
    error = {"error": {"type": "rate_limit_error", "message": "PROMPT"}}
    upstream.reply = Reply([json.dumps(error).encode()], status=429, headers=headers)
    got = await outcome(adapter(protocol, upstream.url), ask())
    assert (got.failure.code, got.failure.retry_after) == ("rate_limit", 3600)
    assert "rate_limit_error" in got.failure.message
