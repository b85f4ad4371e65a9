"""The limits of owners over HTTP: counted over all nodes, in each dialect's envelope, with headers that are true."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from api.problems.limits import rate_limit_headers, too_many_viewers
from shared.log.events import Cost, Spent, Usage
from shared.queue.limits import NO_LIMITS, Announced, Announcement
from shared.storage.clock import read_clock
from shared.storage.keys import PENDING_KEY, rate_key
from shared.usage import Ended
from tests.api.exchange.dialect_posts import SPOKEN, Spoken, asking
from tests.api.harness import BODY, Api, MakeApi

KEYS = "ann:key-of-ann-0123456789,bob:key-of-bob-0123456789"
ANN = {"Authorization": "Bearer key-of-ann-0123456789"}
BOB = {"Authorization": "Bearer key-of-bob-0123456789"}
_ITEM = re.compile(r'"([a-z]+)"((?:;[a-z]+=(?:[0-9]+|"[a-z-]+"))*)')


def items(header: str) -> dict[str, dict[str, str]]:
    """A list of structured fields (RFC 9651): each policy's parameters."""
    found = {}
    for item in header.split(", "):
        matched = _ITEM.fullmatch(item)
        assert matched is not None, header
        found[matched[1]] = dict(part.split("=") for part in matched[2].split(";") if part)
    return found


async def spend(api: Api, owner: str, amount: str) -> None:
    """As a worker's settler counts what has ended."""
    now_ms, _ = await read_clock(api.generations.queue.redis)
    spent = [Spent("simulator/lorem", Usage(), Cost(amount))]
    end = Ended(
        id="gen_spent", owner=owner, state="completed", ended_ms=now_ms, keep_ms=60_000, model="simulator/lorem",
        spent=spent,
    )  # fmt: skip
    await api.generations.queue.indexes.settle([], [end])


async def accepted_by(api: Api) -> int:
    return int(await api.generations.queue.redis.zcard(PENDING_KEY))


async def test_a_rate_is_counted_over_two_nodes_and_for_each_owner(make_api: MakeApi, redis_url: str) -> None:
    nodes = [await make_api(redis_url, api_keys=KEYS, requests_per_minute=4) for _ in range(2)]
    answers = await asyncio.gather(
        *(nodes[n % 2].client.post("/v1/generations", json=BODY, headers=ANN) for n in range(12))
    )
    assert sorted(answer.status_code for answer in answers) == [202] * 4 + [429] * 8
    assert await accepted_by(nodes[0]) == 4
    assert sorted(items(a.headers["ratelimit"])["requests"]["r"] for a in answers if a.status_code == 202) == [*"0123"]
    for answer in answers:
        assert items(answer.headers["ratelimit-policy"]) == {"requests": {"q": "4", "w": "60"}}
        assert 1 <= int(items(answer.headers["ratelimit"])["requests"]["t"]) <= 15
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    assert refused.headers["retry-after"] == items(refused.headers["ratelimit"])["requests"]["t"]
    assert (await nodes[1].client.post("/v1/generations", json=BODY, headers=BOB)).status_code == 202


async def test_who_waits_as_long_as_it_is_told_is_let_through(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, requests_per_minute=60)
    redis = api.generations.queue.redis
    now_ms, _ = await read_clock(redis)
    await redis.set(rate_key("local"), f"{now_ms} 60", px=60_000)
    refused = await api.client.post("/v1/generations", json=BODY)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    await asyncio.sleep(1)
    assert (await api.client.post("/v1/generations", json=BODY)).status_code == 202


async def test_a_repeated_post_is_neither_counted_nor_refused(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, requests_per_minute=1, max_queued=1, cost_per_day=1)
    key = {"Idempotency-Key": "once"}
    first = await api.client.post("/v1/generations", json=BODY, headers=key)
    await spend(api, "local", "5")
    for _ in range(3):
        again = await api.client.post("/v1/generations", json=BODY, headers=key)
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
        assert items(again.headers["ratelimit-policy"]).keys() == {"requests", "queued"}
    new = await api.client.post("/v1/generations", json=BODY)
    assert (new.status_code, new.json()["code"]) == (429, "budget_exhausted")


