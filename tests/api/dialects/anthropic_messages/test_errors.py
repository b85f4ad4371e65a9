"""Errors, and the classes that Anthropic's SDK raises for them."""

from __future__ import annotations

import anthropic
import httpx2
import pytest

from api.dialects.anthropic_messages import errors
from api.problems.problem import FieldError, ProblemError, draining, not_found, unprocessable
from shared.log.events import Cancelled, Failed

NAMED = unprocessable([FieldError(pointer="/messages/1/content/0/te~1xt", message="is required; add it")])


def problem(status: int, code: str = "c") -> ProblemError:
    return ProblemError(status, code, "Title", "Detail.")


def test_the_envelope() -> None:
    assert errors.body(not_found(), "req_1") == {
        "type": "error",
        "error": {
            "type": "not_found_error",
            "message": "No such generation. There is no generation with this id. Check the id and the API key.",
            "details": {"error_code": "not_found"},
        },
        "request_id": "req_1",
    }
    assert "request_id" not in errors.body(not_found())


def test_fields_are_named_as_anthropic_names_them() -> None:
    assert errors.body(NAMED)["error"]["message"] == "messages.1.content.0.te/xt: is required; add it"
    both = unprocessable([FieldError(pointer="/model", message="a"), FieldError(pointer="", message="b")])
    assert errors.body(both)["error"]["message"] == "model: a; b"


@pytest.mark.parametrize(
    ("given", "status", "kind", "raised"),
    [
        (problem(400), 400, "invalid_request_error", anthropic.BadRequestError),
        (problem(401), 401, "authentication_error", anthropic.AuthenticationError),
        (problem(403), 403, "permission_error", anthropic.PermissionDeniedError),
        (problem(404), 404, "not_found_error", anthropic.NotFoundError),
        (problem(410), 410, "not_found_error", anthropic.APIStatusError),
        (problem(413), 413, "request_too_large", anthropic.APIStatusError),
        (problem(415), 415, "invalid_request_error", anthropic.APIStatusError),
        (problem(422), 400, "invalid_request_error", anthropic.BadRequestError),
        (problem(422, "unknown_model"), 404, "not_found_error", anthropic.NotFoundError),
        (problem(429), 429, "rate_limit_error", anthropic.RateLimitError),
        (problem(500), 500, "api_error", anthropic.InternalServerError),
        (draining(), 503, "api_error", anthropic.InternalServerError),
    ],
)
def test_each_status_raises_its_class(given: ProblemError, status: int, kind: str, raised: type[Exception]) -> None:
    assert errors.status(given) == status
    answered = httpx2.Response(status, json=errors.body(given))
    http = httpx2.Client(transport=httpx2.MockTransport(lambda request: answered))
    client = anthropic.Anthropic(api_key="k", base_url="http://messages.invalid", http_client=http, max_retries=0)
    with pytest.raises(raised) as caught:
        client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "Go."}])
    assert isinstance(caught.value, anthropic.APIStatusError)
    assert (caught.value.status_code, caught.value.type, caught.value.error_code) == (status, kind, given.code)
    client.close()


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("rate_limit", 429, "rate_limit_error"),
        ("overloaded", 529, "overloaded_error"),
        ("bad_request", 400, "invalid_request_error"),
        ("context_length", 400, "invalid_request_error"),
        ("content_filter", 400, "invalid_request_error"),
        ("authentication", 502, "api_error"),
        ("permission", 502, "api_error"),
        ("not_found", 404, "not_found_error"),
        ("connection", 502, "api_error"),
        ("provider_timeout", 504, "timeout_error"),
        ("deadline_exceeded", 504, "timeout_error"),
        ("worker_lost", 500, "api_error"),
        ("internal_error", 500, "api_error"),
        ("storage_full", 503, "api_error"),
        ("unheard_of", 502, "api_error"),
    ],
)
def test_a_failed_generation(code: str, status: int, kind: str) -> None:
    failed = Failed(code=code, message="It failed.", retryable=False)
    assert errors.status_of(failed) == status
    assert errors.in_stream(failed) == {
        "type": "error",
        "error": {"type": kind, "message": "It failed.", "details": {"error_code": code}},
    }


def test_a_cancelled_generation() -> None:
    assert errors.status_of(Cancelled()) == 409
    assert errors.in_stream(Cancelled())["error"]["message"] == "The generation was cancelled."
