"""What an owner has used, over HTTP."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from api.access.caller import Scope
from api.routes import usage
from shared.access.key_store import KeyStore
from shared.log.events import Cost, Spent, Usage
from shared.usage import Ended, Totals
from tests.api.harness import Api, MakeApi


def ended(identity: str, day: date, *, owner: str = "local", model: str = "p/m", **more: Any) -> Ended:
    at = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)
    spent = [Spent(model, Usage(input_tokens=10, output_tokens=4, cached_tokens=3), Cost("0.0000000015"))]
    fields: dict[str, Any] = {"state": "completed", "keep_ms": 60_000, "spent": spent, "owner": owner, "model": model}
    return Ended(**(fields | {"id": identity, "ended_ms": int(at.timestamp() * 1000)} | more))


@pytest.fixture
async def today(api: Api) -> date:
    """With four generations of three days behind it."""
    queue = api.generations.queue
    today = await Totals(queue.redis).today()
    await queue.indexes.settle(
        [],
        [
            ended("a", today, first_token_ms=250, streaming_ms=3000, streamed_tokens=100),
            ended("b", today - timedelta(days=29), model="q/n?seed=1", first_token_ms=751),
            ended("c", today - timedelta(days=30)),
            ended("d", today, state="failed", spent=[Spent("p/m", Usage(input_tokens=1))]),
            ended("e", today, cached=True, spent=[], first_token_ms=9, streaming_ms=1, streamed_tokens=100),
        ],
    )
    return today


async def ask(api: Api, **params: str) -> Any:
    response = await api.client.get("/v1/usage", params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def test_by_model_for_thirty_days(api: Api, today: date) -> None:
    got = await ask(api)
    assert (got["from"], got["to"], got["by"]) == (str(today - timedelta(days=29)), str(today), "model")
    one = {
        "day": None,
        "model": "p/m",
        "owner": None,
        "generations": {"completed": 2, "failed": 1, "cancelled": 0, "deleted": 0, "cached": 1},
        "usage": {
            "input_tokens": 11, "output_tokens": 4, "cached_tokens": 3, "cache_write_tokens": 0, "reasoning_tokens": 0,
        },
        "cost": [{"amount": "0.0000000015", "currency": "USD", "at_least": True}],
        "unpriced": 1,
        "estimated": [],
        "mean_time_to_first_token_ms": 250.0,
        "mean_tokens_per_second": 33.33,
    }  # fmt: skip
    assert [line["model"] for line in got["data"]] == ["p/m", "q/n"]
    assert got["data"][0] == one
    assert got["data"][1]["mean_tokens_per_second"] is None
    assert (got["total"]["mean_time_to_first_token_ms"], got["total"]["mean_tokens_per_second"]) == (500.5, 33.33)
    assert got["total"]["generations"]["completed"] == 3
    assert got["total"]["cost"] == [{"amount": "0.000000003", "currency": "USD", "at_least": True}]
    assert (got["total"]["model"], got["total"]["day"]) == (None, None)


async def test_by_day(api: Api, today: date) -> None:
    first = today - timedelta(days=30)
    got = await ask(api, by="day", **{"from": str(first), "to": str(today - timedelta(days=1))})
    assert [line["day"] for line in got["data"]] == [str(first), str(first + timedelta(days=1))]
    got = await ask(api, by="day", to=str(first))
    assert [line["generations"]["completed"] for line in got["data"]] == [1]
    got = await ask(api, **{"from": "2025-01-01", "to": "2025-01-01"})
    assert got["data"] == []
    assert got["total"]["cost"] == []


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"from": "yesterday"}, "from"),
        ({"to": "20260101"}, "to"),
        ({"to": "2026-02-30"}, "to"),
        ({"to": "1767225600"}, "to"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "from"),
        ({"from": "2024-01-01", "to": "2026-01-01"}, "from"),
        ({"by": "hour"}, "by"),
    ],
)
async def test_wrong_questions(api: Api, params: dict[str, str], pointer: str) -> None:
    response = await api.client.get("/v1/usage", params=params)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_the_first_day_there_is(api: Api) -> None:
    assert (await ask(api, to="0001-01-01"))["from"] == "0001-01-01"


async def test_nobody_sees_what_others_used(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys="me:k1,you:k2")
    queue = api.generations.queue
    today = await Totals(queue.redis).today()
    await queue.indexes.settle(
        [], [ended("a", today, owner="me"), ended("b", today, owner="you", model="secret/model")]
    )
    mine = await api.client.get("/v1/usage", headers={"Authorization": "Bearer k1"})
    assert [line["model"] for line in mine.json()["data"]] == ["p/m"]
    assert (await api.client.get("/v1/usage")).status_code == 401


async def test_it_is_described_with_an_example(api: Api) -> None:
    described = (await api.client.get("/openapi.json")).json()
    route = described["paths"]["/v1/usage"]["get"]
    assert {"200", "401", "422", "503"} <= route["responses"].keys()
    assert {parameter["name"] for parameter in route["parameters"]} == {"from", "to", "by", "owner"}
    schema = described["components"]["schemas"]["UsageTotals"]
    (example,) = schema["examples"]
    assert set(schema["properties"]) == set(example) | {"owners"}
    # FastAPI leaves out of examples what is null.
    properties = described["components"]["schemas"]["TotalAnswer"]["properties"]
    assert set(example["total"]) | {"day", "model", "owner"} == set(properties)


async def test_what_was_free_cost_nothing(api: Api) -> None:
    queue = api.generations.queue
    spent = [Spent("p/m", Usage(input_tokens=1), Cost("0"))]
    await queue.indexes.settle([], [ended("a", await Totals(queue.redis).today(), spent=spent)])
    got = await ask(api)
    assert got["data"][0]["cost"] == got["total"]["cost"] == [{"amount": "0", "currency": "USD"}]


async def test_what_nobody_counted_is_apart(api: Api) -> None:
    queue = api.generations.queue
    today = await Totals(queue.redis).today()
    counted = Spent("p/m", Usage(input_tokens=5), Cost("0.5"))
    guessed = Spent("p/m", Usage(input_tokens=99, output_tokens=99), Cost("0.25"), estimated=True)
    broken = Spent("q/m", Usage(input_tokens=7), Cost("0.125", at_least=True))
    await queue.indexes.settle(
        [], [ended("a", today, spent=[guessed, counted]), ended("b", today, spent=[broken], model="q/m")]
    )
    first, second = (await ask(api))["data"]
    assert first["usage"]["input_tokens"] == 5
    assert (first["unpriced"], first["estimated"]) == (1, [{"amount": "0.25", "currency": "USD"}])
    assert first["cost"] == [{"amount": "0.5", "currency": "USD", "at_least": True}]
    assert (second["unpriced"], second["estimated"]) == (0, [])
    assert second["cost"] == [{"amount": "0.125", "currency": "USD", "at_least": True}]


async def test_an_admin_sees_what_one_owner_or_all_have_used(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, keys="redis", api_keys="ann:key-of-ann")
    queue = api.generations.queue
    today = await Totals(queue.redis).today()
    ends = [
        ended("a", today, owner="ann"),
        ended("b", today, owner="bob"),
        ended("c", today, owner="bob", model="q/n", state="failed", spent=[]),
        ended("d", today - timedelta(days=40), owner="eve"),
    ]
    await queue.indexes.settle([], ends)
    store = KeyStore(queue.redis, api.generations.secret)
    admin = {"Authorization": f"Bearer {(await store.create('root', {Scope.ADMIN})).key}"}

    async def asked(owner: str, **params: str) -> Any:
        response = await api.client.get("/v1/usage", params={"owner": owner} | params, headers=admin)
        assert response.status_code == 200, response.text
        return response.json()

    every = await asked("*")
    assert [(line["model"], line["usage"]["input_tokens"]) for line in every["data"]] == [("p/m", 20), ("q/n", 0)]
    assert every["total"]["generations"] == {"completed": 2, "failed": 1, "cancelled": 0, "deleted": 0, "cached": 0}
    assert every["total"]["cost"] == [{"amount": "0.000000003", "currency": "USD"}]
    assert [(line["owner"], line["generations"]["failed"]) for line in every["owners"]] == [("ann", 0), ("bob", 1)]
    assert sum(line["usage"]["input_tokens"] for line in every["owners"]) == every["total"]["usage"]["input_tokens"]
    by_day = await asked("*", by="day")
    assert [line["day"] for line in by_day["data"]] == [str(today)]
    longer = await asked("*", **{"from": str(today - timedelta(days=45))})
    assert [line["owner"] for line in longer["owners"]] == ["ann", "bob", "eve"]

    bob = await asked("bob")
    assert (bob["total"]["generations"]["completed"], bob["total"]["generations"]["failed"]) == (1, 1)
    assert bob["owners"] is None
    assert (await asked("nobody"))["data"] == []

    ann = {"Authorization": "Bearer key-of-ann"}
    own = await api.client.get("/v1/usage", headers=ann)
    assert own.json()["total"]["generations"]["completed"] == 1
    assert own.json()["owners"] is None
    for owner in ("*", "bob", "ann"):
        refused = await api.client.get("/v1/usage", params={"owner": owner}, headers=ann)
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
        assert "bob" not in refused.text
    assert (await api.client.get("/v1/usage", headers=admin)).status_code == 403, "admin alone is not read"


async def test_without_keys_everybody_sees_all(api: Api, today: date) -> None:
    assert [line["owner"] for line in (await ask(api, owner="*"))["owners"]] == ["local"]
    assert (await api.client.get("/v1/usage", params={"owner": ""})).status_code == 422


async def test_a_question_about_too_many_owners_is_for_fewer_days(
    api: Api, today: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "MAX_OWNERS_DAYS", 10)
    refused = await api.client.get("/v1/usage", params={"owner": "*"})
    assert refused.status_code == 422
    assert "must be less than 10 days before" in refused.text
    since = str(today - timedelta(days=9))
    assert (await api.client.get("/v1/usage", params={"owner": "*", "from": since})).status_code == 200
