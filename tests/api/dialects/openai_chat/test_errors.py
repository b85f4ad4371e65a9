"""OpenAI's SDK raises its right class for each of our errors, with the remedy in its message."""

from __future__ import annotations

import httpx2
import openai
import pytest

from api.dialects.openai_chat import errors
from api.problems.problem import FieldError, ProblemError, not_found, storage_full, unprocessable
from shared.log.events import Failed

UNAUTHORIZED = ProblemError(401, "unauthorized", "No valid API key", "Send one.")


@pytest.mark.parametrize(
    ("problem", "raised", "kind", "code"),
    [
        (UNAUTHORIZED, openai.AuthenticationError, "authentication_error", "invalid_api_key"),
        (ProblemError(403, "cross_site", "t", "d"), openai.PermissionDeniedError, "permission_error", "cross_site"),
        (not_found(), openai.NotFoundError, "invalid_request_error", "not_found"),
        (
            ProblemError(404, "unknown_model", "t", "d"),
            openai.NotFoundError,
            "invalid_request_error",
            "model_not_found",
        ),
        (unprocessable([]), openai.BadRequestError, "invalid_request_error", "invalid_request"),
        (ProblemError(429, "queue_full", "t", "d"), openai.RateLimitError, "rate_limit_error", "queue_full"),
        (storage_full(), openai.InternalServerError, "server_error", "storage_full"),
        (ProblemError(500, "internal_error", "t", "d"), openai.InternalServerError, "server_error", "internal_error"),
    ],
)
async def test_the_sdk_raises_its_class(problem: ProblemError, raised: type, kind: str, code: str) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(errors.status(problem), json=errors.body(problem))

    client = openai.AsyncOpenAI(
        api_key="k",
        base_url="http://localhost/v1",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=httpx2.MockTransport(answer)),
    )
    with pytest.raises(raised) as error:
        await client.chat.completions.create(model="gpt-5", messages=[])
    assert isinstance(error.value, openai.APIStatusError)
    assert (error.value.type, error.value.code) == (kind, code)
    assert problem.detail in error.value.message


def test_the_remedy_of_each_field_is_in_the_message() -> None:
    wrong = [
        FieldError(pointer="/messages/0/content/12/text", message="is required; add it"),
        FieldError(pointer="/metadata/a~1b", message="must be text."),
        FieldError(pointer="", message="is nested too deep"),
    ]
    told = errors.body(unprocessable(wrong))["error"]
    assert told["param"] == "messages[0].content[12].text"
    assert told["message"].endswith(
        "messages[0].content[12].text is required; add it. metadata.a/b must be text. The body is nested too deep."
    )
    assert errors.body(unprocessable(wrong[2:]))["error"]["param"] is None


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("rate_limit", 429, "rate_limit_error"),
        ("bad_request", 400, "invalid_request_error"),
        ("context_length", 400, "invalid_request_error"),
        ("overloaded", 503, "server_error"),
        ("authentication", 502, "server_error"),
        ("permission", 502, "server_error"),
        ("not_found", 404, "invalid_request_error"),
        ("incomplete_stream", 502, "server_error"),
        ("provider_timeout", 504, "server_error"),
        ("deadline_exceeded", 504, "server_error"),
        ("worker_lost", 500, "server_error"),
        ("internal_error", 500, "server_error"),
    ],
)
def test_a_generation_that_failed(code: str, status: int, kind: str) -> None:
    failed = Failed(code=code, message="acme: m", retryable=False)
    assert errors.status_of(failed) == status
    told = errors.in_stream(failed)["error"]
    assert (told["type"], told["message"], told["param"]) == (kind, "acme: m", None)


def test_openais_words_for_codes_that_programs_compare() -> None:
    codes = [
        errors.in_stream(Failed(code=code, message="", retryable=False))["error"]["code"]
        for code in ("context_length", "rate_limit", "worker_lost")
    ]
    assert codes == ["context_length_exceeded", "rate_limit_exceeded", "worker_lost"]
