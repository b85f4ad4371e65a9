"""The follower of a conversation: what it tells of an index that grows, shrinks, is forgotten, or is another."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError

from api.viewing.conversation import follower as module
from api.viewing.conversation.follower import ConversationFollower
from api.viewing.conversation.held_turns import Turn
from api.viewing.conversation.watched import WatchedConversations
from shared.conversations.conversations import Numbered
from shared.conversations.look import look
from shared.storage.keys import ConversationKeys
from tests.api.harness import Api, Hasty, MakeApi, until
from tests.api.viewing.conversation.following import CHAT, ask, ended

KEYS = ConversationKeys("local", CHAT)


class Watcher:
    """Notes what it is told."""

    def __init__(self, place: int = 99) -> None:
        self.place = place
        self.told: list[tuple[str, Any]] = []

    def news(self, turns: Sequence[Turn]) -> None:
        self.told.append(("news", [turn.record.id for turn in turns]))

    def removed(self, turn: Numbered) -> None:
        self.told.append(("removed", turn.id))

    def void(self) -> None:
        self.told.append(("void", None))

    def finish(self) -> None:
        self.told.append(("finish", None))

    async def hears(self, *told: tuple[str, Any]) -> None:
        """Waits until it was told this, and nothing else."""
        await until(lambda: len(self.told) >= len(told), f"{told}, and not only {self.told}")
        assert self.told == list(told)


@contextlib.asynccontextmanager
async def following(api: Api, watcher: Watcher) -> AsyncIterator[ConversationFollower]:
    """The follower of the conversation, once it has read the index."""
    watched: WatchedConversations = api.app.state.services.watched
    follower = watched.acquire("local", CHAT, watcher)
    await follower.ready.wait()
    watcher.told.clear()
    try:
        yield follower
    finally:
        watched.release(follower, watcher)


async def test_it_hears_of_each_new_turn(api: Api) -> None:
    await ended(api)
    watcher = Watcher()
    async with following(api, watcher) as follower:
        ids = [await ask(api), await ask(api)]
        await watcher.hears(("news", [ids[0]]), ("news", [ids[1]]))
        assert follower.turns.newest == 3


async def test_one_that_is_deleted_is_removed_and_one_that_is_forgotten_is_not(api: Api, redis_url: str) -> None:
    ids = [await ended(api) for _ in range(3)]
    watcher = Watcher()
    async with following(api, watcher) as follower:
        with Redis.from_url(redis_url) as redis:
            redis.zrem(KEYS.generations, ids[0], ids[2])
        assert (await api.client.delete(f"/v1/generations/{ids[1]}")).status_code == 204
        await watcher.hears(("removed", ids[1]))
        # Their records are there: somebody notes them again.
        assert [turn.id for turn in follower.turns.after(0, 9)] == [ids[0], ids[2]]
        for number, generation_id in ((1, ids[0]), (3, ids[2])):
            await api.generations.conversations.note("local", CHAT, generation_id, number=number)
        await follower.look_again()
        fourth = await ask(api)
        await watcher.hears(("removed", ids[1]), ("news", [fourth]))
        assert follower.turns.newest == 4


async def test_what_redis_has_lost_altogether_is_removed_once_it_has_been_up_for_long(
    make_api: MakeApi, redis_url: str
) -> None:
    api = await make_api(redis_url, times=Hasty(1.0, sync_s=0.02))
    lost = "gen_" + "a" * 32  # of which no API node knows, who would write it again
    await api.generations.conversations.note("local", CHAT, lost)
    await ended(api)
    watcher = Watcher()
    async with following(api, watcher):
        with Redis.from_url(redis_url) as redis:
            redis.zrem(KEYS.generations, lost)
            redis.publish(KEYS.channel, "x")
        await watcher.hears(("removed", lost))


async def test_what_a_young_redis_has_lost_altogether_is_waited_for(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, times=Hasty(1.0, sync_s=300.0))
    lost = "gen_" + "a" * 32
    await api.generations.conversations.note("local", CHAT, lost)
    watcher = Watcher()
    async with following(api, watcher) as follower:
        with Redis.from_url(redis_url) as redis:
            redis.zrem(KEYS.generations, lost)
        await follower.look_again()
        assert watcher.told == []
        assert follower.turns.number(lost) == 1
        await api.generations.conversations.note("local", CHAT, lost, number=1)
        await follower.look_again()
        assert watcher.told == []


async def test_another_order_voids_what_was_told_of_it(api: Api, redis_url: str) -> None:
    ids = [await ended(api) for _ in range(3)]
    behind, ahead = Watcher(1), Watcher(2)
    async with following(api, behind), following(api, ahead):
        behind.told.clear()
        with Redis.from_url(redis_url) as redis:
            redis.zadd(KEYS.generations, {ids[1]: 3, ids[2]: 2})
            redis.publish(KEYS.channel, "x")
        await ahead.hears(("void", None), ("news", [ids[2], ids[1]]))
        await behind.hears(("news", [ids[2], ids[1]]))


async def test_a_conversation_that_is_gone_ends_them(api: Api, redis_url: str) -> None:
    await ended(api)
    watcher = Watcher()
    async with following(api, watcher) as follower:
        with Redis.from_url(redis_url) as redis:
            redis.delete(KEYS.about, KEYS.generations)
            redis.publish(KEYS.channel, "deleted")
        await watcher.hears(("finish", None))
        assert follower.ended
        await follower.look_again()  # nobody looks any more


async def test_a_conversation_that_redis_forgot_is_waited_for(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, times=Hasty(1.0, sync_s=0.05))
    first = "gen_" + "a" * 32  # of which no API node knows, who would note it again
    await api.generations.conversations.note("local", CHAT, first)
    watcher = Watcher()
    async with following(api, watcher) as follower:
        for again in (True, False):
            with Redis.from_url(redis_url) as redis:
                redis.delete(KEYS.about, KEYS.generations, KEYS.tombstone)
                redis.publish(KEYS.channel, "x")
            if again:
                await follower.look_again()
                await api.generations.conversations.note("local", CHAT, first, number=1)
                await follower.look_again()
                assert watcher.told == []
        await watcher.hears(("finish", None))


async def test_a_redis_that_is_away_is_asked_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await ended(api)
    failures = 2

    async def failing(*arguments: Any) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            raise ConnectionError
        return await look(*arguments)

    watcher = Watcher()
    async with following(api, watcher) as follower:
        monkeypatch.setattr(module, "look", failing)
        await follower.look_again()
        assert failures == 0
        second = await ask(api)
        await watcher.hears(("news", [second]))


async def test_a_turn_is_told_of_where_redis_is_away_behind_the_look(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await ended(api)
    watcher = Watcher()
    async with following(api, watcher) as follower:
        records, reads = api.generations.records, [0]

        async def failing(generation_ids: Sequence[str]) -> Any:
            reads[0] += 1
            if reads[0] == 1:
                raise ConnectionError
            return await records(generation_ids)

        monkeypatch.setattr(api.generations, "records", failing)
        second = await ask(api)
        await watcher.hears(("news", [second]))
        assert reads[0] == 2
        find, finds = api.generations.find, [0]

        async def failing_too(generation_id: str, **options: bool) -> Any:
            finds[0] += 1
            if finds[0] == 1:
                raise ConnectionError
            return await find(generation_id, **options)

        await api.generations.delete("local", first)
        await watcher.hears(("news", [second]), ("removed", first))
        monkeypatch.setattr(api.generations, "find", failing_too)
        redis = api.generations.redis
        await redis.zrem(KEYS.generations, second)  # and what comes is told of in the same look
        third = await ask(api)
        await watcher.hears(("news", [second]), ("removed", first), ("news", [third]))
        assert finds[0] > 1
        assert follower.turns.newest == 3


async def test_one_that_fails_ends_its_viewers(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await ended(api)
    watcher = Watcher()
    async with following(api, watcher):

        async def wrong(*arguments: Any) -> None:
            raise KeyError("x")

        monkeypatch.setattr(module, "look", wrong)
        await ask(api)
        await watcher.hears(("finish", None))
    assert "following a conversation failed" in caplog.text
