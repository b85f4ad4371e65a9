"""HTTP answers and what they mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.protocols import Protocol
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.errors import from_event, from_status
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
        (405, {}, "not_found", False),
        (410, {}, "not_found", False),
        (413, {}, "bad_request", False),
        (413, {"message": "Request too large (max 32 MB)"}, "bad_request", False),
        (413, {"code": "tokens_limit_reached"}, "context_length", False),
        (413, {"message": "prompt is too long: 9 tokens > 8 maximum"}, "context_length", False),
        # Groq, where one request is more than a minute's tokens: waiting does not help.
        (413, {"code": "rate_limit_exceeded", "message": "on tokens per minute (TPM)"}, "bad_request", False),
        (418, {}, "bad_request", False),
        (422, {}, "bad_request", False),
        (424, {}, "provider_error", True),
        (425, {}, "provider_error", True),
        (429, {"code": "rate_limit_exceeded"}, "rate_limit", True),
        (429, {"code": "insufficient_quota"}, "rate_limit", False),
        (498, {"code": "capacity_exceeded"}, "overloaded", True),
        (500, {}, "provider_error", True),
        (500, {"message": "prompt is too long: 9 tokens > 8 maximum"}, "context_length", False),
        (500, {"type": "invalid_request_error"}, "provider_error", True),
        (501, {}, "bad_request", False),
        (502, {}, "provider_error", True),
        (503, {}, "overloaded", True),
        (504, {}, "provider_timeout", True),
        *((status, {}, "provider_error", True) for status in (520, 521, 523, 525, 526, 527, 530)),
        (522, {}, "provider_timeout", True),
        (524, {}, "provider_timeout", True),
        (529, {"type": "overloaded_error"}, "overloaded", True),
        # Statuses that say nothing, beside a code that says all.
        (400, {"code": "invalid_api_key"}, "authentication", False),
        (400, {"message": "Incorrect API key provided: na***ys. See https://console.x.ai."}, "authentication", False),
        (400, {"code": "rate_limit_exceeded"}, "rate_limit", True),
        (400, {"type": "insufficient_quota"}, "rate_limit", False),
        (400, {"code": "Arrearage"}, "permission", False),
        (400, {"code": "DataInspectionFailed"}, "content_filter", False),
        (400, {"innererror": {"code": "ResponsibleAIPolicyViolation"}}, "content_filter", False),
        (400, {"code": 429}, "rate_limit", True),
        (400, {"code": 500}, "bad_request", False),
        (500, {"code": "429"}, "rate_limit", True),
        (500, {"type": "overloaded_error"}, "overloaded", True),
        (500, {"code": "invalid_api_key"}, "authentication", False),
        # A status that says something is believed.
        (429, {"code": "overloaded", "message": "Too many tokens"}, "rate_limit", True),
        (429, {"message": "prompt is too long: 9 tokens > 8 maximum"}, "rate_limit", True),
        (401, {"message": "maximum context length"}, "authentication", False),
        (429, {"type": "exceeded_current_quota_error"}, "rate_limit", False),
    ],
)
def test_statuses(status: int, error: dict[str, Any], code: str, retryable: bool) -> None:
    got = from_status("acme", status, {}, {"error": error})
    assert (got.code, got.retryable) == (code, retryable)
    assert got.message.startswith("acme: ")
    assert f"HTTP {status}" in got.message
    # The OpenAI SDK has taken the error out of its wrapping.
    assert from_status("acme", status, {}, error).code == code


@pytest.mark.parametrize("wrap", [dict, lambda error: {"error": error}, lambda error: [{"error": error}]])
@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("context_length_exceeded", "context_length"),
        ("exceed_context_size_error", "context_length"),
        ("ContextWindowExceededError", "context_length"),
        ("model_max_prompt_tokens_exceeded", "context_length"),
        ("tokens_limit_reached", "context_length"),
        ("RateLimitError", "rate_limit"),
        ("ThrottlingException", "rate_limit"),
        ("Throttling.RateQuota", "rate_limit"),
        ("resource_exhausted", "rate_limit"),
        ("AuthenticationError", "authentication"),
        ("InvalidApiKey", "authentication"),
        ("ModelNotReadyException", "overloaded"),
        ("engine_overloaded_error", "overloaded"),
        ("ServiceUnavailableError", "overloaded"),
        ("PermissionDeniedError", "permission"),
        ("AccessDeniedException", "permission"),
        ("NotFoundError", "not_found"),
        ("ValidationException", "bad_request"),
        ("Timeout", "provider_timeout"),
        ("Throttling", "provider_error"),
        ("anything_else", "provider_error"),
    ],
)
def test_codes_inside_a_stream(word: str, code: str, wrap: Callable[[Any], Any]) -> None:
    for field in ("code", "type"):
        got = from_event("acme", wrap({field: word, "message": "SECRET"}))
        assert got.code == code
        assert got.message.endswith(f"(in the stream, {word})")


@pytest.mark.parametrize(
    ("body", "status", "code", "shown"),
    [
        # OpenRouter: the provider behind it, as text.
        (
            {
                "error": {
                    "message": "Provider returned error",
                    "code": 400,
                    "metadata": {
                        "raw": json.dumps({"error": {"message": "SECRET", "code": "context_length_exceeded"}}),
                        "provider_name": "OpenAI",
                    },
                }
            },
            400,
            "context_length",
            "HTTP 400, context_length_exceeded",
        ),
        # LiteLLM: the class, and the answer behind it.
        (
            {"error": {"message": "litellm.ContextWindowExceededError: SECRET", "type": None, "code": "400"}},
            400,
            "context_length",
            "HTTP 400, ContextWindowExceededError",
        ),
        (
            {"error": {"message": 'litellm.RateLimitError: X - {"error": {"code": "SECRET"}}', "code": "500"}},
            500,
            "rate_limit",
            "HTTP 500, RateLimitError",
        ),
        # Cloudflare.
        (
            {"success": False, "errors": [{"code": 5007, "message": "No such model SECRET"}], "result": None},
            400,
            "not_found",
            "HTTP 400, 5007",
        ),
        (
            {"errors": [{"message": "AiError: This model's maximum context length is 8 tokens", "code": 8007}]},
            400,
            "context_length",
            "HTTP 400, 8007",
        ),
        # DashScope.
        (
            {"code": "InvalidApiKey", "message": "no", "request_id": "x"},
            400,
            "authentication",
            "HTTP 400, InvalidApiKey",
        ),
        # xAI: the error's text, and the code beside it.
        (
            {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: SECRET."},
            400,
            "authentication",
            "HTTP 400",
        ),
        # TGI, FastAPI, text, SSE under a status.
        (
            {"error": "`inputs` must have less than 8 tokens", "error_type": "validation"},
            422,
            "context_length",
            "validation",
        ),
        ({"detail": "prompt is too long: SECRET"}, 400, "context_length", "HTTP 400"),
        ({"message": "prompt is too long: SECRET"}, 400, "context_length", "HTTP 400"),
        ("prompt is too long: SECRET", 400, "context_length", "HTTP 400"),
        ('data: {"error": {"code": "invalid_api_key"}}\n\n', 400, "authentication", "HTTP 400, invalid_api_key"),
        ({"error": True, "message": "prompt is too long: SECRET"}, 400, "context_length", "HTTP 400"),
        ({"base_resp": {"status_code": 1039, "status_msg": "SECRET"}}, 400, "context_length", "HTTP 400, 1039"),
    ],
)
def test_bodies(body: Any, status: int, code: str, shown: str) -> None:
    got = from_status("acme", status, {}, body)
    assert got.code == code
    assert f"{shown})" in got.message
    assert "SECRET" not in got.message
    # The same in a stream.
    event = from_event("acme", {"status": status, "error": body})
    assert event.code == code
    assert "SECRET" not in event.message


@pytest.mark.parametrize(
    ("number", "code", "retryable"),
    [
        (1000, "provider_error", True),
        (1002, "rate_limit", True),
        (1004, "authentication", False),
        (1008, "permission", False),
        (1026, "content_filter", False),
        (2013, "bad_request", False),
        ("1039", "context_length", False),
    ],
)
def test_minimax_inside_a_stream(number: object, code: str, retryable: bool) -> None:
    got = from_event("acme", {"base_resp": {"status_code": number, "status_msg": "SECRET"}})
    assert (got.code, got.retryable) == (code, retryable)
    assert got.message.endswith(f"(in the stream, {number})")


@pytest.mark.parametrize("error", [None, "", {}, [], "SECRET", 5, {"error": ""}, {"type": "error"}])
def test_an_error_inside_a_stream_that_says_nothing(error: Any) -> None:
    got = from_event("acme", error)
    assert (got.code, got.retryable) == ("provider_error", True)
    assert got.message == "acme: the provider failed (in the stream)"


def test_what_a_text_quotes_is_shown_only_where_it_is_known() -> None:
    for quoted in ('{"error": {"code": "SECRET"}}', "litellm.SecretError: no", '{"error": {"param": "secret"}}'):
        message = from_status(
            "acme", 400, {}, {"error": {"message": f"You said {quoted}", "type": "bad_thing"}}
        ).message
        assert message == "acme: the provider refused the request (HTTP 400, bad_thing)"


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        (
            400,
            {"error": {"type": "invalid_request_error", "param": "temperature"}},
            "invalid_request_error, temperature",
        ),
        (400, {"error": {"message": "tools.80.custom.input_schema: SECRET"}}, "tools.80.custom.input_schema"),
        (422, {"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "SECRET"}]}, "missing, model"),
        (413, {"error": {"param": "messages"}}, "messages"),
    ],
)
def test_the_refused_parameter_is_named(status: int, body: Any, shown: str) -> None:
    assert from_status("acme", status, {}, body).message.endswith(f"(HTTP {status}, {shown})")
    assert from_event("acme", {**body, "code": "invalid_prompt"}).message.endswith(f"{shown.split(', ')[-1]})")


def test_what_a_gateway_makes_of_nothing_is_not_shown() -> None:
    error = {"message": "x", "type": "None", "param": "None", "code": "429"}
    assert from_event("acme", error).message.endswith("(HTTP 429)")


def test_no_parameter_is_named_where_none_was_refused() -> None:
    error = {"code": "context_length_exceeded", "param": "messages"}
    assert "messages" not in from_status("acme", 400, {}, {"error": error}).message
    assert "messages" not in from_status("acme", 500, {}, {"error": {"param": "messages"}}).message


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [(429, {}, 1.5), (503, {}, 1.5), (429, {"retry-after": "7"}, 7), (400, {}, None), (500, {}, None)],
)
def test_a_wait_in_words(status: int, headers: dict[str, str], seconds: float | None) -> None:
    error = {"error": {"message": "Please try again in 1.5s."}}
    assert from_status("acme", status, headers, error).retry_after == seconds


def test_a_wait_in_words_inside_a_stream() -> None:
    error = {"code": "rate_limit_exceeded", "message": "Rate limit reached. Please try again in 20ms."}
    assert from_event("acme", error).retry_after == pytest.approx(0.02)


@pytest.mark.parametrize("body", [None, "<html>SECRET</html>", [], {"error": "SECRET"}, {"detail": "SECRET"}])
def test_a_body_that_is_no_error(body: object) -> None:
    got = from_status("acme", 500, {}, body)
    assert got.code == "provider_error"
    assert "SECRET" not in got.message


SAID = st.one_of(
    st.sampled_from(
        [
            "SECRET",
            "SECRET words: messages.0: SECRET",
            "messages.0.SECRET: no",
            "tools[0].parameters.properties.SECRET",
            "Invalid value for 'SECRET'",
            "prompt is too long: SECRET",
            '{"error": {"code": "SECRET", "param": "SECRET"}}',
            "litellm.SECRETError: SECRET",
            "try again in 5s, SECRET",
        ]
    ),
    st.none(),
    st.booleans(),
    st.integers(),
)
NAMES = [
    "error",
    "errors",
    "detail",
    "message",
    "msg",
    "metadata",
    "raw",
    "innererror",
    "base_resp",
    "status_msg",
    "loc",
]
NAMES += ["details", "fieldViolations", "field", "description", "retryDelay", "param", "SECRET"]
BODIES = st.recursive(
    SAID,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4), inner.map(json.dumps)
    ),
    max_leaves=12,
)
"""Bodies whose texts hold a secret in any field but a code, which is shown where it looks like one."""


@given(BODIES, st.sampled_from([302, 400, 413, 422, 429, 500, 502, 529]))
def test_no_text_of_a_body_is_shown(body: Any, status: int) -> None:
    assert "SECRET" not in from_status("acme", status, {}, body).message
    assert "SECRET" not in from_event("acme", body).message


@pytest.mark.parametrize("word", ["SECRET words", "x" * 65, "SECRET\n", {"SECRET": 1}, ["SECRET"]])
def test_a_code_that_is_no_word_is_not_shown(word: Any) -> None:
    message = from_status("acme", 400, {}, {"error": {"code": word, "type": "bad_thing"}}).message
    assert "bad_thing" in message
    assert "SECRET" not in message
    assert "xx" not in message


def test_the_provider_may_overrule() -> None:
    assert not from_status("acme", 500, {"x-should-retry": "false"}, None).retryable
    assert from_status("acme", 400, {"x-should-retry": "true"}, None).retryable


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
    assert (got.failure.code, got.failure.retry_after, got.failure.status) == ("rate_limit", 3600, 429)
    assert "rate_limit_error" in got.failure.message


@pytest.mark.parametrize("protocol", ["openai-chat", "openai-responses", "anthropic", "gemini"])
@pytest.mark.parametrize(
    ("body", "status", "code", "shown"),
    [
        (
            {"error": {"message": "This model's maximum prompt length is 8 but the request contains 9 tokens."}},
            400,
            "context_length",
            "(HTTP 400)",
        ),
        (
            [{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}],
            400,
            "authentication",
            "(HTTP 400, INVALID_ARGUMENT)",
        ),
        (
            {"code": "bad_argument", "error": "Incorrect API key provided: SECRET"},
            400,
            "authentication",
            "(HTTP 400, bad_argument)",
        ),
        ({"error": None, "detail": "prompt is too long: SECRET"}, 400, "context_length", "(HTTP 400)"),
        ({"errors": [{"code": 5007, "message": "SECRET"}], "success": False}, 400, "not_found", "(HTTP 400, 5007)"),
        (
            {"error": {"type": "invalid_request_error", "message": "tools.80.custom.input_schema: SECRET"}},
            400,
            "bad_request",
            "(HTTP 400, invalid_request_error, tools.80.custom.input_schema)",
        ),
        (
            {"detail": [{"type": "missing", "loc": ["body", "messages", 0, "content"], "msg": "SECRET"}]},
            422,
            "bad_request",
            "(HTTP 422, missing, messages.0.content)",
        ),
        ({"error": {"message": "SECRET"}}, 424, "provider_error", "(HTTP 424)"),
        ("SECRET: prompt is too long", 413, "context_length", "(HTTP 413)"),
    ],
)
async def test_bodies_come_through_every_protocol(
    protocol: Protocol,
    body: Any,
    status: int,
    code: str,
    shown: str,
    upstream: Upstream,
    adapter: Callable[[Protocol, str], Provider],
    ask: Callable[..., GenerationRequest],
) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    upstream.reply = Reply([content.encode()], status=status, headers={"content-type": "application/json"})
    got = await outcome(adapter(protocol, upstream.url), ask())
    assert got.failure.code == code
    assert shown in got.failure.message
    assert "SECRET" not in got.failure.message
    assert got.failure.retryable is (code == "provider_error")


@pytest.mark.parametrize(
    ("error", "status"),
    [({"code": 503, "message": "x"}, 503), ({"code": "overloaded_error"}, None), ({"code": 299}, None), ("x", None)],
)
def test_the_status_that_an_error_inside_a_stream_names(error: Any, status: int | None) -> None:
    assert from_event("acme", error).status == status
