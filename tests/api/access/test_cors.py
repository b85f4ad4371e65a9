"""CORS: pages of the listed origins may use the server; of others nothing is said."""

from __future__ import annotations

import pytest

from tests.api.harness import BODY, Api, MakeApi, Producer

ORIGIN = "https://app.example.com"
KEYS = {"api_keys": "ann:ann-0123456789abcdef"}
ANN = {"Authorization": "Bearer ann-0123456789abcdef"}
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-stainless-os"}


@pytest.fixture
async def listing(make_api: MakeApi, redis_url: str) -> Api:
    return await make_api(redis_url, cors_origins=f"{ORIGIN}, http://localhost:5173", **KEYS)


def told(headers: object) -> set[str]:
    return {name for name in headers if name.startswith("access-control-")}  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/v1/generations", "/v1/messages", "/v1/session", "/s/x", "/nowhere"])
async def test_a_preflight_of_a_listed_origin_is_answered_without_a_key(listing: Api, path: str) -> None:
    for origin in (ORIGIN, "http://localhost:5173"):
        answer = await listing.client.options(path, headers={"Origin": origin} | PREFLIGHT)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert {"POST", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
        assert answer.headers["access-control-allow-headers"] == "authorization,x-stainless-os"
        assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://app.example.com", f"{ORIGIN}:8443", f"{ORIGIN}.evil.example", "null"]
)
async def test_to_another_origin_nothing_is_said(listing: Api, origin: str) -> None:
    preflight = await listing.client.options("/v1/generations", headers={"Origin": origin} | PREFLIGHT)
    asked = await listing.client.get("/v1/generations", headers={"Origin": origin} | ANN)
    assert (preflight.status_code, asked.status_code) == (405, 200)
    for answer in (preflight, asked):
        assert told(answer.headers) == set()
        assert answer.headers["vary"] == "Origin"


async def test_without_listed_origins_nothing_is_said_to_anybody(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url)
    answer = await api.client.get("/v1/generations", headers={"Origin": f"http://127.0.0.1:{api.port}"})
    assert told(answer.headers) == set()
    assert "vary" not in answer.headers


async def test_errors_can_be_read_too(make_api: MakeApi, redis_url: str, listing: Api) -> None:
    open_api = await make_api(redis_url, cors_origins=ORIGIN)
    page = {"Origin": ORIGIN}
    for answer, status in (
        (await listing.client.get("/v1/generations", headers=page), 401),
        (await listing.client.post("/v1/messages", headers=page | ANN, content=b"{"), 415),
        (await listing.client.get("/v1/nothing", headers=page), 404),
        (await listing.client.put("/v1/generations", headers=page), 405),
        (await open_api.client.get("/v1/generations", headers=page | {"Host": "rebound.example"}), 421),
    ):
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "Retry-After" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("transport", ["direct", "asgi"])
async def test_streams_can_be_read_too(make_api: MakeApi, redis_url: str, transport: str) -> None:
    api = await make_api(redis_url, cors_origins=ORIGIN, transport=transport)
    producer = await Producer.start(api.log, await api.post())
    await producer.say("Hi.")
    async with api.view(producer.generation_id, Origin=ORIGIN) as viewing:
        assert viewing.response.headers["access-control-allow-origin"] == ORIGIN
        assert viewing.response.headers["access-control-allow-credentials"] == "true"
        assert (await viewing.next()).event == "attempt"


@pytest.mark.parametrize("site", [{}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_pages_of_listed_origins_are_never_foreign(
    make_api: MakeApi, redis_url: str, site: dict[str, str]
) -> None:
    api = await make_api(redis_url, cors_origins=ORIGIN)
    statuses = [
        (await api.client.post("/v1/generations", json=BODY, headers=site | {"Origin": origin})).status_code
        for origin in (ORIGIN, "https://evil.example")
    ]
    assert statuses == [202, 403]


async def test_a_request_of_two_origins_is_foreign(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, cors_origins=ORIGIN)
    headers = [("Origin", ORIGIN), ("Origin", "https://evil.example")]
    assert (await api.client.post("/v1/generations", json=BODY, headers=headers)).status_code == 403
