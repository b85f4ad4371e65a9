"""Errors inside an answer, in every shape that was seen; and answers that look like one."""

from __future__ import annotations

from typing import Any

import pytest

from worker.providers.error_shapes import failure_in, failure_of, is_error


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"error": {"message": "TEXT", "type": "rate_limit_error"}}, "rate_limit"),
        ({"error": {"message": "TEXT", "code": "invalid_api_key"}}, "authentication"),
        ({"error": "TEXT"}, "provider_error"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "TEXT"}}, "overloaded"),
        ({"type": "error", "code": "rate_limit_exceeded", "message": "TEXT", "param": None}, "rate_limit"),
        ({"object": "error", "message": "TEXT", "type": "BadRequestError", "code": 400}, "bad_request"),
        ({"code": 429, "message": "TEXT"}, "rate_limit"),
        ({"code": "500", "msg": "TEXT", "success": False}, "provider_error"),
        ({"message": "TEXT"}, "provider_error"),
        ({"error": "TEXT", "status": 429}, "rate_limit"),
        ({"error": {"message": "TEXT"}, "code": "503"}, "overloaded"),
        ({"errors": [{"message": "TEXT", "code": 401}], "success": False, "result": {}}, "authentication"),
        ({"detail": "TEXT"}, "provider_error"),
        ({"status": 401, "message": "TEXT"}, "authentication"),
        ({"type": "overloaded_error", "message": "TEXT"}, "overloaded"),
        ([{"error": {"code": 503, "message": "TEXT", "status": "UNAVAILABLE"}}], "overloaded"),
        ({"id": "x", "choices": None, "base_resp": {"status_code": 1004, "status_msg": "TEXT"}}, "authentication"),
        ({"base_resp": {"status_code": "1002", "status_msg": "TEXT"}}, "rate_limit"),
        ({"base_resp": {"status_code": 1013}}, "provider_error"),
        ({"throttlingException": {"message": "TEXT"}}, "rate_limit"),
        ({"internalServerException": {"message": "TEXT"}, "p": "abc"}, "provider_error"),
        ({"__type": "ThrottlingException", "message": "TEXT"}, "rate_limit"),
        ({"errorMessage": "TEXT", "errorType": "Runtime.ExitError"}, "provider_error"),
        ({"error_message": "TEXT", "error_type": "validation"}, "provider_error"),
        ({"fault": {"faultstring": "TEXT", "detail": {"errorcode": "policies.ratelimit.X"}}}, "provider_error"),
        ({"type": "about:blank", "title": "TEXT", "status": 429, "detail": "TEXT"}, "rate_limit"),
        ({"response": {"error": {"code": 429, "message": "TEXT"}}, "traceId": "t"}, "rate_limit"),
        ({"msg": "TEXT", "code": 1301, "data": None}, "provider_error"),
        ({"err": "TEXT"}, "provider_error"),
    ],
)
def test_what_is_an_error(value: Any, code: str) -> None:
    failure = failure_in("acme", value)
    assert failure is not None
    assert failure.code == code
    assert not failure.over
    assert "TEXT" not in str(failure)


@pytest.mark.parametrize(
    "value",
    [
        {}, [], None, "x", 5, [5],
        {"error": None}, {"error": ""}, {"error": {}}, {"error": False}, {"error": {"code": None, "message": ""}},
        {"type": "ping"}, {"type": "response.mood", "message": {"role": "assistant"}},
        {"id": "x", "object": "chat.completion.chunk", "usage": {}}, {"message": {"content": "hello"}},
        {"status": "processing", "message": "TEXT"}, {"code": 0, "msg": "TEXT"},
        {"type": "x.warning", "message": "TEXT"},
        {"error_type": None, "text": "x"}, {"response": {"error": None, "status": "in_progress"}},
        {"base_resp": {"status_code": 0, "status_msg": ""}}, {"citations": ["a"], "message": "hello"},
    ],
)  # fmt: skip
def test_what_is_no_error(value: Any) -> None:
    assert failure_in("acme", value) is None


def test_an_event_among_an_answers_is_its_end() -> None:
    failure = failure_in("acme", {"type": "error", "sequence_number": 3, "message": "TEXT"})
    assert failure is not None
    assert failure.over


@pytest.mark.parametrize("value", [None, "TEXT", {}, [], {"x": 1}, {"delta": "TEXT"}])
def test_an_event_that_is_named_so_is_an_error_whatever_is_in_it(value: Any) -> None:
    failure = failure_of("acme", value)
    assert (failure.code, failure.retryable) == ("provider_error", True)
    assert "TEXT" not in str(failure)


def test_empty_errors_say_nothing() -> None:
    empty: tuple[Any, ...] = (None, "", 0, False, {}, [], {"message": None, "code": ""})
    assert not any(is_error(value) for value in empty)
    assert is_error("x")
    assert is_error({"message": "x"})
