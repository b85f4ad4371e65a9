"""Telling a viewer what it has missed: by pages, whatever Redis does meanwhile."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError

from api.viewing.conversation import catch_up
from api.viewing.replayer import send
from shared.record import Record
from shared.storage.keys import ConversationKeys, GenerationKeys
from tests.api.harness import Api, Hasty, MakeApi, until
from tests.api.viewing.conversation.following import CHAT, all_told, at, begin, ended, follow, named, told

KEYS = ConversationKeys("local", CHAT)


async def test_many_turns_are_told_in_few_round_trips(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up, "RECORDS_PER_READ", 5)
    ids = [await ended(api) for _ in range(12)]
    read, sizes = api.generations.records, []

    async def counted(wanted: Sequence[str]) -> list[Record | None]:
        sizes.append(len(wanted))
        return list(await read(wanted))

    monkeypatch.setattr(api.generations, "records", counted)
    async with follow(api) as viewing:
        assert await viewing.take(24) == await all_told(api, ids, whole_logs=False)
    assert sizes == [8, 5, 5, 2]  # the first is the follower's


async def test_a_redis_that_is_away_is_asked_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [await ended(api) for _ in range(2)]
    failures = {"records": 2, "ends": 1, "find": 0, "holds": 1}

    def failing(name: str, method: Any) -> Any:
        async def ask(*arguments: Any, **named: Any) -> Any:
            if failures[name]:
                failures[name] -= 1
                raise ConnectionError
            return await method(*arguments, **named)

        return ask

    async with follow(api) as viewing:
        await viewing.take(4)
        for name, owner in (("records", api.generations), ("ends", api.log), ("holds", api.log)):
            monkeypatch.setattr(owner, name, failing(name, getattr(owner, name)))
        async with follow(api) as other:
            assert await other.take(4) == await all_told(api, ids, whole_logs=False)
        log = await told(api, ids[0])
        async with follow(api, log[2].id) as other:
            assert await other.take(len(log) - 3) == log[3:]
    assert not any(failures.values())


async def test_a_turn_that_is_deleted_while_it_is_told_is_gone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [await ended(api, words=1_200), await ended(api)]
    read, deleted = api.log.read_raw, False

    async def deleting(generation_id: str, *arguments: Any, **named: Any) -> Any:
        nonlocal deleted
        entries = await read(generation_id, *arguments, **named)
        if generation_id == ids[0] and not deleted:
            deleted = True
            await api.generations.delete("local", ids[0])
        return entries

    monkeypatch.setattr(api.log, "read_raw", deleting)
    async with follow(api, at(ids[0])) as viewing:
        events = [await viewing.next() for _ in range(500)]
        assert {message.event for message in events[2:]} == {"delta"}
        assert named(await viewing.next()) == ("gone", ids[0])
        assert await viewing.take(7) == await told(api, ids[1])


async def test_a_log_that_lost_its_end_ends_the_stream_and_not_the_turn(api: Api, redis_url: str) -> None:
    """Its worker may be writing the rest again: the client comes back with its cursor."""
    first = await ended(api)
    log = await told(api, first)
    with Redis.from_url(redis_url) as redis:
        assert log[-1].id
        redis.xdel(GenerationKeys(first).log, log[-1].id.partition(".")[2])
    async with follow(api, at(first)) as viewing:
        assert await viewing.rest() == log[1:-1]


async def test_a_viewer_that_cannot_be_told_is_cut(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await ended(api)

    async def wrong(wanted: Sequence[str]) -> list[Record | None]:
        raise KeyError("x")

    async with follow(api):
        await until(lambda: not _telling(), "the first to be told")
        monkeypatch.setattr(api.log, "ends", wrong)
        async with follow(api) as viewing:
            with contextlib.suppress(Exception):
                assert await viewing.rest() == []
            await until(lambda: len(api.hub.viewers) == 1, "it to be cut")
    assert "telling a viewer of a conversation failed" in caplog.text


def _telling() -> bool:
    return any(getattr(task.get_coro(), "__qualname__", "") == "catch_up" for task in asyncio.all_tasks())


async def test_a_turn_that_redis_has_lost_is_waited_for(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, times=Hasty(1.0, sync_s=300.0))  # Redis counts as young for very long
    first, second = await ended(api), await ended(api)
    log = await told(api, second)
    with Redis.from_url(redis_url) as redis:
        redis.zrem(KEYS.generations, second)
        async with follow(api, log[2].id) as viewing:
            reading = asyncio.create_task(viewing.next())
            await asyncio.sleep(0.2)
            assert not reading.done()
            redis.zadd(KEYS.generations, {second: 2})
            redis.publish(KEYS.channel, second)
            assert await reading == log[3]
    assert first != second


async def test_a_record_that_redis_has_lost_is_waited_for(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, times=Hasty(1.0, sync_s=300.0))
    ids = [await ended(api), await ended(api)]
    keys = GenerationKeys(ids[0])
    expected = await all_told(api, ids, whole_logs=False)
    with Redis.from_url(redis_url) as redis:
        kept = {key: redis.dump(key) for key in (keys.record, keys.log, keys.tombstone)}
        redis.delete(*kept)
        async with follow(api) as viewing:
            reading = asyncio.create_task(viewing.take(4))
            await asyncio.sleep(0.2)
            assert not reading.done()
            for key, value in kept.items():
                redis.restore(key, 0, value)
            seen = await reading
    assert [message.id for message in seen] == [message.id for message in expected]


async def test_what_is_void_before_it_is_told_starts_over(
    api: Api, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await ended(api) for _ in range(3)]
    async with follow(api):
        await until(lambda: not _telling(), "the first to be told")
        told_first = asyncio.Event()
        swapped = asyncio.Event()

        async def slow(*arguments: Any) -> bool:
            whole = await send(*arguments)
            told_first.set()
            await swapped.wait()
            return whole

        monkeypatch.setattr(catch_up, "send", slow)
        async with follow(api, at(ids[0])) as viewing:
            await viewing.take(6)
            await told_first.wait()
            with Redis.from_url(redis_url) as redis:
                redis.zadd(KEYS.generations, {ids[0]: 3, ids[1]: 1, ids[2]: 2})
                redis.publish(KEYS.channel, "x")
            await until(lambda: any(getattr(viewer, "voided", False) for viewer in api.hub.viewers), "it to be void")
            swapped.set()
            reset = await viewing.next()
            assert (reset.event, json.loads(reset.data)["reason"]) == ("reset", "unknown_cursor")
            assert await viewing.take(6) == await all_told(api, [ids[1], ids[2], ids[0]], whole_logs=False)


async def test_turns_that_wait_are_all_said_early(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up, "RECORDS_PER_READ", 2)
    running = await begin(api)
    waiting = [await ended(api) for _ in range(5)]
    async with follow(api) as viewing:
        assert (await viewing.next()).id == at(running.generation_id)
        assert [named(await viewing.next()) for _ in range(5)] == [("begun", each) for each in waiting]
        await running.complete()
        assert [(await viewing.next()).event for _ in range(3)] == ["attempt", "part_end", "completed"]
        assert await viewing.take(35) == await all_told(api, waiting)


@pytest.mark.timeout(300)
async def test_a_thousand_turns_are_told_by_their_ends(api: Api) -> None:
    first = await ended(api)
    log = await told(api, first)
    conversations, ids = api.generations.conversations, [first]
    with Redis.from_url(api.settings.redis_url) as redis:
        keys = GenerationKeys(first)
        record, entries = redis.dump(keys.record), redis.dump(keys.log)
        for number in range(2, 1_001):
            ids.append("gen_" + base64.b32encode(number.to_bytes(20, "big")).decode().lower())
            copy = GenerationKeys(ids[-1])
            redis.restore(copy.record, 0, record)
            redis.restore(copy.log, 0, entries)
            await conversations.note("local", CHAT, ids[-1])
    async with follow(api) as viewing:
        messages = await viewing.take(2_000)
    assert [message.id for message in messages[::2]] == [at(each) for each in ids]
    assert [message.id for message in messages[1::2]] == [at(each, str(log[-1].id).partition(".")[2]) for each in ids]
    async with follow(api, at(ids[997])) as viewing:
        assert len(await viewing.take(6 + 2 * 7)) == 20
