"""Conversations: their order, how long they are kept and what ends them, on every Redis."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.conversations import conversations as module
from shared.conversations import renewal as renewal_module
from shared.conversations.conversations import Buried, Conversations, NoteOutcome, Numbered
from shared.conversations.look import IndexLook, look
from shared.conversations.owner_index import ConversationPlace
from shared.conversations.renewal import Renewal
from shared.errors import GoneError
from shared.generations import generations as generations_module
from shared.generations.conversation_removal import remove
from shared.generations.generations import ConversationFullError, Existence, Generations
from shared.log.guarded_log import Log
from shared.record import Acceptance, Shown
from shared.storage.clock import ServerClock, read_clock, read_server
from shared.storage.keys import COUNTED_KEY, PENDING_KEY, ConversationKeys, GenerationKeys, conversations_key
from shared.usage import REMEMBERED_MS
from tests.contract.accepting import REQUEST, batch, claim, completed

KEYS = ConversationKeys("ann", "chat")


@pytest.fixture
def settings() -> Settings:
    return Settings(lease=0.3, conversation_ttl=1_600.0, tombstone_ttl=100.0)


@pytest.fixture
def conversations(generations: Generations) -> Conversations:
    return generations.conversations


@pytest.fixture
def renewal(conversations: Conversations) -> Renewal:
    return Renewal(conversations)


async def asked(generations: Generations, **fields: Any) -> Acceptance:
    """One of the conversation that is not accepted yet."""
    given: dict[str, Any] = {
        "id": await generations.new_id("ann", None), "owner": "ann", "model": "p/m", "request": REQUEST,
        "on_interrupt": "restart", "ttl_ms": generations.conversations.kept_ms, "conversation": "chat",
        "shown": msgspec.json.encode(Shown(title="Hello")),
    }  # fmt: skip
    return Acceptance(**(given | fields))


async def taken(generations: Generations, **fields: Any) -> Acceptance:
    """One that is accepted, as its API remembers it."""
    acceptance = await asked(generations, **fields)
    accepted = await generations.accept(acceptance)
    return replace(acceptance, created_ms=accepted.created_ms, number=accepted.number)


async def end(generations: Generations, generation_id: str) -> None:
    log = Log(generations.redis)
    attempt = await claim(log, generation_id)
    await log.append(batch(generation_id, attempt, 1, [completed()]))


async def order(conversations: Conversations) -> list[tuple[int, str]]:
    return [(number, generation_id) for number, generation_id in await conversations.generations("ann", "chat")]


async def later(redis: Redis) -> None:
    """Wait for Redis' next ms."""
    now, _ = await read_clock(redis)
    while (await read_clock(redis))[0] == now:
        await asyncio.sleep(0.001)


# Notes and their order


async def test_generations_are_numbered_once_in_their_order(conversations: Conversations) -> None:
    for generation_id in ("gen_b", "gen_a", "gen_b"):
        await conversations.note("ann", "chat", generation_id, "Hello")
    assert await conversations.note("ann", "chat", "gen_a") == (NoteOutcome.BEFORE, 2)
    assert await order(conversations) == [(1, "gen_b"), (2, "gen_a")]
    assert [tuple(each) for each in await conversations.generations("ann", "chat", after=1)] == [(2, "gen_a")]
    about = await conversations.find("ann", "chat")
    assert about is not None
    assert about.title == "Hello"
    assert await conversations.find("bob", "chat") is None
    assert await conversations.newest("ann", ["chat", "none"], 1) == [["gen_a"], []]


async def test_who_follows_hears_of_a_new_one_once(conversations: Conversations, redis: Redis) -> None:
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(KEYS.channel)
        heard: list[Any] = []
        for generation_id in ("gen_a", "gen_a", "gen_b"):
            await conversations.note("ann", "chat", generation_id)
        await conversations.bury("ann", "chat")
        async with asyncio.timeout(5):
            while len(heard) < 3:
                message: Any = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
                heard += [message["data"]] if message else []
    assert heard == [b"gen_a", b"gen_b", b"deleted"]


