"""The load generator, against streams written by hand: what it counts, and what it must not miss."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.environments import Unavailable
from bench.load import get, load

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def event(seq: int, serial: int, *, late_us: int = 0, name: str = "delta") -> bytes:
    made = time.time_ns() // 1000 - late_us
    return b'id: 7-%d\nevent: %b\ndata: {"delta":"@%d;#%d;"}\n\n' % (seq, name.encode(), made, serial)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def served(folder: Path, pieces: Sequence[bytes], request: bytes = get("/"), **options: int) -> dict[str, Any]:
    """What the load reports of a server that answers each connection with these pieces, one write each."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with load(port, [request], folder=folder, seconds=20, **options) as streams:
            return await streams.report(30.0)


async def test_a_whole_stream_however_it_is_cut(tmp_path: Path) -> None:
    body = b": \n\n" + b"".join(chunk(event(n, n, late_us=250_000)) for n in range(5))
    whole = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"retry: 1\n\n") + body[4:] + b"0\r\n\r\n"
    report = await served(tmp_path, [whole[at : at + 1] for at in range(len(whole))], viewers=3, expect=5)
    assert (report["opened"], report["complete"], report["total_marks"], report["least"]) == (3, 3, 15, 5)
    assert [report[name] for name in ("gaps", "missing", "duplicates", "backward", "early_ends")] == [0] * 5
    assert 250_000 <= report["latency"]["p50"] < 5_000_000


@pytest.mark.parametrize(
    ("numbers", "wrong"),
    [
        ([(0, 0), (1, 1), (3, 3)], {"gaps": 2, "missing": 2}),
        ([(0, 0), (1, 1), (1, 1)], {"duplicates": 2}),
        ([(0, 0), (2, 2), (1, 1)], {"gaps": 2, "missing": 2, "backward": 2}),
        ([(0, 0), (1, 5)], {"gaps": 1, "missing": 4}),
    ],
)
async def test_what_is_not_dense_is_counted(
    tmp_path: Path, numbers: list[tuple[int, int]], wrong: dict[str, int]
) -> None:
    report = await served(tmp_path, [HEAD + b"\r\n", *(event(seq, serial) for seq, serial in numbers)])
    counted = {name: report[name] for name in ("gaps", "missing", "duplicates", "backward")}
    assert counted == dict.fromkeys(counted, 0) | wrong


async def test_one_that_resumes_must_go_on_after_its_cursor(tmp_path: Path) -> None:
    report = await served(tmp_path, [HEAD + b"\r\n", event(6, 6)], get("/", "7-3"))
    assert (report["gaps"], report["missing"]) == (1, 2)


async def test_a_stream_that_breaks_off_is_no_end_and_is_resumed(tmp_path: Path) -> None:
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    report = await served(tmp_path, [head, chunk(event(0, 0))], reconnect=2)
    assert (report["complete"], report["early_ends"], report["reconnects"]) == (0, 3, 2)
    # The same event after `Last-Event-ID: 7-0` is one too many, twice: by its id and by its number.
    assert report["duplicates"] == 4


async def test_no_more_are_asked_than_may_wait_for_their_answer(tmp_path: Path) -> None:
    waiting = most = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting, most
        await reader.readuntil(b"\r\n\r\n")
        waiting += 1
        most = max(most, waiting)
        for _ in range(100):  # all that come at once are here by then
            await asyncio.sleep(0)
        waiting -= 1
        writer.write(HEAD + b"\r\n" + event(0, 0))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        options = {"viewers": 50, "ramp": 1_000_000, "expect": 1, "seconds": 20}
        async with load(port, [get("/")], folder=tmp_path, pending=3, **options) as streams:
            report = await streams.report(30.0)
        assert (report["total_marks"], report["refused"]) == (50, 0)
        assert 1 <= most <= 3


async def test_what_the_machine_cannot_open_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (100, 20_000))
    with pytest.raises(Unavailable, match="20000 streams need more than the 20000 open files"):
        await served(tmp_path, [], viewers=20_000)


async def test_refusals_are_counted(tmp_path: Path) -> None:
    report = await served(tmp_path, [b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"], viewers=2)
    assert (report["bad_status"], report["first_bad_status"], report["complete"]) == (2, 503, 0)
