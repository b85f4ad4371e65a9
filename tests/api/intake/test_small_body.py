"""A small body with the fields that a route knows."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Request

from api.intake.small_body import MAX_BYTES, read_fields
from api.problems.problem import ProblemError
from shared.config.settings import load


async def read(body: bytes) -> dict[str, Any] | None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return await read_fields(Request({"type": "http", "headers": []}, receive), load(), {"a", "b"}, '{"a": 1}')


async def test_what_it_holds() -> None:
    assert await read(b"") is None
    assert await read(b"{}") == {}
    assert await read(b'{"a": [1], "b": null}') == {"a": [1], "b": None}


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"{", 400, None), (b'{"a": NaN}', 400, None), (b"[]", 422, ""), (b'{"c": 1}', 422, "/c"),
        (b"[" * 200, 422, ""), (b" " * (MAX_BYTES + 1), 413, None),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_it(body: bytes, status: int, pointer: str | None) -> None:
    with pytest.raises(ProblemError) as caught:
        await read(body)
    assert caught.value.status == status
    assert [error.pointer for error in caught.value.errors] == ([] if pointer is None else [pointer])
