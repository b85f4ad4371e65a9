"""Following a log: every outcome of a (re)connect, and every event once whatever happens."""

from __future__ import annotations

import asyncio
import json
import random
import socket

import pytest
from redis import Redis

from midstream.processes.valkey import Valkey
from shared.durability import Durability
from shared.log.events import ORIGIN, EventId
from shared.log.guarded_log import Batch, WriteOutcome
from shared.record import Acceptance
from shared.sse_decoder import SseDecoder
from shared.storage.clock import read_clock
from shared.storage.keys import GenerationKeys
from tests.api.harness import BODY, DEADLINE, Api, Hasty, MakeApi, Message, Producer, Viewing, until, whole

UNKNOWN = "gen_" + "a" * 32


@pytest.fixture(params=["direct", "asgi"], autouse=True)
def _transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSTREAM_TRANSPORT", request.param)


async def ended(api: Api, words: int = 5) -> str:
    """A generation that has completed."""
    producer = await Producer.start(api.log, await api.post())
    await producer.say(*(f"word{number} " for number in range(words)))
    await producer.complete()
    return producer.generation_id


async def test_replay_is_the_log(api: Api) -> None:
    generation_id = await ended(api, words=1200)  # more than two pages
    expected = await whole(api.log, generation_id)
    assert len(expected) == 1204
    async with api.view(generation_id) as viewing:
        assert await viewing.rest() == expected
        headers = viewing.response.headers
        # On the wire: the log's bytes, framed.
        first = expected[0]
        frame = f"event: attempt\ndata: {first.data.decode()}\nid: {first.id}\n\n".encode()
        retry, _, after = viewing.raw.partition(b"\n")
        assert retry.startswith(b"retry: ")
        assert 1000 <= int(retry[7:]) <= 3000
        assert after.startswith(frame)
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert api.hub.tails == 0


async def test_live_then_end_then_204(api: Api, running: Producer) -> None:
    async with api.view(running.generation_id) as viewing:
        assert (await viewing.next()).event == "attempt"
        await running.say("one ")
        assert [message.event for message in await viewing.take(2)] == ["part", "delta"]
        await running.say("two ")
        last = await viewing.next()
        assert json.loads(last.data)["delta"] == "two "
        await running.complete()
        rest = await viewing.rest()
    assert [message.event for message in rest] == ["part_end", "completed"]
    assert await api.status(running.generation_id, rest[-1].id) == 204
    # What this log never had is not its end: who believes so may have seen another one, before Redis crashed.
    again = await api.events(running.generation_id, str(EventId(running.claim.token, 10_000)))
    assert [again[0].event, again[-1]] == ["reset", rest[-1]]
    assert await api.events(running.generation_id, last.id) == rest
    await until(lambda: api.hub.tails == 0, "the tail to be closed")


async def test_resume_at_every_event(api: Api) -> None:
    generation_id = await ended(api)
    expected = await whole(api.log, generation_id)
    for index, message in enumerate(expected[:-1]):
        assert await api.events(generation_id, message.id) == expected[index + 1 :]


async def test_query_cursor_and_header_wins(api: Api) -> None:
    generation_id = await ended(api)
    expected = await whole(api.log, generation_id)
    path = f"/v1/generations/{generation_id}/events"
    by_query = await api.client.get(path, params={"last_event_id": expected[2].id or ""})
    assert f"id: {expected[3].id}\n" in by_query.text
    assert f"id: {expected[2].id}\n" not in by_query.text
    both = await api.client.get(
        path, params={"last_event_id": expected[4].id or ""}, headers={"Last-Event-ID": expected[0].id or ""}
    )
    assert f"id: {expected[1].id}\n" in both.text
    # As browsers send it before the first event.
    assert (await api.client.get(path, headers={"Last-Event-ID": ""})).text.count("id: ") == len(expected)


@pytest.mark.parametrize("name", ["last_event_id", "lastEventId", "lastEventID", "Last-Event-ID", "LASTEVENTID"])
async def test_a_cursor_has_the_names_that_packages_give_it(api: Api, name: str) -> None:
    generation_id = await ended(api)
    expected = await whole(api.log, generation_id)
    path = f"/v1/generations/{generation_id}/events"
    assert f"id: {expected[2].id}\n" not in (await api.client.get(path, params={name: expected[2].id or ""})).text
    assert f"id: {expected[2].id}\n" in (await api.client.get(path, params={f"x{name}": expected[2].id or ""})).text


