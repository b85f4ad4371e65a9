"""What comes before a request: read in order, whole, the owner's own, within bounds, or told as missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from fakeredis import FakeAsyncRedis

from shared.config.settings import Settings
from shared.durability import Durability
from shared.errors import PreviousError
from shared.generations.generations import Generations
from shared.log.events import Cancelled, Completed, Delta, Event, Part, PartEnd
from shared.log.guarded_log import Log
from shared.queue.queue import Queue
from shared.record import MAX_NEAREST, Acceptance, Asked, Chain
from shared.request.limits import MAX_MESSAGES, MAX_PARTS
from shared.storage.clock import ServerClock
from shared.storage.keys import GenerationKeys
from tests.contract.accepting import batch, claim
from worker.requests import conversation
from worker.requests.kept_request import KeptRequest

CALL = {"id": "call_1", "type": "function", "function": {"name": "rain", "arguments": '{"city":"Oslo"}'}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def text(said: str) -> list[Event]:
    return [Part(part=0, kind="text"), Delta(part=0, kind="text", delta=said), PartEnd(part=0)]


def calling() -> list[Event]:
    return [
        Part(part=0, kind="tool_call", call_id="call_1", name="rain"),
        Delta(part=0, kind="tool_call", delta='{"city":"Oslo"}'),
        PartEnd(part=0),
    ]


class Past:
    """Generations that ended, each of which goes on from the one before it."""

    def __init__(self, **settings: Any) -> None:
        redis = FakeAsyncRedis(version=(7, 0))
        known = Settings(**settings)
        self.generations = Generations(redis, Queue(redis, known), known)
        self.log = Log(redis)
        self.ids: list[str] = []

    async def put(self, messages: Sequence[dict[str, Any]], asked: Asked | None = None, owner: str = "me") -> str:
        generation_id = f"gen_{len(self.ids)}"
        fields: dict[str, Any] = {"model": "p/m", "messages": messages, "temperature": 1}
        if self.ids:
            fields["previous"] = self.ids[-1]
        nearest = tuple(reversed(self.ids))[:MAX_NEAREST]
        await self.generations.accept(
            Acceptance(
                id=generation_id, owner=owner, model="p/m", request=json.dumps(fields).encode(),
                asked=b"" if asked is None else msgspec.json.encode(asked), on_interrupt="restart", ttl_ms=60_000,
                chain=Chain(1, 1, len(self.ids), nearest),
            )
        )  # fmt: skip
        self.ids.append(generation_id)
        return generation_id

    async def say(
        self, messages: Sequence[dict[str, Any]], said: Sequence[Event], asked: Asked | None = None, owner: str = "me"
    ) -> str:
        generation_id = await self.put(messages, asked, owner)
        attempt = await claim(self.log, generation_id)
        end = [] if said and said[-1].type == "cancelled" else [Completed(finish_reason="stop")]
        await self.log.append(batch(generation_id, attempt, 1, [*said, *end]))
        return generation_id

    async def kept(self) -> KeptRequest:
        """The newest, as its worker has it."""
        found = await self.generations.find(self.ids[-1], request=True)
        assert found.record is not None
        return KeptRequest(self.generations, found.record, found.request, found.asked)

    async def messages(self) -> list[dict[str, Any]]:
        request = await (await self.kept()).request()
        assert request.previous is None
        return [message.model_dump(exclude_none=True) for message in request.messages]

    async def refused(self) -> tuple[str, str]:
        kept = await self.kept()
        with pytest.raises(PreviousError) as caught:
            await kept.request()
        assert kept.head is None
        return caught.value.reason, caught.value.id


async def test_requests_and_answers_come_in_order() -> None:
    past = Past()
    await past.say([system("Be kind."), user("1?")], text("1!"))
    await past.say([user("2?")], text("2!"))
    await past.put([user("3?")])
    assert await past.messages() == [
        system("Be kind."), user("1?"), {"role": "assistant", "content": "1!"},
        user("2?"), {"role": "assistant", "content": "2!"}, user("3?"),
    ]  # fmt: skip
    kept = await past.kept()
    before = await kept.characters()
    assert (await kept.request()).temperature == 1
    assert await kept.characters() == before + len("Be kind.1?1!2?2!")


@pytest.mark.parametrize("count", [1, 7, 8, 9, MAX_NEAREST + 2])
async def test_a_long_line_is_read_whole(count: int) -> None:
    past = Past()
    for number in range(count):
        await past.say([user(f"{number}?")], text(f"{number}!"))
    await past.put([user("Last?")])
    said = [message["content"] for message in await past.messages()]
    assert said == [*(f"{number}{end}" for number in range(count) for end in "?!"), "Last?"]


async def test_what_an_answer_had_said_when_it_was_cancelled_is_part_of_it() -> None:
    past = Past()
    await past.say([user("1?")], [*text("Begun")[:2], Cancelled()])
    await past.say([user("2?")], [Cancelled()])
    await past.put([user("3?")])
    assert [m["content"] for m in await past.messages()] == ["1?", "Begun", "2?", "3?"]


async def test_a_tool_s_result_finds_its_call_in_the_answer_before() -> None:
    past = Past()
    await past.say([user("Rain?")], calling())
    result = {"role": "tool", "tool_call_id": "call_1", "content": "No."}
    await past.put([user("Well?"), result])
    _, answer, *rest = await past.messages()
    assert answer["tool_calls"] == [CALL | {"part": 0}]
    assert rest == [result, user("Well?")]


@pytest.mark.parametrize(
    "messages",
    [
        [user("Well?")],
        [{"role": "tool", "tool_call_id": "call_2", "content": "No."}],
    ],
    ids=["no result", "no call"],
)
async def test_what_does_not_pair_anywhere_is_told(messages: list[dict[str, Any]]) -> None:
    past = Past()
    await past.say([user("Rain?")], calling())
    await past.put(messages)
    assert await past.refused() == ("unpaired", "gen_0")


async def test_ids_of_calls_that_come_twice_in_a_line_get_numbers() -> None:
    past = Past()
    result = {"role": "tool", "tool_call_id": "call_1", "content": "No."}
    await past.say([user("Rain?")], calling())
    await past.say([result], calling())
    await past.put([result | {"content": "Yes."}])
    calls = [call["id"] for message in await past.messages() for call in message.get("tool_calls", ())]
    results = [message["tool_call_id"] for message in await past.messages() if message["role"] == "tool"]
    assert calls == results == ["call_1", "call_1_2"]


async def test_instructions_of_responses_are_for_their_own_answer() -> None:
    past = Past()
    instructs = Asked("openai-responses", "m", {"instructions": "x"})
    await past.say([system("First."), system("Kept."), user("1?")], text("1!"), instructs)
    await past.say([system("Native."), user("2?")], text("2!"))
    await past.say([user("3?")], text("3!"), instructs)
    await past.put([system("Mine."), user("4?")], instructs)
    assert [m["content"] for m in await past.messages()] == [
        "Mine.", "Kept.", "1?", "1!", "Native.", "2?", "2!", "3?", "3!", "4?",
    ]  # fmt: skip


async def test_anothers_are_not_read() -> None:
    past = Past()
    await past.say([user("Secret?")], text("Secret!"), owner="you")
    await past.put([user("2?")])
    assert await past.refused() == ("gone", "gen_0")


async def test_what_was_deleted_since_is_gone() -> None:
    past = Past()
    await past.say([user("1?")], text("1!"))
    await past.say([user("2?")], text("2!"))
    await past.put([user("3?")])
    await past.generations.delete("me", "gen_0")
    assert await past.refused() == ("gone", "gen_0")


@pytest.mark.parametrize("lost", ["log", "request"])
async def test_what_is_half_there_is_gone(lost: str) -> None:
    past = Past()
    await past.say([user("1?")], text("1!"))
    await past.put([user("2?")])
    keys = GenerationKeys("gen_0")
    if lost == "log":
        await past.generations.redis.delete(keys.log)
    else:
        await past.generations.redis.hset(keys.record, "request", "[")  # type: ignore[misc]
    assert await past.refused() == ("gone", "gen_0")


async def test_a_redis_that_just_came_back_is_given_time_to_have_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    past = Past()
    past.generations.durability = Durability(5.0)
    up_ms = 0

    async def young(redis: object) -> ServerClock:
        return ServerClock(10_000, up_ms, "r")

    monkeypatch.setattr(conversation, "read_server", young)
    await past.say([user("1?")], text("1!"))
    keys = GenerationKeys("gen_0")
    stored = await past.generations.redis.hgetall(keys.record)  # type: ignore[misc]
    await past.put([user("2?")])
    await past.generations.redis.delete(keys.record)
    reading = asyncio.create_task(past.messages())
    await asyncio.sleep(0.3)
    assert not reading.done()
    unsealed = {name: value for name, value in stored.items() if name != b"seal"}
    await past.generations.redis.hset(keys.record, mapping=unsealed)  # type: ignore[misc]
    await asyncio.sleep(0.3)
    assert not reading.done()
    await past.generations.redis.hset(keys.record, mapping=stored)  # type: ignore[misc]
    async with asyncio.timeout(5):
        assert len(await reading) == 3
    up_ms = 60_000
    await past.generations.redis.delete(keys.record)
    assert await past.refused() == ("gone", "gen_0")


class TestBounds:
    async def test_of_bytes(self) -> None:
        for length, fits in ((800, True), (1600, False)):
            past = Past(max_body=2048)
            await past.say([user("1?")], text("x" * 800))
            await past.say([user("2?")], text("y" * (length - 200)))
            await past.put([user("3?")])
            if fits:
                assert len(await past.messages()) == 5
            else:
                assert await past.refused() == ("too_long", "gen_1")

    async def test_of_messages(self) -> None:
        past = Past(max_body=8_000_000)
        await past.say([user("?")] * (MAX_MESSAGES - 1), text("!"))
        await past.put([user("2?")])
        assert await past.refused() == ("too_long", "gen_0")

    async def test_of_parts(self) -> None:
        past = Past(max_body=8_000_000)
        parts = [{"type": "text", "text": "?"}] * (MAX_PARTS // 2 + 1)
        await past.say([{"role": "user", "content": parts}], text("!"))
        await past.put([{"role": "user", "content": parts}])
        assert await past.refused() == ("too_long", "gen_0")


async def test_a_large_one_is_let_go_and_there_again_and_its_record_keeps_its_own() -> None:
    past = Past()
    await past.say([user("Let go. " * 20_000)], text("I did."))
    await past.put([user("And now?")])
    before = await past.generations.find("gen_1", request=True)
    kept = await past.kept()
    parsed = await kept.request()
    assert kept.heavy
    await kept.answered()
    assert not kept.heavy
    await past.generations.delete("me", "gen_0")
    again = await kept.request()
    assert (again is parsed, again == parsed) == (False, True)
    await past.generations.redis.flushall()
    assert await kept.restore()
    after = await past.generations.find("gen_1", request=True)
    assert before.record is not None
    assert after.record is not None
    assert (after.request, after.record.chain) == (before.request, before.record.chain)
    assert b"previous" in after.request