async def test_a_full_one_takes_no_more(conversations: Conversations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GENERATIONS", 1)
    assert await conversations.note("ann", "chat", "gen_a") == (NoteOutcome.NEW, 1)
    assert await conversations.note("ann", "chat", "gen_b") == (NoteOutcome.FULL, 0)
    assert await conversations.note("ann", "chat", "gen_a") == (NoteOutcome.BEFORE, 1)


async def test_one_that_came_since_it_was_not_found_has_not_ended(conversations: Conversations) -> None:
    assert not await conversations.ended("ann", "chat")
    await conversations.note("ann", "chat", "gen_a")
    assert not await conversations.ended("ann", "chat")
    await conversations.redis.delete(ConversationKeys("ann", "chat").about)
    assert await conversations.ended("ann", "chat")


async def test_of_two_for_the_last_place_one_is_left(
    generations: Generations, conversations: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_GENERATIONS", 1)
    first, second = await asked(generations), await asked(generations)
    ends = await asyncio.gather(generations.accept(first), generations.accept(second), return_exceptions=True)
    refused = [one for one, got in zip((first, second), ends, strict=True) if isinstance(got, ConversationFullError)]
    assert len(refused) == 1
    assert len(await order(conversations)) == 1
    assert (await generations.find(refused[0].id)).record is None
    assert await generations.redis.zcard(PENDING_KEY) == 1


async def test_a_place_that_redis_lost_is_taken_again(generations: Generations, conversations: Conversations) -> None:
    first, second = await taken(generations), await taken(generations)
    before = await order(conversations)
    # Redis comes back without the second, and not yet with it goes on.
    await generations.redis.zrem(KEYS.generations, second.id)
    await generations.redis.hset(KEYS.about, "last", "1")  # type: ignore[misc]
    await generations.note_again([second, first])
    assert await order(conversations) == before
    assert (await taken(generations)).number == 3
    record = (await generations.find(second.id)).record
    assert record is not None
    assert record.number == 2


async def test_a_whole_conversation_that_redis_lost_comes_back(
    generations: Generations, conversations: Conversations
) -> None:
    both = [await taken(generations) for _ in range(2)]
    before = await order(conversations)
    await generations.redis.delete(KEYS.about, KEYS.generations, KEYS.tombstone, conversations_key("ann"))
    await generations.accept_again(list(reversed(both)))
    assert await order(conversations) == before
    about = await conversations.find("ann", "chat")
    assert about is not None
    assert about.title == "Hello"
    assert [place.id for place in await conversations.index.page("ann", before=None, limit=9)] == ["chat"]


async def test_where_its_place_is_anothers_it_is_the_last(
    generations: Generations, conversations: Conversations
) -> None:
    first = await taken(generations)
    await conversations.leave("ann", "chat", first.id)
    await conversations.note("ann", "chat", "gen_other", number=1)
    await generations.note_again([first])
    assert await order(conversations) == [(1, "gen_other"), (2, first.id)]


async def test_who_restores_it_from_its_record_knows_its_place(
    generations: Generations, conversations: Conversations
) -> None:
    """Its worker has read that; its API may be dead."""
    turns = [await taken(generations) for _ in range(3)]
    before = await order(conversations)
    found = [await generations.find(turn.id, request=True) for turn in turns]
    await generations.redis.flushall()
    for one in reversed(found):
        assert one.record is not None
        assert await generations.restore(one.record.accepted(one.request, one.asked))
    assert await order(conversations) == before
    assert [(await generations.find(turn.id)).record for turn in turns] == [one.record for one in found]


async def test_the_number_of_what_was_deleted_makes_no_record(conversations: Conversations, redis: Redis) -> None:
    await conversations.note("ann", "chat", "gen_a")
    assert not await redis.exists(GenerationKeys("gen_a").record)


async def test_a_record_that_is_restored_has_its_place(generations: Generations, conversations: Conversations) -> None:
    lost = await taken(generations)
    await generations.redis.flushall()
    assert [one.id for one in await generations.accept_again([lost])] == [lost.id]
    assert await order(conversations) == [(1, lost.id)]


class Restarted:
    """What Redis says of itself after it came back."""

    def __init__(self, up_ms: int, run_id: str = "another") -> None:
        self.up_ms, self.run_id = up_ms, run_id

    async def __call__(self, redis: Redis) -> ServerClock:
        return (await read_server(redis))._replace(run_id=self.run_id, up_ms=self.up_ms)


async def test_a_turn_after_a_restart_waits_until_lost_ones_are_back(
    generations: Generations, conversations: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations_module, "read_server", Restarted(sys.maxsize, "one"))
    first, lost = await taken(generations), await taken(generations)
    await generations.redis.zrem(KEYS.generations, lost.id)
    await generations.redis.hset(KEYS.about, "last", "1")  # type: ignore[misc]
    monkeypatch.setattr(generations_module, "read_server", Restarted(generations.durability.rewritten_ms - 300))
    new = asyncio.create_task(taken(generations))
    await asyncio.sleep(0.05)
    await generations.note_again([lost])
    assert await order(conversations) == [(1, first.id), (2, lost.id)]
    assert (await new).number == 3
    # The next knows that it is the same run.
    monkeypatch.setattr(generations_module, "read_server", Restarted(0))
    assert (await asyncio.wait_for(taken(generations), 1)).number == 4


async def test_nobody_waits_for_a_redis_that_has_been_there(
    generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations_module, "read_server", Restarted(0))
    await asyncio.wait_for(taken(generations), 1)  # a new conversation, and a Redis as old as this process
    await asyncio.wait_for(taken(generations), 1)
    monkeypatch.setattr(generations_module, "read_server", Restarted(sys.maxsize))
    await asyncio.wait_for(taken(generations), 1)


# How long it is kept


async def ttl(redis: Redis, *keys: str) -> list[float]:
    return [await redis.pttl(key) / 1000 for key in keys]


@pytest.fixture
async def long_ago(generations: Generations, conversations: Conversations) -> list[Acceptance]:
    """Three turns that have ended, of which little time is left."""
    turns = [await taken(generations) for _ in range(3)]
    for turn in turns:
        await end(generations, turn.id)
        keys = GenerationKeys(turn.id)
        for key in (keys.record, keys.log, keys.tombstone):
            await generations.redis.pexpire(key, 20_000)
    for key in (KEYS.about, KEYS.generations, KEYS.tombstone):
        await generations.redis.pexpire(key, 20_000)
    return turns


async def age(redis: Any, field: str, conversations: Conversations, ms: int) -> None:
    now, _ = await read_clock(redis)
    await redis.hset(KEYS.about, field, str(now - ms))


async def test_a_turn_renews_all_of_it(
    renewal: Renewal, conversations: Conversations, long_ago: list[Acceptance], redis: Redis
) -> None:
    await age(redis, "created", conversations, conversations.slack_ms)
    assert await renewal.renew("ann", "chat") == 3
    kept, buried = 1_700.0, 1_800.0
    assert await ttl(redis, KEYS.about, KEYS.generations, KEYS.tombstone) == pytest.approx([kept, kept, buried], abs=5)
    for turn in long_ago:
        keys = GenerationKeys(turn.id)
        assert await ttl(redis, keys.record, keys.log) == pytest.approx([kept, kept], abs=5)
        assert (await ttl(redis, keys.tombstone))[0] >= buried - 5
    assert (await ttl(redis, conversations_key("ann")))[0] > kept


async def test_its_generations_are_renewed_once_in_the_slack(
    renewal: Renewal, conversations: Conversations, long_ago: list[Acceptance], redis: Any
) -> None:
    assert await renewal.renew("ann", "chat") == 0, "it has just begun"
    await age(redis, "created", conversations, 2 * conversations.slack_ms)
    assert await renewal.renew("ann", "chat") == 3
    assert await renewal.renew("ann", "chat") == 0
    await age(redis, "renewed", conversations, conversations.slack_ms - 5_000)
    assert await renewal.renew("ann", "chat") == 0
    await age(redis, "renewed", conversations, conversations.slack_ms + 1)
    assert await renewal.renew("ann", "chat") == 3
    await age(redis, "renewed", conversations, -60_000)
    assert await renewal.renew("ann", "chat") == 3, "the clock was set back"
    assert (await ttl(redis, KEYS.about))[0] > 1_600


async def test_what_breaks_off_is_done_with_the_next_turn(
    renewal: Renewal, conversations: Conversations, long_ago: list[Acceptance], redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    await age(redis, "created", conversations, conversations.slack_ms)
    monkeypatch.setattr(renewal_module, "AT_ONCE", 1)
    extend, left = renewal._extend_all, [1]

    async def breaks_off(ids: list[str]) -> int:
        if not left:
            raise ConnectionError
        left.pop()
        return await extend(ids)

    monkeypatch.setattr(renewal, "_extend_all", breaks_off)
    with pytest.raises(ConnectionError):
        await renewal.renew("ann", "chat")
    monkeypatch.setattr(renewal, "_extend_all", extend)
    assert await renewal.renew("ann", "chat") == 3


async def test_what_is_kept_for_longer_and_what_runs_is_left(
    renewal: Renewal, generations: Generations, conversations: Conversations, redis: Redis
) -> None:
    longer = await taken(generations, ttl_ms=9_000_000)
    await end(generations, longer.id)
    running = await taken(generations)
    await claim(Log(redis), running.id)
    await age(redis, "created", conversations, conversations.slack_ms)
    before = await ttl(redis, GenerationKeys(running.id).record)
    assert await renewal.renew("ann", "chat") == 1
    assert await ttl(redis, GenerationKeys(longer.id).record) == pytest.approx([9_000.0], abs=5)
    assert await ttl(redis, GenerationKeys(running.id).record) == pytest.approx(before, abs=5)


async def test_what_is_gone_is_not_renewed(renewal: Renewal, redis: Redis) -> None:
    assert await renewal.renew("ann", "chat") == 0
    assert await redis.keys("*") == []


async def test_it_is_kept_while_another_turn_runs(renewal: Renewal, generations: Generations, redis: Redis) -> None:
    turns = [await taken(generations) for _ in range(3)]
    running = pytest.approx([Settings().running_ttl] * 2, abs=5)
    await end(generations, turns[2].id)
    await renewal.renew("ann", "chat")
    assert await ttl(redis, KEYS.about, KEYS.generations) == running, "two wait"
    assert (await ttl(redis, KEYS.tombstone))[0] > Settings().running_ttl + 95
    await end(generations, turns[0].id)
    await renewal.renew("ann", "chat")
    assert await ttl(redis, KEYS.about, KEYS.generations) == running, "one waits"
    await generations.delete("ann", turns[1].id)
    await renewal.renew("ann", "chat")
    assert await ttl(redis, KEYS.about, KEYS.generations) == pytest.approx([1_700.0] * 2, abs=5)


async def test_a_turn_that_comes_meanwhile_keeps_it(
    renewal: Renewal, generations: Generations, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await end(generations, (await taken(generations)).id)
    look = renewal._ended

    async def before_another(owner: str, conversation: str) -> int | None:
        ended = await look(owner, conversation)
        await taken(generations)
        return ended

    monkeypatch.setattr(renewal, "_ended", before_another)
    await renewal.renew("ann", "chat")
    running = Settings().running_ttl
    assert await ttl(redis, KEYS.about, KEYS.generations) == pytest.approx([running, running], abs=5)


async def test_one_that_begins_while_its_name_is_deleted_is_listed(
    conversations: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    await conversations.note("ann", "chat", "gen_a")
    drop = conversations.index.drop

    async def late(owner: str, conversation: str) -> None:
        await conversations.note("ann", "chat", "gen_b")
        await drop(owner, conversation)

    monkeypatch.setattr(conversations.index, "drop", late)
    await conversations.bury("ann", "chat")
    assert await conversations.generations("ann", "chat") == [Numbered(1, "gen_b")]
    about = await conversations.find("ann", "chat")
    assert about is not None
    places = await conversations.index.page("ann", before=None, limit=9)
    assert places == [ConversationPlace(about.updated_ms, "chat")]


async def test_one_that_its_owners_index_lacks_is_back_with_the_end_of_a_turn(
    renewal: Renewal, conversations: Conversations, long_ago: list[Acceptance], redis: Redis
) -> None:
    (place,) = await conversations.index.page("ann", before=None, limit=9)
    await redis.delete(conversations_key("ann"))  # its API died behind the note
    await renewal.renew("ann", "chat")
    assert await conversations.index.page("ann", before=None, limit=9) == [place]
    assert (await ttl(redis, conversations_key("ann")))[0] > 1_700


async def test_a_note_keeps_it_for_as_long_as_it_may_run(conversations: Conversations, redis: Redis) -> None:
    await conversations.note("ann", "chat", "gen_a")
    running = Settings().running_ttl
    assert await ttl(redis, KEYS.about, KEYS.generations) == pytest.approx([running, running], abs=5)
    assert await ttl(redis, KEYS.tombstone) == pytest.approx([running + 100], abs=5)


async def test_what_was_renewed_for_long_is_counted_once(
    generations: Generations, long_ago: list[Acceptance], redis: Any
) -> None:
    """Who deletes it counts it where its worker did not live to: of one that old, that was long ago."""
    now, _ = await read_clock(redis)
    old, new = long_ago[:2]
    await redis.delete(COUNTED_KEY)
    ended_ms = now - max(old.ttl_ms, REMEMBERED_MS) - 60_000
    entries = await Log(redis).read(old.id)
    await redis.delete(GenerationKeys(old.id).log)
    for seq, entry in enumerate(entries):
        await redis.xadd(GenerationKeys(old.id).log, {entry.type: entry.data}, id=f"{ended_ms}-{seq}")
    for turn in (old, new):
        await generations.delete("ann", turn.id)
    assert await redis.zrange(COUNTED_KEY, 0, -1) == [new.id.encode()]


# What ends it


async def test_one_that_is_deleted_leaves_a_hole(generations: Generations, conversations: Conversations) -> None:
    turns = [await taken(generations) for _ in range(3)]
    await generations.delete("ann", turns[2].id)
    assert (await taken(generations)).number == 4
    assert await generations.accept_again([turns[2]]) == []
    assert [number for number, _ in await order(conversations)] == [1, 2, 4]


async def test_a_deleted_conversation_takes_all_with_it(
    generations: Generations, conversations: Conversations, redis: Redis
) -> None:
    turns = [await taken(generations) for _ in range(3)]
    await end(generations, turns[0].id)
    buried, ids = await remove(generations, "ann", "chat")
    assert buried is not None
    assert (buried.last, ids) == (3, [turn.id for turn in turns])
    assert await conversations.find("ann", "chat") is None
    assert await conversations.ended("ann", "chat")
    assert await conversations.index.page("ann", before=None, limit=9) == []
    for turn in turns:
        assert (await generations.find(turn.id)).existence is Existence.TOMBSTONE
    assert not await redis.exists(KEYS.about, KEYS.generations, KEYS.buried)
    assert await remove(generations, "ann", "chat") == (None, [])
    assert (await ttl(redis, KEYS.tombstone))[0] == pytest.approx(100, abs=5)


async def test_what_a_crash_left_of_a_deletion_is_deleted_with_the_next(
    generations: Generations, conversations: Conversations
) -> None:
    turns = [await taken(generations) for _ in range(2)]
    await conversations.bury("ann", "chat")
    assert await conversations.find("ann", "chat") is None
    assert (await generations.find(turns[0].id)).record is not None
    _, ids = await remove(generations, "ann", "chat")
    assert ids == [turn.id for turn in turns]
    assert (await generations.find(turns[1].id)).record is None


async def test_nothing_comes_back_to_what_was_deleted(
    generations: Generations, conversations: Conversations, redis: Redis
) -> None:
    old = await taken(generations)
    await later(redis)
    await conversations.bury("ann", "chat")
    await generations.note_again([old])
    assert await conversations.find("ann", "chat") is None
    with pytest.raises(GoneError):  # a repeated POST, in the middle of it
        await generations.accept(old, again=True)
    await later(redis)
    new = await taken(generations)
    await generations.note_again([old])
    assert await order(conversations) == [(1, new.id)]
    # It is known also after a second note.
    await taken(generations)
    await generations.note_again([old])
    assert len(await order(conversations)) == 2


@pytest.mark.parametrize("record", ["lost", "kept"])
async def test_a_turn_that_redis_had_lost_is_deleted_with_its_conversation(
    generations: Generations, redis: Redis, record: str
) -> None:
    await taken(generations)
    lost = await taken(generations)
    await redis.zrem(KEYS.generations, lost.id)
    if record == "lost":
        await redis.delete(GenerationKeys(lost.id).record, GenerationKeys(lost.id).tombstone)
        await generations.queue.remove([lost.id])
    await remove(generations, "ann", "chat")
    await generations.accept_again([lost])
    assert (await generations.find(lost.id)).existence is Existence.TOMBSTONE
    assert await generations.conversations.find("ann", "chat") is None


async def test_a_deletion_that_redis_lost_takes_nothing_that_came_since(
    generations: Generations, conversations: Conversations
) -> None:
    old = await taken(generations)
    about = await conversations.find("ann", "chat")
    assert about is not None
    again = Buried(about.created_ms, 1)  # Redis came back without the deletion, and took another turn
    new = await taken(generations)
    buried, ids = await remove(generations, "ann", "chat", again)
    assert (buried, ids) == (again, [old.id])
    assert await order(conversations) == [(2, new.id)]
    assert [place.id for place in await conversations.index.page("ann", before=None, limit=9)] == ["chat"]
    assert await remove(generations, "ann", "chat", replace_created(again)) == (None, [])
    assert await order(conversations) == [(2, new.id)]


def replace_created(buried: Buried) -> Buried:
    """Of another conversation of the same name."""
    return buried._replace(created_ms=buried.created_ms - 1)


async def test_a_title_is_that_of_what_is_there(conversations: Conversations, redis: Redis) -> None:
    assert not await conversations.rename("ann", "chat", "New")
    assert await redis.keys("*") == []
    await conversations.note("ann", "chat", "gen_a", "Old")
    assert await conversations.rename("ann", "chat", "New")
    about = await conversations.find("ann", "chat")
    assert about is not None
    assert about.title == "New"


# The owner's index


async def test_the_index_is_paged_also_where_all_are_of_one_moment(conversations: Conversations) -> None:
    index = conversations.index
    for name in ("a", "b", "c-1", "d"):
        await index.note("ann", name, 5_000_000_000)
    await index.note("ann", "old", 4_000_000_000)
    seen: list[str] = []
    before: ConversationPlace | None = None
    while page := await index.page("ann", before=before, limit=2):
        seen += [place.id for place in page]
        before = ConversationPlace.parse(str(page[-1]))
    assert seen == ["d", "c-1", "b", "a", "old"]


@pytest.mark.parametrize("text", ["", "5", "-x", "5-", "x-y", "-5-x", "1" * 16 + "-x"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match="a place is"):
        ConversationPlace.parse(text)


async def test_what_leads_nowhere_is_dropped_unless_it_is_there_again(
    conversations: Conversations, redis: Redis
) -> None:
    index = conversations.index
    for name in ("a", "b"):
        await index.note("ann", name, 5_000_000_000)
    places = await index.page("ann", before=None, limit=9)
    await index.note("ann", "b", 5_000_000_001)
    await index.forget("ann", places)
    assert [place.id for place in await index.page("ann", before=None, limit=9)] == ["b"]
    await index.forget("ann", [])


async def test_an_index_holds_no_more_than_can_be_found(conversations: Conversations, redis: Redis) -> None:
    index = conversations.index
    long = 3 * int(Settings().running_ttl * 1000)
    await index.note("ann", "old", 5_000_000_000)
    await index.note("ann", "new", 5_000_000_000 + long)
    assert await redis.zrange(conversations_key("ann"), 0, -1) == [b"new"]


async def test_a_look_finds_what_is_there_from_a_number_on(conversations: Conversations) -> None:
    redis = conversations.redis
    assert await look(redis, "ann", "chat") == IndexLook(False, False, 0, [])
    for generation_id in ("gen_a", "gen_b", "gen_c"):
        await conversations.note("ann", "chat", generation_id)
    await conversations.leave("ann", "chat", "gen_a")
    assert await look(redis, "ann", "chat", 3) == IndexLook(True, False, 2, [Numbered(3, "gen_c")])
    assert (await look(redis, "ann", "chat")).since == [Numbered(2, "gen_b"), Numbered(3, "gen_c")]
    assert (await look(redis, "bob", "chat")).exists is False
    await conversations.bury("ann", "chat")
    assert await look(redis, "ann", "chat") == IndexLook(False, True, 0, [])


async def test_who_follows_hears_of_what_comes_and_goes(conversations: Conversations) -> None:
    async with conversations.redis.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(KEYS.channel)
        await conversations.note("ann", "chat", "gen_a")
        await conversations.note("ann", "chat", "gen_a")
        await conversations.note("ann", "chat", "gen_b")
        await conversations.leave("ann", "chat", "gen_a")
        await conversations.bury("ann", "chat")
        said: list[bytes] = []
        async with asyncio.timeout(10):
            while len(said) < 4:
                message = await heard.get_message(timeout=1.0)
                said += [message["data"]] if message is not None else []
    assert said == [b"gen_a", b"gen_b", b"gen_a", b"deleted"]