@pytest.mark.parametrize("spoken", SPOKEN, ids=lambda spoken: spoken.prefix)
async def test_a_retry_that_joins_is_neither_counted_nor_refused(
    make_api: MakeApi, redis_url: str, spoken: Spoken
) -> None:
    api = await make_api(redis_url, requests_per_minute=1)
    async with asking(api, spoken) as first:
        await first.until(b"\n\n")
        assert items(first.response.headers["ratelimit"])["requests"]["r"] == "0"
    async with asking(api, spoken, **{"x-stainless-retry-count": "1"}) as second:
        assert second.id == first.id
        assert items(second.response.headers["ratelimit-policy"]) == {"requests": {"q": "1", "w": "60"}}
    refused = await api.client.post(spoken.path, json=spoken.body | {"stream": True})
    assert refused.status_code == 429


async def test_a_full_line_of_one_owner_is_nobody_elses(make_api: MakeApi, redis_url: str) -> None:
    nodes = [await make_api(redis_url, api_keys=KEYS, max_queued=3) for _ in range(2)]
    answers = await asyncio.gather(
        *(nodes[n % 2].client.post("/v1/generations", json=BODY, headers=ANN) for n in range(12))
    )
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 9
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "queue_full"
    assert "3 generations waiting (max_queued)" in refused.json()["detail"]
    assert items(refused.headers["ratelimit-policy"]) == {"queued": {"q": "3", "qu": '"concurrent-requests"'}}
    assert items(refused.headers["ratelimit"]) == {"queued": {"r": "0"}}
    assert int(refused.headers["retry-after"]) > 0
    assert (await nodes[0].client.post("/v1/generations", json=BODY, headers=BOB)).status_code == 202


async def test_the_servers_own_bound_is_told_from_the_owners(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, max_pending=1, max_queued=9)
    await api.post()
    refused = await api.client.post("/v1/generations", json=BODY)
    assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
    assert "as this server allows" in refused.json()["detail"]


async def test_a_budget_is_exhausted_until_midnight(make_api: MakeApi, redis_url: str) -> None:
    nodes = [await make_api(redis_url, api_keys=KEYS, cost_per_day=1.5) for _ in range(2)]
    await spend(nodes[0], "ann", "1.499999999999")
    assert (await nodes[1].client.post("/v1/generations", json=BODY, headers=ANN)).status_code == 202
    await spend_more(nodes[0])
    before = await accepted_by(nodes[0])
    for node in nodes:
        refused = await node.client.post("/v1/generations", json=BODY, headers=ANN)
        assert (refused.status_code, refused.json()["code"]) == (429, "budget_exhausted")
        assert "1.5 USD" in refused.json()["detail"]
        until_midnight = 86_400 - math.floor(time.time()) % 86_400
        assert abs(int(refused.headers["retry-after"]) - until_midnight) <= 2
        assert refused.headers["x-should-retry"] == "false"
    assert await accepted_by(nodes[0]) == before
    assert (await nodes[1].client.post("/v1/generations", json=BODY, headers=BOB)).status_code == 202


async def spend_more(api: Api) -> None:
    now_ms, _ = await read_clock(api.generations.queue.redis)
    end = Ended(
        id="gen_more", owner="ann", state="failed", ended_ms=now_ms, keep_ms=60_000, model="simulator/echo",
        spent=[Spent("simulator/echo", Usage(), Cost("0.000000000001"))],
    )  # fmt: skip
    await api.generations.queue.indexes.settle([], [end])


Provoke = Callable[[Api], Any]


async def over_rate(api: Api) -> None:
    now_ms, _ = await read_clock(api.generations.queue.redis)
    await api.generations.queue.redis.set(rate_key("local"), f"{now_ms} 2", px=60_000)


async def over_budget(api: Api) -> None:
    await spend(api, "local", "7")


async def over_line(api: Api) -> None:
    await api.post()


CASES = [
    ({"requests_per_minute": 2}, over_rate, "rate_limited", "rate_limit_exceeded", "rate_limit_error", True),
    ({"cost_per_day": 7}, over_budget, "budget_exhausted", "insufficient_quota", "insufficient_quota", False),
    ({"max_queued": 1}, over_line, "queue_full", "queue_full", "rate_limit_error", True),
]


