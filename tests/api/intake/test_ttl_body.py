"""A body that may say how long something lasts."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Request

from api.intake.small_body import MAX_BYTES
from api.intake.ttl_body import read_ttl
from api.problems.problem import ProblemError
from shared.config.settings import load

MOST = 1_000.0


async def read(body: bytes) -> float | None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return await read_ttl(Request({"type": "http", "headers": []}, receive), load(), MOST)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [(b"", None), (b"{}", None), (b'{"ttl": null}', None), (b'{"ttl": 2.5}', 2.5), (b'{"ttl":1e3}', 1e3)],
)  # fmt: skip
async def test_what_it_says(body: bytes, seconds: float | None) -> None:
    assert await read(body) == seconds


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"{", 400, None), (b"\xff", 400, None), (b"ttl=5", 400, None), (b'{"ttl": NaN}', 400, None),
        (b"[]", 422, ""), (b"5", 422, ""), (b"null", 422, ""),
        (b'{"ttl": 0}', 422, "/ttl"), (b'{"ttl": -1}', 422, "/ttl"), (b'{"ttl": 1001}', 422, "/ttl"),
        (b'{"ttl": "5"}', 422, "/ttl"),
        (b'{"ttl": true}', 422, "/ttl"), (b'{"ttl": [5]}', 422, "/ttl"), (b'{"ttl": 1e400}', 422, "/ttl"),
        (b'{"TTL": 5}', 422, "/TTL"), (b'{"ttl": 5, "a/b": 1}', 422, "/a~1b"), (b"[" * 200, 422, ""),
        (b" " * (MAX_BYTES + 1), 413, None),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_it_is_said(body: bytes, status: int, pointer: str | None) -> None:
    with pytest.raises(ProblemError) as caught:
        await read(body)
    assert caught.value.status == status
    assert [error.pointer for error in caught.value.errors] == ([] if pointer is None else [pointer])
