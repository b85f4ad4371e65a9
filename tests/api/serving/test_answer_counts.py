"""Each answer is told once, by its route's template."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.observer import Observer
from api.serving.answer_counts import AnswerCounts


class Told(Observer):
    """Notes answers."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str, int]] = []

    def answered(self, route: str, method: str, status: int) -> None:
        self.answers.append((route, method, status))


class Route:
    path = "/v1/generations/{id}"


@pytest.mark.parametrize(
    ("method", "route", "expected"),
    [("GET", Route(), ("/v1/generations/{id}", "GET", 207)), ("BREW", None, ("other", "other", 207))],
)
async def test_an_answer_counts_as_it_begins(method: str, route: object, expected: tuple[str, str, int]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if route is not None:
            scope["route"] = route  # as a router does, once it has found it
        await send({"type": "http.response.start", "status": 207, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    told, sent = Told(), list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": method, "path": "/v1/generations/gen_x"}
    await AnswerCounts(app, told)(scope, None, send)  # type: ignore[arg-type]
    assert told.answers == [expected]
    assert len(sent) == 2


async def test_a_lifespan_is_no_answer() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await AnswerCounts(app, Told())({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]
