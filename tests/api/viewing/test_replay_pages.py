"""Pages of ended logs: whatever the cursor, exactly what follows it; and each is read once for all."""

from __future__ import annotations

import asyncio
import weakref

import pytest

from api.dialects.native.events import NativeDialect
from api.viewing import replay_pages, sse_frames
from api.viewing.replay_pages import ReplayPage, ReplayPages
from shared.log.compaction import pack
from shared.log.entry import RawEntry
from shared.log.events import ORIGIN, EventId
from shared.log.guarded_log import LOG_PAGE, Log
from shared.storage.keys import GenerationKeys
from tests.api.harness import Api, Producer, whole
from tests.api.viewing.framers import native, raw


async def test_what_follows_a_cursor_over_pages_and_attempts(api: Api, running: Producer) -> None:
    """Attempts that end within a page, with it, and right after it."""
    await running.say(*("x" for _ in range(LOG_PAGE + 200)))
    second = await Producer.start(api.log, running.generation_id)
    await second.say(*("y" for _ in range(LOG_PAGE - 2)))
    third = await Producer.start(api.log, running.generation_id)
    await third.complete()
    messages = await whole(api.log, running.generation_id)
    expected = [f"event: {m.event}\ndata: {m.data.decode()}\nid: {m.id}\n\n".encode() for m in messages]
    ids = [EventId.parse(message.id or "") for message in messages]
    pages = ReplayPages(api.log, NativeDialect())
    for index in (
        -1,
        0,
        LOG_PAGE - 2,
        LOG_PAGE - 1,
        LOG_PAGE,
        LOG_PAGE + 200,
        LOG_PAGE + 201,
        LOG_PAGE + 202,
        2 * LOG_PAGE + 200,
        2 * LOG_PAGE + 202,
    ):
        cursor = ids[index] if index >= 0 else ORIGIN
        got = b""
        while (page := await pages.after(running.generation_id, cursor)).last is not None:
            got += b"".join(page.pieces(cursor, chunked=False))
            cursor = page.last
            if page.ended:
                break
        assert got == b"".join(expected[index + 1 :])
    assert not (await pages.after(running.generation_id, ids[-1])).pieces(ids[-1], chunked=True)


async def test_viewers_of_one_log_share_its_pages(api: Api, running: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    await running.say(*("x" for _ in range(2 * LOG_PAGE)))
    await running.complete()
    messages = await whole(api.log, running.generation_id)
    read = Log.read_raw
    reads = 0

    async def counted(
        log: Log, generation_id: str, after: EventId = ORIGIN, *, count: int = LOG_PAGE
    ) -> list[RawEntry]:
        nonlocal reads
        reads += count == LOG_PAGE
        return await read(log, generation_id, after, count=count)

    monkeypatch.setattr(Log, "read_raw", counted)
    api.hub.pages.kept_s = 60.0
    cursors = [messages[index * 20].id for index in range(50)]
    got = await asyncio.gather(*(api.events(running.generation_id, cursor) for cursor in cursors))
    for index, seen in enumerate(got):
        assert seen == messages[index * 20 + 1 :]
    assert reads == 3


async def test_a_page_that_is_too_large_to_be_kept_is_shared_while_it_is_in_use(
    api: Api, running: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each viewer of an image that comes while others are being sent it would hold one of its own."""
    monkeypatch.setattr(replay_pages, "MAX_PAGE_BYTES", 1_000)
    await running.say("x" * 10_000)
    await running.complete()
    pages = ReplayPages(api.log, NativeDialect())
    page = await pages.after(running.generation_id, ORIGIN)
    assert await pages.after(running.generation_id, ORIGIN) is page
    gone = weakref.ref(page)
    del page
    await asyncio.sleep(0)  # so that the loop lets go of the read
    assert gone() is None
    assert (await pages.after(running.generation_id, ORIGIN)).ended


async def test_a_packed_log_replays_the_same_from_every_cursor(api: Api, running: Producer) -> None:
    await running.say(*(f"word {number} " for number in range(LOG_PAGE + 150)))
    await running.complete()
    before = await api.events(running.generation_id)
    log = await api.log.read(running.generation_id, count=2 * LOG_PAGE)
    assert await api.log.replace(running.generation_id, log[-1].id, len(log), pack(log))
    assert await api.log.redis.xlen(GenerationKeys(running.generation_id).log) < len(log) / 20
    for index in (*range(70), LOG_PAGE - 1, LOG_PAGE, LOG_PAGE + 149):
        assert await api.events(running.generation_id, before[index].id) == before[index + 1 :]
    assert await api.events(running.generation_id) == before


@pytest.mark.parametrize("chunked", [False, True])
def test_a_page_follows_each_of_its_events(chunked: bool) -> None:
    """There is no empty chunk: that would end the response."""
    entries = [raw(10, seq, "delta", b"x" * 5_000) for seq in range(100)]
    page = ReplayPage(entries, NativeDialect())
    for cursor in (None, 0, 1, 42, 43, 98, 99):
        after = ORIGIN if cursor is None else EventId(10, cursor)
        following = entries if cursor is None else entries[cursor + 1 :]
        pieces = page.pieces(after, chunked=chunked)
        assert b"".join(map(_unchunked, pieces) if chunked else pieces) == native(*following)
    assert page.size == len(native(*entries))
    assert page.last == EventId(10, 99)


def _unchunked(piece: sse_frames.Piece) -> bytes:
    assert isinstance(piece, bytes)
    if not piece:
        return b""
    size, _, rest = piece.partition(b"\r\n")
    body = rest.removesuffix(b"\r\n")
    assert len(body) == int(size, 16) > 0
    return body
