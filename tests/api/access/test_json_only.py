"""A body is JSON as it is, and said to be: what a page of another site can send without a question is refused."""

from __future__ import annotations

import pytest

from tests.api.harness import Api, MakeApi


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Type": "application/json"}, None),
        ({"Content-Type": "Application/JSON; charset=latin-1"}, None),
        ({"Content-Type": "application/json", "Content-Encoding": "identity"}, None),
        ({}, "unsupported_media_type"),
        ({"Content-Type": "text/plain"}, "unsupported_media_type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "unsupported_media_type"),
        ({"Content-Type": "application/jsonp"}, "unsupported_media_type"),
        ({"Content-Type": "text/plain, application/json"}, "unsupported_media_type"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, "unsupported_encoding"),
        ({"Content-Type": "application/json", "Content-Encoding": "identity, br"}, "unsupported_encoding"),
    ],
)
async def test_a_body_is_json_as_it_is(api: Api, headers: dict[str, str], code: str | None) -> None:
    generation_id = await api.post()
    body = b'{"model": "simulator/lorem", "messages": [{"role": "user", "content": "Go."}]}'
    answers = [
        await api.client.post("/v1/generations", content=body, headers=headers),
        await api.client.post(f"/v1/generations/{generation_id}/cancel", content=b"{}", headers=headers),
    ]
    for answer in answers:
        if code is None:
            assert answer.status_code == 202 or answer.json()["state"] == "cancelled"
        else:
            assert (answer.status_code, answer.json()["code"]) == (415, code)
            assert answer.headers.get("accept-encoding") == ("identity" if code == "unsupported_encoding" else None)


async def test_who_may_not_ask_is_told_that_first(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys="me:0123456789abcdef")
    assert (await api.client.post("/v1/generations", content=b"x")).status_code == 401


async def test_a_request_without_a_body_says_no_kind(seasoned: Api) -> None:
    api = seasoned
    generation_id = await api.post()
    assert (await api.client.post(f"/v1/generations/{generation_id}/cancel")).json()["state"] == "cancelled"
    assert (await api.client.delete(f"/v1/generations/{generation_id}")).status_code == 204