async def test_a_repeated_post_goes_on_after_its_cursor(api: Api) -> None:
    stream = {"Accept": "text/event-stream", "Idempotency-Key": "k"}

    async def post(cursor: str | None) -> list[Message]:
        headers = stream | {"Last-Event-ID": cursor or ""}
        async with api.client.stream("POST", "/v1/generations", json=BODY, headers=headers) as response:
            assert response.status_code == 200
            return await Viewing(response).rest()

    async with api.client.stream("POST", "/v1/generations", json=BODY, headers=stream) as response:
        first = Viewing(response)
        assert (await first.next()).event == "queued"
        producer = await Producer.start(api.log, response.headers["location"].rpartition("/")[2])
        await producer.say("a", "b")
        seen = [await first.next() for _ in range(4)]
    await producer.say("c")
    async with api.client.stream(
        "POST", "/v1/generations", json=BODY, headers=stream | {"Last-Event-ID": seen[1].id or ""}
    ) as response:
        again = Viewing(response)
        assert response.headers["idempotent-replayed"] == "true"
        assert (await again.next()).event == "queued"
        assert [(await again.next()).id for _ in range(3)] == [*(m.id for m in seen[2:]), str(producer.last)]
    await producer.complete()
    expected = await whole(api.log, producer.generation_id)
    assert [m for m in await post(seen[1].id) if m.id] == expected[2:]
    # At the end: an empty stream, as a client of this kind would repeat at a 204.
    assert [m.event for m in await post(expected[-1].id)] == ["queued"]
    unknown = await post("7-7")
    assert [m.event for m in unknown][:2] == ["queued", "reset"]
    assert [m for m in unknown if m.id] == expected


@pytest.mark.parametrize("cursor", ["x", "1", "-1-0", "1-01", "1 -2", "99999999999999999999999-0", "0x1-2"])
async def test_malformed_cursor_resets(api: Api, cursor: str) -> None:
    generation_id = await ended(api)
    reset, *rest = await api.events(generation_id, cursor)
    assert (reset.id, reset.event) == (None, "reset")
    assert json.loads(reset.data)["reason"] == "malformed_cursor"
    assert rest == await whole(api.log, generation_id)


@pytest.mark.parametrize("live", [True, False])
async def test_unknown_cursor_resets(api: Api, running: Producer, live: bool) -> None:
    await running.say("a", "b")
    if not live:
        await running.complete()
    never = str(EventId(running.claim.token - 1000, 3))
    async with api.view(running.generation_id, never) as viewing:
        reset = await viewing.next()
        assert (reset.id, reset.event) == (None, "reset")
        assert json.loads(reset.data)["reason"] == "unknown_cursor"
        if live:
            await running.complete()
        assert await viewing.rest() == await whole(api.log, running.generation_id)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("cursor", [None, 2], ids=["none", "at the cut"])
async def test_a_trimmed_log_says_so(api: Api, running: Producer, live: bool, cursor: int | None) -> None:
    """Who asks for all of it is told that this is not all; who has had what was removed misses nothing."""
    await running.say("a", "b", "c", "d")
    if not live:
        await running.complete()
    await api.log.redis.xtrim(
        GenerationKeys(running.generation_id).log, minid=f"{running.claim.token}-2", approximate=False
    )
    left = await whole(api.log, running.generation_id)
    after = None if cursor is None else str(EventId(running.claim.token, cursor))
    async with api.view(running.generation_id, after) as viewing:
        if cursor is None:
            reset = await viewing.next()
            assert (reset.id, reset.event) == (None, "reset")
            assert json.loads(reset.data)["reason"] == "trimmed"
        if live:
            await running.complete()
            left = await whole(api.log, running.generation_id)
        assert await viewing.rest() == left[0 if cursor is None else 1 :]


async def test_cursor_ahead_waits_for_the_log(api: Api, running: Producer) -> None:
    """What a viewer saw before Redis came back older is sent again: it continues without a reset."""
    await running.say("a")
    ahead = str(EventId(running.claim.token, 4))
    async with api.view(running.generation_id, ahead) as viewing:
        await until(lambda: api.hub.tails == 1, "the tail")
        await running.say("b", "c")
        await running.say("d")
        await running.complete()
        rest = await viewing.rest()
    assert rest == (await whole(api.log, running.generation_id))[5:]


async def test_cursor_ahead_that_never_comes_resets(api: Api, running: Producer) -> None:
    api.hub.catch_up_s = 0.2
    await running.say("a")
    async with api.view(running.generation_id, str(EventId(running.claim.token, 900))) as viewing:
        assert (await viewing.next()).event == "reset"
        assert await viewing.take(3) == await whole(api.log, running.generation_id)


