"""Watched again: after an attempt that started over, and by many in all dialects at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest

from api.viewing import projection
from shared.log.entry import RawEntry
from tests.api.exchange.dialect_posts import CHAT, SPOKEN, asking, events_of, streamed
from tests.api.exchange.test_asking import restarted
from tests.api.harness import Api, Producer


@pytest.mark.parametrize("long", [False, True], ids=["held", "projected"])
async def test_an_attempt_that_starts_over_is_another_epoch(
    api: Api, long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has seen some of what is void is broken off; its cursor is refused, and the new name's is not."""
    if long:
        monkeypatch.setattr(projection, "LONG_EVENTS", 1)
    async with asking(api, CHAT) as asked:
        producer = await Producer.start(api.log, asked.id)
        await producer.say("void")
        await asked.until(b"void")
        second = await restarted(producer)
        with pytest.raises(httpx2.RemoteProtocolError):
            await asked.rest()
    await second.say("new", "er")
    address = CHAT.named(asked.id, 2)
    stale = await api.client.get(f"{CHAT.named(asked.id)}?stream=true&starting_after=1")
    assert stale.status_code == 410
    assert stale.json()["error"]["code"] == "superseded"
    watching = asyncio.create_task(streamed(api, address, 0))
    await second.complete()
    whole = await streamed(api, CHAT.named(asked.id))
    events = events_of(whole, CHAT)
    assert b"void" not in whole
    assert all(address.rpartition("/")[2].encode() in event for event in events)
    assert await watching == b"".join(events[1:]) + CHAT.ending
    for number in range(len(events)):
        assert await streamed(api, address, number) == b"".join(events[number + 1 :]) + CHAT.ending
    assert (await api.client.get(f"{CHAT.named(asked.id)}?stream=true&starting_after=0")).status_code == 410
    assert (await api.client.get(CHAT.named(asked.id))).json()["id"] == address.rpartition("/")[2]


async def test_a_hundred_viewers_of_each_dialect_are_one_read(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is read and framed once for each dialect, however many watch."""
    reads, framed = [], []
    read_raw = api.log.read_raw

    async def counted(*args: Any, **options: Any) -> Any:
        reads.append(args)
        return await read_raw(*args, **options)

    monkeypatch.setattr(api.log, "read_raw", counted)
    async with asking(api, CHAT) as asked:
        producer = await Producer.start(api.log, asked.id)
        await producer.say("Hello")
        await asked.until(b"Hello")
        [log] = api.hub._logs.values()
        tail = log.tails["openai-chat"]
        real = tail._framer.frames

        def frames(entry: RawEntry) -> Sequence[bytes]:
            framed.append(entry)
            return real(entry)

        monkeypatch.setattr(tail._framer, "frames", frames)
        before = len(reads)
        streams = [asyncio.create_task(streamed(api, spoken.named(asked.id))) for spoken in SPOKEN for _ in range(100)]
        native = [asyncio.create_task(api.events(asked.id)) for _ in range(100)]
        async with asyncio.timeout(60):  # some hundred clients in this process, too
            while log.watchers != 1 + len(streams) + len(native):
                await asyncio.sleep(0.05)
        await producer.say("more")
        await producer.complete()
        await asyncio.gather(*streams, *native)
        # A dialect that is wanted late reads what was said so far; twice where more comes meanwhile.
        assert len(reads) - before <= 2 * (len(SPOKEN) - 1)
        assert len(framed) == 3
