"""The hub's contract: one tail for each watched generation, shared, and gone with its last watcher."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from api.viewing.frames import Frames
from api.viewing.hub import Hub
from api.viewing.tail import Tail
from shared.storage.connections import connect
from shared.storage.keys import VIEWERS_CHANNEL, GenerationKeys
from shared.storage.subscriber import Subscriber
from tests.api.harness import Api, Producer, until


@contextmanager
def watching(hub: Hub, generation_id: str) -> Iterator[Tail]:
    tail = hub.acquire(generation_id)
    try:
        yield tail
    finally:
        hub.release(tail)


async def test_watchers_share_a_tail_that_ends_after_the_last(api: Api, running: Producer) -> None:
    hub: Hub = api.hub
    hub.linger_s = 0.01
    with watching(hub, running.generation_id) as first:
        with watching(hub, running.generation_id) as second:
            assert first is second
            assert hub.tails == 1
            await until(lambda: first.known.loaded, "the log to be read")
            await running.say("a")
            await until(lambda: first.frames.count == 3, "the live events")
        assert hub.tails == 1
    assert hub.tails == 0
    await channels(api)
    assert not hub.watches(running.generation_id)
    # Watched again, it is another one, and complete.
    with watching(hub, running.generation_id) as third:
        assert third is not first
        await until(lambda: third.frames.count == 3, "the log to be read again")


async def test_what_nobody_watches_is_freed_without_the_collector(api: Api, running: Producer) -> None:
    """A tail may hold images; a cycle would keep them until Python's collector comes by, which it seldom does."""
    gc.collect()
    gc.disable()
    try:
        viewing = asyncio.create_task(api.events(running.generation_id))
        await until(lambda: _frames(), "a viewer")
        await running.say("x" * 300_000)
        await running.complete()
        await viewing
        await until(lambda: not _frames(), "the tail to be freed")
    finally:
        gc.enable()


def _frames() -> list[object]:
    return [held for held in gc.get_objects() if isinstance(held, Frames)]


async def channels(api: Api, *generation_ids: str) -> None:
    """Wait until these are what is subscribed to."""
    expected = {GenerationKeys(generation_id).channel.encode() for generation_id in generation_ids}
    async with asyncio.timeout(5):
        while set(await api.log.redis.pubsub_channels()) - {VIEWERS_CHANNEL.encode()} != expected:
            await asyncio.sleep(0.01)


async def test_who_comes_back_finds_the_tail_as_it_was(api: Api, running: Producer) -> None:
    hub = api.hub
    with watching(hub, running.generation_id) as first:
        await until(lambda: first.known.loaded, "the log to be read")
    await running.say("a")
    await until(lambda: first.frames.count == 3, "what came when nobody watched")
    with watching(hub, running.generation_id) as second:
        assert second is first
    with watching(hub, running.generation_id) as third:
        assert third is first


async def test_tails_that_nobody_watches_are_few_bytes(
    api: Api, running: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = api.hub
    with watching(hub, running.generation_id) as first:
        await until(lambda: first.known.loaded, "the log to be read")
    monkeypatch.setattr("api.viewing.hub.MAX_UNWATCHED_BYTES", first.frames.size * 3 // 2)
    await channels(api, running.generation_id)
    other = await api.post()
    producer = await Producer.start(api.log, other)
    with watching(hub, other) as second:
        await until(lambda: second.known.loaded, "the log to be read")
        await channels(api, running.generation_id, other)
    # The older one makes room.
    await channels(api, other)
    await producer.complete()


async def test_an_end_that_came_while_nobody_watched_is_read_again(api: Api, running: Producer) -> None:
    hub = api.hub
    with watching(hub, running.generation_id) as first:
        await until(lambda: first.known.loaded, "the log to be read")
    await running.complete()
    await until(lambda: first.known.state == "completed", "the end")
    with watching(hub, running.generation_id) as second:
        assert second is not first
        await until(lambda: second.known.state == "completed", "the log to be read again")
    # One that ended while it was watched is not kept.
    with watching(hub, running.generation_id) as third:
        assert third is not second


async def test_a_tail_that_is_gone_ends_with_its_last_watcher(api: Api, running: Producer) -> None:
    hub = api.hub
    with watching(hub, running.generation_id) as tail:
        await until(lambda: tail.known.loaded, "the log to be read")
        tail.known.end()
    await channels(api)


async def test_a_node_that_goes_away_keeps_no_tail(api: Api, running: Producer) -> None:
    with watching(api.hub, running.generation_id):
        api.hub.drain()
    await channels(api)


async def test_quick_turns_lose_nothing(api: Api, running: Producer) -> None:
    for _ in range(50):
        with watching(api.hub, running.generation_id):
            await asyncio.sleep(0)
    with watching(api.hub, running.generation_id) as tail:
        await running.say("a", "b")
        await until(lambda: tail.frames.count == 4, "all events")


async def test_all_tails_use_one_connection(api: Api) -> None:
    ids = [await api.post() for _ in range(30)]
    producers = [await Producer.start(api.log, generation_id) for generation_id in ids]
    with ExitStack() as stack:
        tails = [stack.enter_context(watching(api.hub, generation_id)) for generation_id in ids]
        await until(lambda: all(tail.known.loaded for tail in tails), "all logs to be read")
        clients = await api.log.redis.client_list(_type="pubsub")
        assert len(clients) == 1
        for producer in producers:
            await producer.complete()
        await until(lambda: all(tail.known.state == "completed" for tail in tails), "all to end")


class Silent:
    """A server that accepts, says yes to the handshake's commands, and then falls silent: a half-open connection."""

    def __init__(self) -> None:
        self.connections = self.subscribed = self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        silent = False
        while data := await reader.read(65_536):
            self.subscribed += b"SUBSCRIBE" in data
            silent = silent or b"SUBSCRIBE" in data
            if silent:
                continue
            writer.write(b"+OK\r\n" * data.count(b"*"))
        writer.close()
        await writer.wait_closed()
        self.open -= 1


async def test_half_open_connection_is_found(caplog: pytest.LogCaptureFixture) -> None:
    silent = Silent()
    async with await asyncio.start_server(silent.serve, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        redis = connect(f"redis://127.0.0.1:{port}/0", timeout=1)
        subscriber = Subscriber(redis, timeout=0.1)
        running = asyncio.create_task(subscriber.run())
        await until(lambda: silent.connections >= 1, "the first connection")

        class Nobody:
            def subscribed(self) -> None: ...
            def published(self, message: bytes) -> None: ...

        subscriber.subscribe("channel", Nobody())
        await until(lambda: silent.subscribed >= 2, "a new connection")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await redis.aclose()
        await until(lambda: not silent.open, "the connections to be closed")
    assert "TimeoutError" in caplog.text