async def test_unknown_deleted_expired(api: Api, redis_url: str) -> None:
    assert await api.status(UNKNOWN) == 404
    assert await api.status("gen_../../x") == 404
    deleted, expired = await ended(api), await ended(api)
    assert (await api.client.delete(f"/v1/generations/{deleted}")).status_code == 204
    with Redis.from_url(redis_url) as redis:
        for key in (GenerationKeys(expired).record, GenerationKeys(expired).log):
            redis.pexpire(key, 1)
        await until(lambda: not redis.exists(GenerationKeys(expired).record), "the record to expire")
    for generation_id in (deleted, expired):
        assert await api.status(generation_id) == 410
        assert await api.status(generation_id, "1-0") == 410


async def test_head(api: Api, running: Producer) -> None:
    path = f"/v1/generations/{running.generation_id}/events"
    response = await api.client.head(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert api.hub.tails == 0
    assert (await api.client.head(f"/v1/generations/{UNKNOWN}/events")).status_code == 404


async def test_queued_position_until_a_worker_comes(api: Api) -> None:
    ahead, behind = await api.post(), await api.post()
    async with api.view(behind) as viewing:
        first = await viewing.next()
        assert (first.id, first.event) == (None, "queued")
        assert json.loads(first.data) == {"id": behind, "position": 2}
        await api.generations.queue.take("somebody", most=1)
        assert json.loads((await viewing.next()).data) == {"id": behind, "position": 1}
        producer = await Producer.start(api.log, behind)
        assert (await viewing.next()).event == "attempt"
        await producer.complete()
        await viewing.rest()
    assert ahead != behind


async def test_deleted_under_a_viewer(api: Api, running: Producer) -> None:
    async with api.view(running.generation_id) as viewing:
        await viewing.next()
        assert (await api.client.delete(f"/v1/generations/{running.generation_id}")).status_code == 204
        assert await viewing.rest() == []
    assert await api.status(running.generation_id) == 410


async def test_heartbeats(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, heartbeat=0.1)
    running = await Producer.start(api.log, await api.post())
    async with api.view(running.generation_id) as viewing:
        await viewing.next()
        reading = asyncio.create_task(viewing.next())
        await until(lambda: viewing.raw.count(b": \n") >= 2, "two heartbeats")
        assert b"\n: \n\n" not in viewing.raw, "a blank line would end a block, which has no data"
        await running.say("x")
        assert (await reading).event == "part"


async def test_drain_sends_viewers_elsewhere(make_api: MakeApi, redis_url: str) -> None:
    api, other = await make_api(redis_url), await make_api(redis_url)
    running = await Producer.start(api.log, await api.post())
    async with api.view(running.generation_id) as viewing:
        first = await viewing.next()
        api.server.should_exit = True
        drain = await viewing.next()
        assert (drain.id, drain.event, drain.data) == (None, "drain", b"{}")
        assert await viewing.rest() == []
    await running.complete()
    assert await other.events(running.generation_id, first.id) == (await whole(other.log, running.generation_id))[1:]


async def test_lost_publication_is_filled_from_the_log(api: Api, running: Producer, redis_url: str) -> None:
    async with api.view(running.generation_id) as viewing:
        await viewing.next()
        with Redis.from_url(redis_url) as redis:
            for number in range(20):
                assert redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub") >= 1
                await running.say(f"{number} ", "and ")
                await until(
                    lambda: redis.pubsub_numsub(GenerationKeys(running.generation_id).channel)[0][1], "resubscription"
                )
        await running.complete()
        rest = await viewing.rest()
    assert rest == (await whole(api.log, running.generation_id))[1:]


class Reader:
    """A viewer that loses its connection at random and resumes, as an EventSource does."""

    def __init__(self, api: Api, generation_id: str, seed: int, *, most: int = 40) -> None:
        self.api, self.generation_id, self.most = api, generation_id, most
        self.random = random.Random(seed)
        self.seen: list[Message] = []
        self.cuts = 0

    async def run(self) -> list[Message]:
        """Everything with an id, over all connections, until the API says that there is no more."""
        while await self._connect():
            pass
        return self.seen

    async def _connect(self) -> bool:
        # No HTTP library: with 200 at a time it would be most of the work.
        reader, writer = await asyncio.open_connection("127.0.0.1", self.api.port)
        cursor = f"Last-Event-ID: {self.seen[-1].id}\r\n" if self.seen else ""
        path = f"/v1/generations/{self.generation_id}/events"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{cursor}\r\n".encode())
        try:
            async with asyncio.timeout(60):
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"HTTP/1.1 204"):
                    return False
                assert head.startswith(b"HTTP/1.1 200"), head + await reader.read(1_000)
                await self._read(reader, self.random.randint(0, self.most))
        finally:
            writer.close()
        return True

    async def _read(self, reader: asyncio.StreamReader, count: int) -> None:
        decoder = SseDecoder()
        while size := int(await reader.readline(), 16):
            chunk = (await reader.readexactly(size + 2))[:-2]
            for event in decoder.feed(chunk):
                if count == 0:
                    self.cuts += 1
                    return
                assert event.event != "reset"
                if event.event != "queued":
                    self.seen.append(Message(event.id, event.event, event.data))
                count -= 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("moment", ["before the first token", "while it runs", "after the end"])
