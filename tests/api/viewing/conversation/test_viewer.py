"""A viewer of a conversation: what becomes of it when it is slow, leaves, or its log cannot be told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest

from api.dialects.native import turns
from api.viewing.conversation.viewer import ConversationViewer
from tests.api.harness import Api, MakeApi, Message, until
from tests.api.viewing.conversation.following import all_told, ask, at, begin, ended, follow, told


@pytest.fixture(params=["direct", "asgi"], autouse=True)
def _transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSTREAM_TRANSPORT", request.param)


async def test_a_slow_one_has_every_turn_whole_and_in_order(make_api: MakeApi, redis_url: str) -> None:
    """Frames that are said in between stand between two others, also between those of a long one."""
    api = await make_api(redis_url, send_buffer=16_384)
    first = await begin(api)
    async with follow(api) as viewing:
        await viewing.take(2)
        await first.say("x" * 1_000_000, "y" * 300_000)
        second = await ask(api)
        producer = await begin(api, second)
        await producer.say("z" * 500_000)
        await first.complete()
        third = await ended(api)
        await producer.complete()
        await asyncio.sleep(0.1)
        seen: list[Message] = []
        while not seen or seen[-1].id != (await told(api, third))[-1].id:
            seen.append(await viewing.next())
    assert [message for message in seen if message.id] == (
        (await told(api, first.generation_id))[2:] + await all_told(api, [second, third])
    )
    begun = [json.loads(message.data)["generation"] for message in seen if message.event == "begun"]
    assert begun == [second, third]


async def test_one_that_leaves_leaves_nothing_behind(api: Api) -> None:
    api.hub.linger_s = 0.0
    done = await ended(api, words=1_000)
    running = await begin(api)
    for cursor, count in ((None, 0), (at(done), 1), (at(done), 700), (at(running.generation_id), 1)):
        async with follow(api, cursor) as viewing:
            await viewing.take(count)
        await until(lambda: not api.hub.viewers, "it to leave")
        await until(lambda: not api.app.state.services.watched.followers, "the follower to end")
        await until(lambda: not api.hub.tails, "nothing to be held")
        counted = api.hub.audience.join(running.generation_id, None)
        assert counted.here == 1, "it is counted no more"
        api.hub.audience.leave(counted)


async def test_a_log_that_cannot_be_told_ends_the_stream(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running = await begin(api)

    def wrong(self: object, entry: Any) -> tuple[bytes]:
        raise ValueError

    async with follow(api) as viewing:
        await viewing.take(2)
        monkeypatch.setattr(turns.TurnFramer, "frames", wrong)
        await running.say("a")
        assert await viewing.rest() == []
    assert "has no frame in conversation" in caplog.text


async def test_a_cursor_ahead_is_waited_for(api: Api) -> None:
    """A Redis that came back older soon has the rest again."""
    running = await begin(api)
    await running.say("a")
    ahead = f"{running.claim.token}-{running.seq}"
    async with follow(api, at(running.generation_id, ahead)) as viewing:
        reading = asyncio.create_task(viewing.next())
        await asyncio.sleep(0.1)
        await running.say("b")
        await running.say("c")
        assert b'"delta":"c"' in (await reading).data


async def test_it_is_cut_where_it_reads_nothing(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, viewer_stall=0.5, send_buffer=16_384)
    first = await ended(api)
    async with follow(api) as viewing:
        await viewing.take(2)
        (viewer,) = api.hub.viewers
        assert isinstance(viewer, ConversationViewer)
        big = await begin(api)
        for _ in range(30):
            await big.say("x" * 1_000_000)
        await until(lambda: viewer.over, "it to be cut")
        with contextlib.suppress(Exception):
            await viewing.rest()
    assert first != big.generation_id
