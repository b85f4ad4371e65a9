"""Each dialect over HTTP: asked, streamed, waited for, watched again, broken off, superseded, failed."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from shared.log.events import Completed, EventId, Failed, Usage
from shared.log.guarded_log import WriteOutcome
from shared.storage.keys import GenerationKeys
from tests.api.exchange.dialect_posts import CHAT, SPOKEN, Spoken, asking, events_of, streamed
from tests.api.harness import Api, MakeApi, Producer, until

every_dialect = pytest.mark.parametrize("spoken", SPOKEN, ids=lambda spoken: spoken.prefix)


async def begun(
    api: Api, spoken: Spoken, headers: dict[str, str] | None = None, **body: Any
) -> tuple[asyncio.Task[httpx2.Response], str]:
    """A POST that waits for the whole answer, and its generation."""
    waiting = asyncio.create_task(api.client.post(spoken.path, json=spoken.body | body, headers=headers))
    ids: list[str] = []

    async def queued() -> None:
        while not ids:
            ids.extend(id for id, _ in (await api.generations.queue.take("w", most=5)).jobs)
            await asyncio.sleep(0.01)

    async with asyncio.timeout(10):
        await queued()
    return waiting, ids[0]


async def restarted(producer: Producer) -> Producer:
    """The next attempt, which starts over."""
    return await Producer.start(producer.log, producer.generation_id)


@every_dialect
async def test_a_stream_begins_before_a_worker_has_it_and_is_the_same_again(api: Api, spoken: Spoken) -> None:
    async with asking(api, spoken) as asked:
        await asked.until(spoken.prefix.encode() + asked.id.removeprefix("gen_").encode())
        producer = await Producer.start(api.log, asked.id)
        await producer.say("Hello", ", ", "wörld")
        await asked.until("wörld".encode())
        await producer.complete()
        first = await asked.rest()
    events = events_of(first, spoken)
    assert len(events) > spoken.first + 3
    again = await streamed(api, spoken.named(asked.id))
    assert events_of(again, spoken) == events
    for number in range(-1, len(events)):
        after = None if number < 0 else number
        assert await streamed(api, spoken.named(asked.id), after) == b"".join(events[number + 1 :]) + spoken.ending
    for number in (len(events), len(events) + 1):
        response = await api.client.get(f"{spoken.named(asked.id)}?stream=true&starting_after={number}")
        assert response.status_code == 410, "what it has had is none of this"
        assert "superseded" in response.text


@every_dialect
async def test_who_resumes_live_gets_what_follows(api: Api, spoken: Spoken) -> None:
    """Also who has seen more than there is yet: it waits for what follows that."""
    async with asking(api, spoken) as asked:
        producer = await Producer.start(api.log, asked.id)
        await producer.say("a", "b")
        await asked.until(b'"b"')
        watching = [asyncio.create_task(streamed(api, spoken.named(asked.id), after)) for after in range(9)]
        for text in "cdefgh":
            await producer.say(text)
            await asyncio.sleep(0)
        await producer.complete()
        events = events_of(await asked.rest(), spoken)
    for after, watched in enumerate(watching):
        assert await watched == b"".join(events[after + 1 :]) + spoken.ending


@every_dialect
async def test_a_whole_answer_comes_at_its_end(api: Api, spoken: Spoken) -> None:
    waiting, generation_id = await begun(api, spoken)
    producer = await Producer.start(api.log, generation_id)
    await producer.say("Hello")
    assert not waiting.done()
    await producer.complete()
    response = await waiting
    assert response.status_code == 200
    assert response.headers["midstream-generation"] == generation_id
    assert response.json()["id"] == spoken.named(generation_id).rpartition("/")[2]
    assert response.json()["model"] == "lorem"
    assert "Hello" in response.text
    assert (await api.client.get(spoken.named(generation_id))).json() == response.json()


@every_dialect
async def test_a_failure_before_the_answer_is_a_status(api: Api, spoken: Spoken) -> None:
    for code, status in {"rate_limit": 429, "authentication": 502, "bad_request": 400, "provider_timeout": 504}.items():
        waiting, generation_id = await begun(api, spoken)
        producer = await Producer.start(api.log, generation_id)
        await producer.write(Failed(code=code, message="It went wrong.", retryable=True))
        response = await waiting
        assert response.status_code == status
        assert response.headers["x-should-retry"] == "false"
        assert response.headers["midstream-generation"] == generation_id
        assert response.headers["content-type"] == "application/json"
        assert "It went wrong." in response.json()["error"]["message"]


@every_dialect
async def test_a_failure_and_a_cancel_are_said_in_the_stream(api: Api, spoken: Spoken) -> None:
    for end in ("fail", "cancel"):
        async with asking(api, spoken) as asked:
            producer = await Producer.start(api.log, asked.id)
            await producer.say("Hel")
            await getattr(producer, end)()
            events = events_of(await asked.rest(), spoken)
        assert b"error" in events[-1] or b"cancelled" in events[-1]
        assert events_of(await streamed(api, spoken.named(asked.id)), spoken) == events


@every_dialect
async def test_a_node_that_goes_away_does_not_look_finished(make_api: MakeApi, redis_url: str, spoken: Spoken) -> None:
    api = await make_api(redis_url)
    waiting, waited = await begun(api, spoken)
    async with asking(api, spoken) as asked:
        producer = await Producer.start(api.log, asked.id)
        await producer.say("Hel")
        await asked.until(b"Hel")
        api.hub.drain()
        with pytest.raises(httpx2.RemoteProtocolError):
            await asked.rest()
    response = await waiting
    assert response.status_code == 503
    assert "x-should-retry" not in response.headers
    other = await make_api(redis_url)
    await producer.complete()
    events = events_of(await streamed(other, spoken.named(asked.id)), spoken)
    assert b"".join(events).startswith(asked.raw)
    assert waited != asked.id


@every_dialect
async def test_leaving_is_not_stopping_and_others_see_nothing(api: Api, spoken: Spoken) -> None:
    async with asking(api, spoken) as asked:
        await asked.until(b"\n\n")
    producer = await Producer.start(api.log, asked.id)
    await producer.say("Hello")
    await producer.complete()
    assert b"Hello" in await streamed(api, spoken.named(asked.id))


async def test_a_deleted_one_breaks_its_viewers_off(api: Api) -> None:
    async with asking(api, CHAT) as asked:
        producer = await Producer.start(api.log, asked.id)
        await producer.say("Hello")
        await asked.until(b"Hello")
        assert (await api.client.delete(f"/v1/generations/{asked.id}")).status_code == 204
        with pytest.raises(httpx2.RemoteProtocolError):
            await asked.rest()
    assert (await api.client.get(CHAT.named(asked.id))).status_code == 410


async def test_an_attempt_that_said_nothing_is_nothing_to_break_off_for(api: Api) -> None:
    async with asking(api, CHAT) as asked:
        producer = await Producer.start(api.log, asked.id)
        await asked.until(b"\n\n")
        second = await restarted(producer)
        await second.say("Hello")
        await second.complete()
        assert CHAT.named(asked.id).rpartition("/")[2].encode() in events_of(await asked.rest(), CHAT)[-1]


@every_dialect
async def test_who_asks_wrongly_is_told_in_the_dialects_words(api: Api, spoken: Spoken) -> None:
    unknown = await api.client.get(spoken.named("gen_" + "a" * 32))
    assert unknown.status_code == 404
    for text, status in (("{", 400), ('{"messages": 1}', 400), ("[]", 400)):
        response = await api.client.post(spoken.path, content=text, headers={"Content-Type": "application/json"})
        assert response.status_code == status, text
        assert isinstance(response.json()["error"]["message"], str)
    assert (await api.client.post(spoken.path, content="{}")).status_code == 415
    assert (await api.client.put(spoken.path, json={})).json()["error"]["message"]
    wrong = await api.client.get(spoken.named("gen_" + "a" * 32) + "?stream=true&starting_after=-1")
    assert wrong.status_code in (400, 404)


@every_dialect
async def test_the_same_key_is_the_same_generation(api: Api, spoken: Spoken) -> None:
    async with asking(api, spoken, **{"Idempotency-Key": "k"}) as asked:
        await asked.until(b"\n\n")
    async with asking(api, spoken, **{"Idempotency-Key": "k"}) as again:
        assert again.id == asked.id
        assert again.response.headers["idempotent-replayed"] == "true"
    other = await api.client.post(spoken.path, json=spoken.body | {"model": "echo"}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 400


@every_dialect
async def test_a_retry_joins_what_its_first_try_has_lost(api: Api, spoken: Spoken) -> None:
    agent = {"User-Agent": "sdk/1"}
    async with asking(api, spoken, **agent) as asked:
        await asked.until(b"\n\n")
        async with asking(api, spoken, **agent, **{"X-Stainless-Retry-Count": "1"}) as other:
            assert other.id != asked.id, "its asker is connected"
    async with asyncio.timeout(10):
        joined = ""
        while joined != asked.id:
            async with asking(api, spoken, **agent, **{"X-Stainless-Retry-Count": "2"}) as retry:
                joined = retry.id


@every_dialect
async def test_an_end_that_redis_forgot_is_no_answer_yet(
    api: Api, spoken: Spoken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis came back older than this node's memory: the retry waits until the worker has written the end again."""
    ended, redis = api.hub.ended, api.log.redis

    async def and_forgotten(generation_id: str) -> bool:
        over = await ended(generation_id)
        keys = GenerationKeys(generation_id)
        *older, _ = await redis.xrange(keys.log)
        await redis.delete(keys.log)
        for event_id, fields in older:
            await redis.xadd(keys.log, fields, id=event_id)
        await redis.hdel(keys.record, "seal", "ended")  # type: ignore[misc]
        await redis.hset(keys.record, "state", "running")  # type: ignore[misc]
        return over

    monkeypatch.setattr(api.hub, "ended", and_forgotten)
    agent = {"User-Agent": "sdk/1"}
    waiting, generation_id = await begun(api, spoken, agent)
    producer = await Producer.start(api.log, generation_id)
    await producer.say("Hello")
    await producer.complete()
    refused = await waiting
    assert refused.status_code == 503
    assert "retry-after" in refused.headers
    assert "x-should-retry" not in refused.headers
    monkeypatch.undo()
    retry = {"X-Stainless-Retry-Count": "1"}
    again = asyncio.create_task(api.client.post(spoken.path, json=spoken.body, headers=agent | retry))
    await until(lambda: api.hub.watches(generation_id), "the retry to wait")
    producer.last, producer.seq = EventId(producer.last.token, producer.last.seq - 1), producer.seq - 1
    end = Completed(finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=7))
    assert (await producer.write(end)).outcome is WriteOutcome.OK
    response = await again
    assert response.headers["midstream-generation"] == generation_id
    assert "Hello" in response.text