async def test_200_viewers_with_random_cuts(api: Api, moment: str) -> None:
    generation_id = await api.post()
    words = [f"{number} 😀\u2028\r\n\0 " for number in range(150)]

    async def produce() -> None:
        producer = await Producer.start(api.log, generation_id)
        while words:
            batch, words[:] = words[:3], words[3:]
            await producer.say(*batch)
            await asyncio.sleep(0.01)
        await producer.complete()

    readers = [Reader(api, generation_id, seed) for seed in range(200)]
    if moment == "after the end":
        await produce()
        producing = None
    elif moment == "while it runs":
        producing = asyncio.create_task(produce())
        await until(lambda: len(words) < 120, "some words")
    viewing = [asyncio.create_task(reader.run()) for reader in readers]
    if moment == "before the first token":
        await until(lambda: len(api.hub.viewers) > 150, "the viewers")
        assert api.hub.tails == 1
        producing = asyncio.create_task(produce())
    async with asyncio.timeout(100):
        seen = await asyncio.gather(*viewing)
    if producing is not None:
        await producing
    expected = await whole(api.log, generation_id)
    assert len(expected) == 154
    for messages in seen:
        assert messages == expected
    assert sum(reader.cuts for reader in readers) > 400
    await until(lambda: api.hub.tails == 0 and not api.hub.viewers, "all tails to be closed")


async def test_redis_killed_in_mid_stream(make_api: MakeApi, own_valkey: Valkey) -> None:
    api = await make_api(own_valkey.url, redis_timeout=0.5, heartbeat=0.2)
    running = await Producer.start(api.log, await api.post())
    await running.say("before ")
    async with api.view(running.generation_id) as viewing:
        await viewing.take(3)
        await own_valkey.kill()
        # A viewer that comes meanwhile is accepted, and kept.
        async with api.view(running.generation_id, str(running.last)) as late:
            reading = asyncio.create_task(late.next())
            await until(lambda: late.raw.count(b": \n") >= 1, "a heartbeat while Redis is down")
            await own_valkey.start()
            await running.say("after ")
            assert json.loads((await reading).data)["delta"] == "after "
            await running.complete()
            assert [message.event for message in await late.rest()] == ["part_end", "completed"]
        rest = await viewing.rest()
    assert rest == (await whole(api.log, running.generation_id))[3:]


@pytest.mark.parametrize("outcome", ["unknown", "over"])
async def test_outcome_decided_late_ends_the_stream(make_api: MakeApi, own_valkey: Valkey, outcome: str) -> None:
    """A status can no longer be sent: the stream ends, and the reconnect gets it."""
    api = await make_api(own_valkey.url, redis_timeout=0.5, heartbeat=0.2)
    if outcome == "unknown":
        generation_id, cursor, status = UNKNOWN, None, 404
    else:
        generation_id = await ended(api)
        cursor, status = (await whole(api.log, generation_id))[-1].id, 204
    await own_valkey.kill()
    async with api.view(generation_id, cursor) as viewing:
        await own_valkey.start()
        assert await viewing.rest() == []
    assert await api.status(generation_id, cursor) == status


async def test_redis_that_came_back_older(make_api: MakeApi, redis_url: str) -> None:
    """The log lost its last events and another attempt went on: viewers are told, and start over."""
    api = await make_api(redis_url, heartbeat=0.2)
    running = await Producer.start(api.log, await api.post())
    await running.say("a", "b", "c")
    async with api.view(running.generation_id) as viewing:
        await viewing.take(5)
        # As after a crash: the last two events are not there any more, and their worker is not either.
        await api.log.redis.xdel(GenerationKeys(running.generation_id).log, str(running.last))
        await api.log.redis.xdel(GenerationKeys(running.generation_id).log, str(EventId(running.claim.token, 3)))
        second = await Producer.start(api.log, running.generation_id)
        assert (await viewing.next()).event == "reset"
        await second.complete()
        rest = await viewing.rest()
    expected = await whole(api.log, running.generation_id)
    assert [message.event for message in expected] == [
        "attempt", "part", "delta", "attempt", "part_end", "completed"
    ]  # fmt: skip
    assert rest == expected


