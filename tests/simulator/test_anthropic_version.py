"""What the two versions of Anthropic's API refuse, as the service does."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

BODY: dict[str, Any] = {"model": "lorem?deltas=2&rate=0", "max_tokens": 9}
HELLO = {"role": "user", "content": "Hello"}
CITED = {"type": "text", "text": "x", "citations": [{"type": "char_location"}]}
NEW_REFUSES: list[dict[str, Any]] = [
    {"temperature": 1.0},
    {"temperature": None},
    {"top_p": 0.5},
    {"top_k": 4},
    {"messages": [HELLO, {"role": "assistant", "content": [{"type": "document"}]}, HELLO]},
    {"messages": [{"role": "user", "content": [CITED]}]},
    {"messages": [{"role": "user", "content": [{"type": "search_result", "content": [CITED]}]}]},
]
BOTH_TAKE: list[dict[str, Any]] = [
    {},
    {"messages": [{"role": "user", "content": [{"type": "document"}]}]},
    {"messages": [HELLO, {"role": "assistant", "content": [CITED]}, HELLO]},
    {"messages": [{"role": "user", "content": [CITED | {"citations": []}]}]},
]


async def asked(http: httpx2.AsyncClient, version: str | None, **fields: Any) -> httpx2.Response:
    headers = {} if version is None else {"anthropic-version": version}
    http.headers.pop("anthropic-version", None)
    return await http.post("/v1/messages", json={**BODY, "messages": [HELLO], **fields}, headers=headers)


@pytest.mark.parametrize("fields", NEW_REFUSES)
async def test_the_new_version_refuses_what_the_old_one_takes(http: httpx2.AsyncClient, fields: dict[str, Any]) -> None:
    assert (await asked(http, "2023-06-01", **fields)).status_code == 200
    answer = await asked(http, "2026-10-21", **fields)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    if len(fields) == 1 and "messages" not in fields:
        assert answer.json()["error"]["message"] == f"{next(iter(fields))}: Extra inputs are not permitted"


@pytest.mark.parametrize("fields", BOTH_TAKE)
async def test_what_both_take(http: httpx2.AsyncClient, fields: dict[str, Any]) -> None:
    for version in ("2023-06-01", "2026-10-21"):
        assert (await asked(http, version, **fields)).status_code == 200


@pytest.mark.parametrize("version", [None, "", "2024-01-01", "latest"])
async def test_no_version_or_none_that_there_is(http: httpx2.AsyncClient, version: str | None) -> None:
    answer = await asked(http, version)
    assert (answer.status_code, answer.json()["type"]) == (400, "error")
    assert "anthropic-version" in answer.json()["error"]["message"]