@pytest.mark.parametrize(("settings", "provoke", "code", "openais", "kind", "again"), CASES)
async def test_the_sdks_raise_their_rate_limit_error(
    make_api: MakeApi, redis_url: str, settings: Any, provoke: Provoke, code: str, openais: str, kind: str, again: bool
) -> None:
    api = await make_api(redis_url, **settings)
    await provoke(api)
    root = f"http://127.0.0.1:{api.port}"
    async with openai.AsyncOpenAI(base_url=f"{root}/v1", api_key="none", max_retries=0) as client:
        for call in (
            client.chat.completions.create(model="lorem", messages=[{"role": "user", "content": "Go."}]),
            client.chat.completions.create(model="lorem", messages=[{"role": "user", "content": "Go."}], stream=True),
            client.responses.create(model="lorem", input="Go."),
        ):
            with pytest.raises(openai.RateLimitError) as raised:
                await call
            assert (raised.value.code, raised.value.type) == (openais, kind)
            assert int(raised.value.response.headers["retry-after"]) >= 1
            assert client._should_retry(raised.value.response) is again
    async with anthropic.AsyncAnthropic(base_url=root, api_key="none", max_retries=0) as claude:
        with pytest.raises(anthropic.RateLimitError) as refused:
            await claude.messages.create(model="lorem", max_tokens=9, messages=[{"role": "user", "content": "Go."}])
        assert refused.value.body["error"]["details"]["error_code"] == code  # type: ignore[index]
        assert int(refused.value.response.headers["retry-after"]) >= 1
        assert claude._should_retry(refused.value.response) is again


async def test_an_sdk_that_waits_as_it_is_told_has_its_answer(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, requests_per_minute=60)
    redis = api.generations.queue.redis
    now_ms, _ = await read_clock(redis)
    await redis.set(rate_key("local"), f"{now_ms} 60", px=60_000)
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{api.port}/v1", api_key="none", max_retries=1) as client:
        stream = await client.chat.completions.create(
            model="lorem", messages=[{"role": "user", "content": "Go."}], stream=True
        )
        assert (await anext(stream)).id.startswith("chatcmpl-")
        await stream.close()
    assert await accepted_by(api) == 1


async def test_limits_cost_no_further_round_trip(make_api: MakeApi, redis_url: str) -> None:
    asked = []
    for limits in ({}, {"requests_per_minute": 9, "max_queued": 9, "cost_per_day": 9}):
        api = await make_api(redis_url, **limits)
        await api.post()  # scripts are loaded
        before = await api.log.redis.info("commandstats")
        await api.post()
        after = await api.log.redis.info("commandstats")
        asked.append(after["cmdstat_evalsha"]["calls"] - before["cmdstat_evalsha"]["calls"])
    assert asked == [3, 3]  # announce, create, enqueue


async def test_without_limits_no_header_speaks_of_them(api: Api) -> None:
    answer = await api.client.post("/v1/generations", json=BODY)
    assert {"ratelimit", "ratelimit-policy"}.isdisjoint(answer.headers)


async def test_streams_and_whole_answers_say_how_the_owner_stands(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, requests_per_minute=9)
    async with api.client.stream("POST", "/v1/generations", json=BODY | {"stream": True}) as native:
        assert items(native.headers["ratelimit"])["requests"]["r"] == "8"
    waited = await api.client.post("/v1/generations", json=BODY, headers={"Prefer": "wait=0"})
    assert items(waited.headers["ratelimit"])["requests"]["r"] == "7"
    for left, spoken in zip("654", SPOKEN, strict=True):
        async with asking(api, spoken) as asked:
            assert items(asked.response.headers["ratelimit"])["requests"]["r"] == left


@pytest.mark.parametrize(
    ("per_minute", "level", "left", "until_more"),
    [(6, 1.0, 5, 10), (6, 0.25, 5, 3), (6, 6.0, 0, 10), (6, 5.5, 0, 5), (60, 60.0, 0, 1), (1, 1.0, 0, 60)],
)
def test_what_is_left_and_when_there_is_more(per_minute: int, level: float, left: int, until_more: int) -> None:
    limits = NO_LIMITS._replace(requests_per_minute=per_minute)
    headers = rate_limit_headers(limits, Announcement(Announced.NEW, level=level))
    assert headers["RateLimit"] == f'"requests";r={left};t={until_more}'


def test_where_all_is_left_there_will_be_no_more() -> None:
    limits = NO_LIMITS._replace(requests_per_minute=6)
    assert rate_limit_headers(limits, Announcement(Announced.REFUSED, level=0.0))["RateLimit"] == '"requests";r=6'


def test_too_many_viewers_names_the_limit() -> None:
    problem = too_many_viewers(3)
    assert (problem.status, problem.code) == (429, "too_many_viewers")
    assert "3 open streams" in problem.detail
    assert problem.headers == {"Retry-After": "5"}
