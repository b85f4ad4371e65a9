"""Errors as RFC 9457 has them: what each says, what none may say, and what becomes of an error that nobody foresaw."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Query
from redis.exceptions import ConnectionError, NoPermissionError, OutOfMemoryError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from api.problems import problem
from api.problems.problem import FieldError, ProblemError, documented, install, not_ready, unavailable, unprocessable
from tests.api.harness import Api


def told(error: ProblemError) -> dict[str, Any]:
    """The answer's JSON."""
    response = error.response()
    assert response.status_code == error.status
    value: dict[str, Any] = httpx2.Response(200, content=bytes(response.body)).json()
    return value


@pytest.mark.parametrize(
    ("error", "status", "code", "retryable"),
    [
        (problem.not_found(), 404, "not_found", False),
        (problem.gone(), 410, "gone", False),
        (problem.unreadable(), 410, "unreadable", False),
        (problem.unavailable(), 503, "unavailable", True),
        (problem.storage_full(), 503, "storage_full", True),
        (problem.draining(), 503, "draining", True),
        (problem.too_few_workers(1), 503, "too_few_workers", True),
        (problem.not_on_disk(), 503, "not_on_disk", True),
        (problem.unprocessable([]), 422, "invalid_request", False),
    ],
)
def test_each_has_its_status_and_says_when_to_come_again(
    error: ProblemError, status: int, code: str, retryable: bool
) -> None:
    response = error.response()
    body = told(error)
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:midstream:problem:{code}")
    assert body["title"]
    assert body["detail"].endswith(".")
    assert "errors" not in body
    assert error.retryable is retryable
    assert ("retry-after" in response.headers) is retryable
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"


def test_what_is_wrong_is_named_by_place() -> None:
    errors = [FieldError(pointer="/a", message="must be text"), FieldError(pointer="/b", message="is required")]
    assert told(unprocessable(errors, "too_deep"))["errors"] == [error.model_dump() for error in errors]


@pytest.mark.parametrize(("alive", "words"), [(0, "0 workers are"), (1, "1 worker is"), (2, "2 workers are")])
def test_workers_are_counted_in_words(alive: int, words: str) -> None:
    assert problem.too_few_workers(alive).detail.startswith(f"{words} alive.")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (None, "Redis does not answer."),
        (ConnectionError("Error 111 connecting to secret.host:6379."), "Redis does not answer."),
        (ResponseError("BUSY Redis is busy running a script."), "(BUSY Redis is busy running a script)."),
        # Redis names the user and the key.
        (NoPermissionError("User secret has no permissions to access a key"), "(NOPERM)."),
    ],
)
def test_storage_that_is_away_is_told_in_redis_words_but_for_what_it_says_of_users(
    error: Exception | None, words: str
) -> None:
    detail = unavailable(error).detail
    assert words in detail
    assert "secret" not in detail


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OutOfMemoryError("command not allowed"), "storage_full", "refuses: OOM command not allowed"),
        (TimeoutError(), "unavailable", "does not answer"),
        (RedisTimeoutError("Timeout reading from secret"), "unavailable", "does not answer"),
        (OSError("secret"), "unavailable", "cannot be reached"),
        (NoPermissionError("User secret"), "unavailable", "refuses: NOPERM"),
        (
            ConnectionError("max number of clients reached"),
            "unavailable",
            "refuses: max number of clients reached: raise its `maxclients`, or lower MIDSTREAM_REDIS_CONNECTIONS",
        ),
    ],
)
def test_each_redis_that_takes_no_write_is_named_with_its_reason(error: Exception, code: str, message: str) -> None:
    found = not_ready({"MIDSTREAM_QUEUE_URL": error})
    assert found.code == code
    assert [(one.pointer, one.message) for one in found.errors] == [("MIDSTREAM_QUEUE_URL", message)]
    assert found.detail == f"The queue's Redis (MIDSTREAM_QUEUE_URL) {message}."
    assert "secret" not in found.detail


def test_of_two_one_that_is_full_gives_the_code() -> None:
    found = not_ready({"MIDSTREAM_REDIS_URL": OSError(), "MIDSTREAM_QUEUE_URL": OutOfMemoryError("x")})
    assert (found.code, len(found.errors)) == ("storage_full", 2)


async def ask(app: FastAPI, method: str, path: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path)


async def test_a_method_that_an_address_lacks_is_told_those_of_all_its_routes() -> None:
    app = FastAPI()
    install(app)
    app.add_api_route("/x", lambda: 1, methods=["GET"])
    app.add_api_route("/x", lambda: 1, methods=["DELETE"])
    answer = await ask(app, "PUT", "/x")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, DELETE"


async def test_a_parameter_that_is_wrong_is_named() -> None:
    app = FastAPI()
    install(app)

    @app.get("/x")
    async def x(limit: int, of: Annotated[list[int], Query()]) -> int:
        return limit + len(of)

    answer = await ask(app, "GET", "/x?limit=many&of=1&of=many")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["limit", "of"]
    assert "many" not in answer.text


@pytest.mark.parametrize(
    ("error", "code"), [(OutOfMemoryError("no room"), "storage_full"), (ConnectionError("gone"), "unavailable")]
)
async def test_what_redis_raises_is_503(error: Exception, code: str) -> None:
    app = FastAPI()
    install(app)

    @app.get("/x")
    async def x() -> None:
        raise error

    answer = await ask(app, "GET", "/x")
    assert (answer.status_code, answer.json()["code"]) == (503, code)


async def test_an_error_that_nobody_foresaw_is_500_and_named_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()
    install(app)

    @app.get("/x")
    async def x() -> None:
        raise LookupError("a prompt")

    answer = await ask(app, "GET", "/x")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    (line,) = [record for record in caplog.records if record.name == "midstream.api"]
    assert line.levelno == logging.ERROR
    assert line.getMessage().startswith("GET /x failed: LookupError at x:")
    assert "a prompt" not in answer.text + caplog.text


async def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    sent: list[Any] = []

    async def begins(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/x"}
    await problem.ProblemGuard(begins)(scope, None, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_a_documented_status_has_a_description_and_the_schema() -> None:
    found = documented(404, 503)
    assert found.keys() == {404, 503}
    for answer in found.values():
        assert answer["description"]
        assert answer["content"].keys() == {"application/problem+json"}
    with pytest.raises(KeyError):
        documented(418)


async def test_unknown_route_and_method(api: Api) -> None:
    for method, path, status, code in (
        ("GET", "/v2/x", 404, "no_such_route"),
        # Pages that would load their scripts from elsewhere.
        ("GET", "/docs", 404, "no_such_route"),
        ("GET", "/redoc", 404, "no_such_route"),
        ("PUT", "/v1/generations", 405, "method_not_allowed"),
    ):
        response = await api.client.request(method, path)
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["allow"]