async def test_redis_that_came_back_empty(make_api: MakeApi, redis_url: str) -> None:
    """Nobody will ever write again: the viewer is not left hanging."""
    api = await make_api(redis_url, heartbeat=0.2, times=Durability(15.0, sync_s=0.05))
    generation_id = await api.hub.generations.new_id("local", None)
    asked = Acceptance(
        id=generation_id, owner="local", model="p/m", request=b"{}", on_interrupt="restart", ttl_ms=60_000
    )
    await api.hub.generations.accept(asked)
    running = await Producer.start(api.log, generation_id)
    async with api.view(running.generation_id) as viewing:
        await viewing.next()
        await api.log.redis.flushall()
        assert await viewing.rest() == []
    assert await api.status(running.generation_id) == 404


async def test_redis_that_came_back_without_a_generation_this_node_has_just_accepted(
    make_api: MakeApi, redis_url: str
) -> None:
    """It is accepted again, and its next attempt starts over, which the viewer is told."""
    api = await make_api(redis_url, heartbeat=0.2)
    running = await Producer.start(api.log, await api.post())
    async with api.view(running.generation_id) as viewing:
        await viewing.next()
        await api.log.redis.flushall()
        async with asyncio.timeout(DEADLINE):
            while await api.status(running.generation_id) == 404:
                await asyncio.sleep(0.05)
        again = await Producer.start(api.log, running.generation_id)
        await again.complete()
        rest = await viewing.rest()
    assert [message.event for message in rest] == ["reset", "attempt", "part_end", "completed"]


async def test_reconnect_to_a_restarted_redis_that_has_not_got_the_generation_back_yet(
    make_api: MakeApi, own_valkey: Valkey
) -> None:
    """Who has seen an event is not told 404, at which an EventSource gives up for good, but kept until it is back."""
    # A machine on which all stands still for ten seconds must not end the wait.
    api = await make_api(own_valkey.url, heartbeat=0.2, times=Hasty(30.0, sync_s=10.0))
    generation_id = await api.hub.generations.new_id("local", None)
    asked = Acceptance(
        id=generation_id, owner="local", model="p/m", request=b"{}", on_interrupt="restart", ttl_ms=60_000
    )
    await api.hub.generations.accept(asked)
    before = await Producer.start(api.log, generation_id)
    await before.say("a")
    await api.log.redis.flushall()
    _, up_ms = await read_clock(api.log.redis)
    assert up_ms < api.hub.generations.durability.given_up_ms, "the server is a fresh one"
    assert await api.status(generation_id) == 404
    async with api.view(generation_id, str(before.last)) as viewing:
        assert viewing.response.status_code == 200
        assert await api.hub.generations.restore(asked)
        whole_again = Batch(
            generation_id, before.claim.token, 1, ORIGIN, 0, [("attempt", before.claim.first), *before.written]
        )
        assert (await api.log.append(whole_again)).outcome is WriteOutcome.OK
        await before.complete()
        rest = await viewing.rest()
    assert [message.event for message in rest] == ["part_end", "completed"]


async def test_viewer_that_never_reads_is_cut(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, viewer_stall=0.5, send_buffer=16_384)
    running = await Producer.start(api.log, await api.post())
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(stuck, ("127.0.0.1", api.port))
    request = f"GET /v1/generations/{running.generation_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    await loop.sock_sendall(stuck, request.encode())
    await until(lambda: api.hub.viewers, "the viewer")
    (viewer,) = api.hub.viewers
    for _ in range(40):
        await running.say("x" * 100_000)
        await asyncio.sleep(0)
        # 4 MB pass by; one write and the kernel's buffers are all that is held for it.
        assert viewer._written < 700_000
    await until(lambda: not api.hub.viewers, "the viewer to be cut")
    stuck.close()
    # Others see everything.
    await running.complete()
    assert len(await api.events(running.generation_id)) == 44


async def test_slow_viewer_that_reads_is_not_cut(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, viewer_stall=0.4, send_buffer=16_384)
    running = await Producer.start(api.log, await api.post())
    await running.say(*("y" * 50_000 for _ in range(20)))
    await running.complete()
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=8192)
    request = f"GET /v1/generations/{running.generation_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    writer.write(request.encode())
    read = b""
    while not read.endswith(b"0\r\n\r\n"):
        chunk = await reader.read(20_000)
        assert chunk, "cut"
        read += chunk
        # Its pace: 2.5 times the limit in all, so that only progress saves it.
        await asyncio.sleep(0.02)
    writer.close()
    assert b"event: completed" in read
