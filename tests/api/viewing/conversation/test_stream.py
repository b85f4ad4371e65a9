"""Following a conversation: each turn once and in order, whatever is cut, deleted or comes later."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter

import pytest
from redis import Redis

from api.viewing.conversation.cursor import ConversationStart
from api.viewing.conversation.stream import ConversationStream, admit
from shared.log.events import EventId
from shared.storage.keys import ConversationKeys, GenerationKeys
from tests.api.harness import Api, MakeApi, Message, Viewing, until
from tests.api.viewing.conversation.following import ADDRESS, CHAT, all_told, ask, at, begin, ended, follow, named, told

KEYS = ConversationKeys("local", CHAT)
ASGI = ["AsgiConnection._watch", "RequestResponseCycle.run_asgi"]
"""The tasks of a connection that the server has not given away."""


@pytest.fixture(params=["direct", "asgi"], autouse=True)
def _transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSTREAM_TRANSPORT", request.param)


async def test_what_has_ended_is_told_by_its_end_and_what_runs_whole(api: Api) -> None:
    first, second = await ended(api), await ended(api)
    running = await begin(api)
    await running.say("one ")
    async with follow(api) as viewing:
        assert await viewing.take(4) == await all_told(api, [first, second], whole_logs=False)
        assert await viewing.take(4) == await told(api, running.generation_id)
        assert viewing.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert viewing.response.headers["cache-control"] == "no-store, no-transform"
        await running.complete()
        assert [(await viewing.next()).event for _ in range(2)] == ["part_end", "completed"]
        later = await ended(api)
        assert await viewing.take(7) == await told(api, later)


async def test_after_a_cursor_all_is_told_whole(api: Api) -> None:
    ids = [await ended(api, words=3) for _ in range(3)]
    everything = await all_told(api, ids)
    for position in range(len(everything) - 1):
        async with follow(api, everything[position].id) as viewing:
            assert await viewing.take(len(everything) - position - 1) == everything[position + 1 :]
    async with follow(api, everything[-1].id) as viewing:
        fourth = await ended(api)
        assert await viewing.take(7) == await told(api, fourth)


async def test_a_turn_that_begins_while_one_runs_is_said_early(api: Api) -> None:
    first = await begin(api)
    await first.say("a")
    async with follow(api) as viewing:
        assert await viewing.take(4) == await told(api, first.generation_id)
        second = await ask(api, previous=None)
        early = await viewing.next()
        assert named(early) == ("begun", second)
        assert json.loads(early.data) == json.loads((await told(api, second))[0].data)
        producer = await begin(api, second)
        await producer.say("b")
        async with follow(api) as late:
            assert (await late.next()).id == at(first.generation_id)
            assert await late.next() == early, "who comes later is told of it, too"
            await late.take(3)
            await producer.complete()
            await first.complete()
            for each in (viewing, late):
                assert [(await each.next()).event for _ in range(2)] == ["part_end", "completed"]
                assert await each.take(6) == await told(api, second)


async def test_idle_viewers_have_no_task_and_send_nothing_to_redis(api: Api, redis_url: str) -> None:
    first = await ended(api)

    def tasks() -> list[str]:
        return sorted(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())

    async def commands() -> int:
        with Redis.from_url(redis_url) as redis:
            stats = redis.info("commandstats")
        return sum(stats[f"cmdstat_{name}"]["calls"] for name in ("hmget", "xrange", "zrangebyscore", "subscribe"))

    async with follow(api, at(first)) as one:
        await one.take(6)
        await until(lambda: "catch_up" not in tasks(), "it to be told of all")
        before = tasks()
        async with follow(api, at(first)) as other:
            await other.take(6)
            await until(lambda: "catch_up" not in tasks(), "it to be told of all")
            assert len(api.hub.viewers) == 2
            assert api.app.state.services.watched.followers == 1
            more = Counter(tasks())
            more.subtract(before)
            # Where the connection is ASGI's, the server has a task for it, and that another.
            assert sorted((+more).elements()) == ([] if api.hub.direct else ASGI)
            sent = await commands()
            await asyncio.sleep(0.3)
            assert await commands() == sent


async def test_every_turn_once_and_in_order_however_often_it_is_cut(api: Api) -> None:
    chance = random.Random(7)
    seen: list[Message] = []
    ids: list[str] = []
    done = asyncio.Event()

    async def talk() -> None:
        for _ in range(8):
            producer = await begin(api)
            ids.append(producer.generation_id)
            for number in range(5):
                await producer.say(f"{number} ")
                await asyncio.sleep(0.005)
            await producer.complete()
        done.set()

    talking = asyncio.create_task(talk())
    await until(lambda: ids, "the first turn")
    while not (done.is_set() and seen and seen[-1].id == (await told(api, ids[-1]))[-1].id):
        async with follow(api, seen[-1].id if seen else None) as viewing:
            for _ in range(chance.randint(1, 12)):
                message = await viewing.next()
                if message.id is not None:
                    seen.append(message)
                if message.event == "completed" and done.is_set() and message.id == (await told(api, ids[-1]))[-1].id:
                    break
    await talking
    expected = await all_told(api, ids)
    if seen[1].event == "completed":  # it had ended when the first connection came
        expected = (await told(api, ids[0], whole_log=False)) + await all_told(api, ids[1:])
    assert seen == expected


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [("x", "malformed_cursor"), (at("gen_" + "a" * 32, "1-1"), "unknown_cursor"), ("1-1", "malformed_cursor")],
)
async def test_a_cursor_of_no_use_starts_over(api: Api, redis_url: str, cursor: str, reason: str) -> None:
    first = await ended(api)
    async with follow(api, cursor) as viewing:
        reset = await viewing.next()
        assert (reset.id, reset.event, json.loads(reset.data)["reason"]) == (None, "reset", reason)
        assert await viewing.take(2) == await told(api, first, whole_log=False)


async def test_an_event_that_the_log_never_had_starts_over(api: Api) -> None:
    api.hub.catch_up_s = 0.2
    first = await ended(api)
    running = await begin(api)
    await running.say("a")
    for cursor in (at(first, "1-1"), at(running.generation_id, EventId(running.claim.token, 900))):
        async with follow(api, cursor) as viewing:
            assert (await viewing.next()).event == "reset"
            assert await viewing.take(2) == await told(api, first, whole_log=False)
            expected = await told(api, running.generation_id)
            assert await viewing.take(len(expected)) == expected
            await running.say("b")
            assert (await viewing.next()).event == "delta"


async def test_a_long_log_is_told_by_pages(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    long = await ended(api, words=1_300)
    short = await ended(api)
    reads: list[int] = []
    read = api.log.read_raw

    async def counted(generation_id: str, after: EventId, *, count: int) -> object:
        entries = await read(generation_id, after, count=count)
        reads.append(len(entries))
        return entries

    monkeypatch.setattr(api.log, "read_raw", counted)
    async with follow(api, at(long)) as viewing:
        assert await viewing.take(1_304 + 7) == (await all_told(api, [long, short]))[1:]
    assert max(reads) <= 500
    assert api.hub.tails == 0, "none of it is held"


async def test_a_deleted_turn_is_told_of(api: Api) -> None:
    first, second = await ended(api), await ended(api)
    running = await begin(api)
    async with follow(api) as viewing:
        await viewing.take(6)
        assert (await api.client.delete(f"/v1/generations/{second}")).status_code == 204
        assert named(await viewing.next()) == ("gone", second)
        assert (await api.client.delete(f"/v1/generations/{running.generation_id}")).status_code == 204
        assert named(await viewing.next()) == ("gone", running.generation_id)
        third = await ended(api)
        assert await viewing.take(7) == await told(api, third)
    async with follow(api) as viewing:
        assert await viewing.take(4) == await all_told(api, [first, third], whole_logs=False)
    # Its place is not known any more.
    async with follow(api, at(second)) as viewing:
        assert (await viewing.next()).event == "reset"


async def test_an_expired_turn_is_gone(api: Api, redis_url: str) -> None:
    first, second = await ended(api), await ended(api)
    with Redis.from_url(redis_url) as redis:
        redis.delete(GenerationKeys(first).record, GenerationKeys(first).log)
    for cursor in (None, at(first)):
        async with follow(api, cursor) as viewing:
            assert named(await viewing.next()) == ("gone", first)
            assert await viewing.take(2) == (await told(api, second, whole_log=cursor is not None))[:2]


async def test_a_deleted_conversation_ends_its_streams(api: Api) -> None:
    first = await ended(api)
    running = await begin(api)
    async with follow(api) as viewing, follow(api, at(first)) as other:
        await viewing.take(4)
        await other.take(8)
        path = ADDRESS.removesuffix("/events")
        assert (await api.client.delete(path)).status_code == 204
        for each in (viewing, other):
            assert [message.event for message in await each.rest()] in ([], ["gone"])
    assert (await api.client.get(ADDRESS)).status_code == 410
    again = await ended(api)
    async with follow(api) as viewing:
        assert await viewing.take(2) == await told(api, again, whole_log=False)
    assert running.generation_id != again


async def test_a_conversation_begun_anew_under_a_viewer_starts_over(api: Api, redis_url: str) -> None:
    await ended(api)
    async with follow(api) as viewing:
        await viewing.take(2)
        # As if the news of its end was lost.
        with Redis.from_url(redis_url) as redis:
            redis.delete(KEYS.about, KEYS.generations)
        new = await ended(api)
        reset = await viewing.next()
        assert (reset.event, json.loads(reset.data)["reason"]) == ("reset", "unknown_cursor")
        beginning, *_, end = await told(api, new)
        assert await viewing.next() == beginning
        while await viewing.next() != end:  # it may have been heard of before it ended
            pass


async def test_an_expired_conversation_is_gone(api: Api, redis_url: str) -> None:
    await ended(api)
    async with follow(api) as viewing:
        await viewing.take(2)
        with Redis.from_url(redis_url) as redis:
            redis.delete(KEYS.about, KEYS.generations)
            redis.publish(KEYS.channel, "x")
        assert await viewing.rest() == []
    assert (await api.client.get(ADDRESS)).status_code == 410


async def test_a_lost_subscription_loses_no_turn(api: Api, redis_url: str) -> None:
    first = await ended(api)
    async with follow(api, at(first)) as viewing:
        await viewing.take(6)
        with Redis.from_url(redis_url) as redis:
            for _ in range(5):
                assert redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub") >= 1
                later = await ended(api)
                assert await viewing.take(7) == await told(api, later)
                await until(lambda: redis.pubsub_numsub(KEYS.channel)[0][1], "resubscription")


async def test_what_nobody_published_is_found_on_a_slow_clock(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, heartbeat=0.1)
    first = await ended(api)
    async with follow(api) as viewing:
        await viewing.take(2)
        with Redis.from_url(redis_url) as redis:
            hidden = await api.post()
            redis.hset(GenerationKeys(hidden).record, "conversation", CHAT)
            redis.zadd(KEYS.generations, {hidden: 2})
        reading = asyncio.create_task(viewing.next())
        assert (await reading).id == at(hidden)
        assert viewing.raw.count(b": \n") >= 1, "heartbeats go on meanwhile"
    assert first != hidden


async def test_drain_sends_viewers_elsewhere(make_api: MakeApi, redis_url: str) -> None:
    api, other = await make_api(redis_url), await make_api(redis_url)
    first = await ended(api)
    async with follow(api) as viewing:
        last = (await viewing.take(2))[-1]
        api.server.should_exit = True
        drain = await viewing.next()
        assert (drain.id, drain.event, drain.data) == (None, "drain", b"{}")
        assert await viewing.rest() == []
    second = await ended(other)
    async with follow(other, last.id) as viewing:
        assert await viewing.take(7) == await told(other, second)
    assert first != second


async def test_a_trimmed_log_says_so(api: Api, redis_url: str) -> None:
    first = await ended(api, words=5)
    running = await begin(api)
    await running.say("a", "b", "c")
    with Redis.from_url(redis_url) as redis:
        for generation_id in (first, running.generation_id):
            redis.xtrim(GenerationKeys(generation_id).log, maxlen=3, approximate=False)
    for cursor, ids in ((at(first), (first, running.generation_id)), (at(running.generation_id), ())):
        async with follow(api, cursor) as viewing:
            for number, generation_id in enumerate(ids or (running.generation_id,)):
                if number:
                    assert (await viewing.next()).id == at(generation_id)
                assert named(await viewing.next()) == ("trimmed", generation_id)
                assert await viewing.take(3) == (await told(api, generation_id))[1:]


async def test_a_log_that_went_another_way_starts_over(api: Api, redis_url: str) -> None:
    first = await ended(api)
    running = await begin(api)
    await running.say("a")
    async with follow(api) as viewing:
        await viewing.take(6)
        keys = GenerationKeys(running.generation_id)
        with Redis.from_url(redis_url) as redis:
            # It came back older, and another attempt began.
            redis.delete(keys.log)
            redis.hset(keys.record, mapping={"token": 0, "attempts": 0})
        again = await begin(api, running.generation_id)
        assert (await viewing.next()).event == "reset"
        assert await viewing.take(2) == await told(api, first, whole_log=False)
        assert await viewing.take(2) == await told(api, again.generation_id)
        await again.complete()
        assert [(await viewing.next()).event for _ in range(2)] == ["part_end", "completed"]


async def test_who_watches_a_conversation_watches_what_runs_of_it(api: Api) -> None:
    running = await begin(api, await ask(api, on_unwatched={"after": 60}))
    waiting = await ask(api, on_unwatched={"after": 60})

    async def watchers(generation_id: str) -> int:
        """Those beside the one who asks."""
        async with api.client.stream("GET", f"/v1/generations/{generation_id}/events?viewers=1") as response:
            viewing = Viewing(response)
            while (message := await viewing.next()).event != "viewers":
                pass
        return int(json.loads(message.data)["viewers"]) - 1

    async with follow(api) as viewing:
        await viewing.take(3)
        assert [await watchers(each) for each in (running.generation_id, waiting)] == [1, 1]
        await running.complete()
        assert [(await viewing.next()).event for _ in range(4)][1:] == ["completed", "generation", "queued"]
        assert await watchers(waiting) == 1
        with api.hub.audience.watching(running.generation_id, None):
            assert api.hub.audience.join(running.generation_id, None).here == 2, "nobody watches what has ended"
    await until(lambda: not api.hub.viewers, "the viewer to be gone")
    assert await watchers(waiting) == 0


async def test_it_says_how_many_watch_what_runs(api: Api) -> None:
    running = await begin(api)
    waiting = await ask(api)
    counted = f"{ADDRESS}?viewers=1"

    async def said(viewing: Viewing) -> tuple[str, int]:
        """The next count, which moves no cursor."""
        while (message := await viewing.next()).event != "viewers":
            pass
        assert message.id is None
        data = json.loads(message.data)
        assert list(data) == ["id", "viewers"]
        return data["id"], data["viewers"]

    async with follow(api, address=counted) as viewing:
        assert await said(viewing) == (running.generation_id, 1)
        async with follow(api), api.view(running.generation_id):
            while await said(viewing) != (running.generation_id, 3):
                pass
        while await said(viewing) != (running.generation_id, 1):
            pass
        await running.complete()
        # Of what has begun since then, and no more of what has ended.
        assert await said(viewing) == (waiting, 1)
        await (await begin(api, waiting)).complete()
        last = await begin(api)
        assert await said(viewing) == (last.generation_id, 1)


async def test_unasked_it_does_not_say_how_many_watch(api: Api) -> None:
    running = await begin(api)
    async with follow(api) as viewing, follow(api, address=f"{ADDRESS}?viewers=1") as other:
        while (await other.next()).event != "viewers":
            pass
        await running.complete()
        assert "viewers" not in [(await viewing.next()).event for _ in range(4)]


async def test_a_key_that_is_withdrawn_cuts_the_stream(make_api: MakeApi, redis_url: str) -> None:
    from tests.api.access.signed_in import bearer, make_key, store

    api = await make_api(redis_url, keys="redis")
    made = await make_key(api)
    body = {"model": "simulator/lorem", "messages": [{"role": "user", "content": "Go."}], "conversation": CHAT}
    assert (await api.client.post("/v1/generations", json=body, headers=bearer(made.key))).status_code == 202
    async with api.client.stream("GET", ADDRESS, headers=bearer(made.key)) as response:
        assert response.status_code == 200
        await store(api).revoke(made.stored.id)
        await until(lambda: not api.hub.viewers, "the viewer to be cut")


async def test_admission_says_why_not(api: Api) -> None:
    watched = api.app.state.services.watched
    assert await admit(watched, "local", CHAT) == "not_found"
    await ended(api)
    assert await admit(watched, "local", CHAT) is None
    assert await admit(watched, "somebody", CHAT) == "not_found"
    await api.client.delete(ADDRESS.removesuffix("/events"))
    assert await admit(watched, "local", CHAT) == "gone"
    assert ConversationStream(watched, CHAT, "local", ConversationStart()).status_code == 200
