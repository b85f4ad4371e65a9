"""Errors as OpenAI's SDK takes them."""

from __future__ import annotations

from typing import get_args

import httpx2
import openai
import pytest
from openai.types.responses import ResponseError

from api.dialects.openai_responses.errors import body, body_of_failure, in_stream, path, status, status_of
from api.problems.problem import FieldError, ProblemError, unprocessable
from shared.log.events import Failed

CODES = (
    "authentication", "permission", "not_found", "bad_request", "context_length", "content_filter", "rate_limit",
    "overloaded", "provider_error", "provider_timeout", "connection", "invalid_response", "incomplete_stream",
    "deadline_exceeded", "too_long", "storage_full", "worker_lost", "worker_exhausted", "unknown_provider",
    "internal_error",
)  # fmt: skip


def failed(code: str) -> Failed:
    return Failed(code=code, message="Why.", retryable=False)


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (unprocessable([FieldError(pointer="/input/0", message="is wrong")]), openai.BadRequestError),
        (ProblemError(401, "unauthorized", "No", "No key."), openai.AuthenticationError),
        (ProblemError(404, "not_found", "No", "No such."), openai.NotFoundError),
        (ProblemError(409, "conflict", "No", "Was deleted."), openai.ConflictError),
        (ProblemError(429, "queue_full", "No", "Later."), openai.RateLimitError),
        (ProblemError(503, "unavailable", "No", "Later."), openai.InternalServerError),
    ],
)
def test_each_problem_raises_its_class(problem: ProblemError, kind: type[openai.APIStatusError]) -> None:
    client = openai.OpenAI(api_key="k", base_url="http://localhost")
    request = httpx2.Request("POST", "http://localhost")
    response = httpx2.Response(status(problem), json=body(problem), request=request)
    error = client._make_status_error_from_response(response)
    assert type(error) is kind
    assert error.message


def test_the_first_field_that_is_wrong_is_named() -> None:
    problem = unprocessable(
        [FieldError(pointer="/input/2/content/0", message="is wrong"), FieldError(pointer="/tools", message="are many")]
    )
    assert body(problem) == {
        "error": {
            "message": "input[2].content[0] is wrong. tools are many.",
            "type": "invalid_request_error",
            "param": "input[2].content[0]",
            "code": "invalid_request",
        }
    }


def test_codes_that_openai_has_another_word_for() -> None:
    assert body(ProblemError(401, "unauthorized", "", "No key."))["error"]["code"] == "invalid_api_key"
    assert body(unprocessable([], "unknown_model"))["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("code", CODES)
def test_a_failure_never_says_that_the_callers_key_is_wrong(code: str) -> None:
    assert status_of(failed(code)) in (400, 404, 429, 500, 502, 503, 504)
    known = get_args(ResponseError.model_fields["code"].annotation)
    assert in_stream(failed(code))["code"] in known
    ResponseError.model_validate(in_stream(failed(code)))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("authentication", 502), ("permission", 502), ("rate_limit", 429), ("context_length", 400), ("overloaded", 503),
        ("deadline_exceeded", 504), ("internal_error", 500), ("connection", 502),
    ],
)  # fmt: skip
def test_statuses_of_failures(code: str, expected: int) -> None:
    assert status_of(failed(code)) == expected
    assert body_of_failure(failed(code))["error"]["code"] == code


@pytest.mark.parametrize(
    ("pointer", "said"),
    [("/input/2/content/0", "input[2].content[0]"), ("/a~1b/c~0d", "a/b.c~d"), ("", ""), ("limit", "limit")],
)
def test_paths(pointer: str, said: str) -> None:
    assert path(pointer) == said
