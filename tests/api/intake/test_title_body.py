"""A body that holds a title."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Request

from api.intake.title_body import read_title
from api.problems.problem import ProblemError
from shared.config.settings import load


async def read(body: bytes) -> str:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return await read_title(Request({"type": "http", "headers": []}, receive), load())


async def test_a_title() -> None:
    assert await read('{"title": "Drei Tage in Köln ☕"}'.encode()) == "Drei Tage in Köln ☕"
    assert await read(b'{"title": "%s"}' % (b"x" * 200)) == "x" * 200


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"title": ""}', b'{"title": "a\\tb"}', b'{"title": "%s"}' % (b"x" * 201)]
)
async def test_what_is_none(body: bytes) -> None:
    with pytest.raises(ProblemError) as caught:
        await read(body)
    assert [error.pointer for error in caught.value.errors] == ["/title"]
