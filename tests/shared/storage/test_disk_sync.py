"""What servers say of their disks, and whether it is so: real ones with a slow disk, and scripted replies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from hiredis import Reader
from redis.exceptions import RedisError

from shared.config.settings import Settings
from shared.errors import NotOnDiskError, SettingsError
from shared.storage.disk_sync import VERSIONS_WITH_WAITAOF, Disk, DiskSync, refusal, version_of
from tests.conftest import REDIS_8
from tests.mended.server import Server

ALWAYS = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
EVERYSEC = ALWAYS | {"appendfsync": "everysec"}
KNOWN = min(VERSIONS_WITH_WAITAOF)
DELAY = 0.3
TRIES = 6

SERVERS = ["valkey", pytest.param("redis7", marks=pytest.mark.redis7), *(["redis8"] if REDIS_8 else [])]
"""A Redis 8 is none of Debian 12's; MIDSTREAM_REDIS_8 names the program of one."""


@pytest.mark.parametrize(
    ("directives", "version", "said"),
    [
        (ALWAYS, "7.0.15", None),
        (ALWAYS, None, None),
        (EVERYSEC, KNOWN, None),
        (EVERYSEC, "7.0.15", "appendfsync everysec: set `appendfsync always`"),
        (EVERYSEC, "7.4.0", "appendfsync always"),
        (EVERYSEC, None, "appendfsync always"),
        (EVERYSEC | {"appendfsync": "no"}, KNOWN, "appendfsync always"),
        (ALWAYS | {"appendonly": "no"}, KNOWN, "appendonly yes"),
        (EVERYSEC | {"no-appendfsync-on-rewrite": "yes"}, KNOWN, "no-appendfsync-on-rewrite no"),
        (ALWAYS | {"no-appendfsync-on-rewrite": "yes"}, KNOWN, "no-appendfsync-on-rewrite no"),
        (None, KNOWN, "CONFIG GET"),
        ({}, KNOWN, "appendonly yes"),
    ],
)
def test_what_a_server_must_say(directives: dict[str, str] | None, version: str | None, said: str | None) -> None:
    why = refusal(directives, version)
    assert (why is None) if said is None else (why is not None and said in why)


def test_valkey_is_not_the_redis_that_it_says_as_well() -> None:
    assert version_of({"redis_version": "8.2.3", "valkey_version": "9.1.2"}) is None
    assert version_of({"redis_version": "8.2.3"}) == "8.2.3"


class TestSlowDisk:
    """On real servers each of whose syncs is held up."""

    @pytest.fixture(params=SERVERS)
    def binary(self, request: pytest.FixtureRequest) -> Path | None:
        if request.param == "valkey":
            return None
        if request.param == "redis8":
            return Path(REDIS_8 or "")
        found = shutil.which("redis-server")
        if found is None or "v=7.0." not in subprocess.run([found, "-v"], capture_output=True, text=True).stdout:
            pytest.skip("Debian's redis-server 7.0 is not installed")
        return Path(found)

    def test_always_replies_when_it_is_on_disk(self, tmp_path: Path, binary: Path | None) -> None:
        with running(tmp_path / "redis", "always", binary) as server:
            for n in range(TRIES):
                server.client().set(f"key{n}:", "x")
                assert server.on_disk(b"key%d:" % n)

    def test_waitaof_waits_where_the_list_says_so_and_nowhere_else(self, tmp_path: Path, binary: Path | None) -> None:
        with running(tmp_path / "redis", "everysec", binary) as server:
            asked = random.Random(7)
            answered, kept = 0, 0
            for n in range(TRIES):
                client = server.client()
                client.set(f"key{n}:", "x")
                # At any moment between two syncs, and while one is under way.
                time.sleep(asked.random() * 0.6)
                server.client().set("another", n)
                client.set(f"last{n}:", "x")
                with contextlib.suppress(redis.ResponseError):
                    client.execute_command("WAITAOF", 1, 0, 10_000)
                    answered += 1
                kept += server.on_disk(b"last%d:" % n)
            version = version_of(client.info("server"))
        assert (answered == kept == TRIES) == (version in VERSIONS_WITH_WAITAOF), (version, answered, kept)

    async def test_what_is_confirmed_is_on_disk(self, tmp_path: Path, binary: Path | None) -> None:
        """Under everysec: by whichever connection it was written, or refused."""
        with running(tmp_path / "redis", "everysec", binary) as server:
            version = version_of(server.client().info("server"))
            while server.client().info("server")["uptime_in_seconds"] < 3:
                await asyncio.sleep(0.05)
            disk = Disk(server.url, timeout=5)
            loop = asyncio.get_running_loop()
            try:
                if version in VERSIONS_WITH_WAITAOF:
                    for n in range(TRIES):
                        began = loop.time()
                        server.client().set(f"key{n}:", "x")
                        await disk.confirm(began)
                        assert server.on_disk(b"key%d:" % n)
                else:
                    with pytest.raises(NotOnDiskError, match="appendfsync always"):
                        await disk.confirm(loop.time())
            finally:
                await disk.aclose()


@contextlib.contextmanager
def running(folder: Path, sync: str, binary: Path | None) -> Iterator[Server]:
    """A server whose syncs take DELAY."""
    server = Server(folder, sync=sync, binary=binary)
    try:
        server.delay = DELAY
        yield server
    finally:
        server.kill()


class Scripted:
    """Replies as a Redis would, on a socket: to each command by its name what `replies` has."""

    def __init__(self) -> None:
        self.replies = {
            "CONFIG": command(*(word for pair in EVERYSEC.items() for word in pair)),
            "INFO": info(),
            "SET": b"+OK\r\n",
            "WAITAOF": b"*2\r\n:1\r\n:0\r\n",
        }
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        parser = Reader()
        with contextlib.closing(writer):
            while data := await reader.read(65_536):
                parser.feed(data)
                while (words := parser.gets()) is not False:
                    name = words[0].decode().upper()
                    self.asked.append(name)
                    writer.write(self.replies.get(name, b"+OK\r\n"))


def command(*words: str) -> bytes:
    """An array of texts."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)


def info(uptime: int = 1000, version: str = KNOWN) -> bytes:
    """A reply to INFO."""
    text = f"# Server\r\nredis_version:{version}\r\nuptime_in_seconds:{uptime}\r\n".encode()
    return b"$%d\r\n%s\r\n" % (len(text), text)


@pytest.fixture
async def scripted(tmp_path: Path) -> AsyncIterator[tuple[Scripted, str]]:
    """A scripted server, and its address."""
    subject = Scripted()
    path = tmp_path / "socket"
    async with await asyncio.start_unix_server(subject.serve, path):
        yield subject, f"unix://{path}"


class TestWaitaof:
    async def test_it_is_asked_on_the_connection_of_the_last_write(self, scripted: tuple[Scripted, str]) -> None:
        server, url = scripted
        await confirmed(url)
        at = server.asked.index("SET")
        assert server.asked[at : at + 3] == ["SET", "WAITAOF", "INFO"]

    async def test_always_needs_no_more_than_a_look(self, scripted: tuple[Scripted, str]) -> None:
        server, url = scripted
        server.replies["CONFIG"] = command(*(word for pair in ALWAYS.items() for word in pair))
        await confirmed(url)
        assert not {"SET", "WAITAOF", "INFO"} & set(server.asked)

    @pytest.mark.parametrize(
        ("name", "reply", "said"),
        [
            ("WAITAOF", b"*2\r\n:0\r\n:0\r\n", "has not synced"),
            ("INFO", info(uptime=1), "has restarted"),
            ("INFO", info(version="7.4.1"), "appendfsync always"),
            ("CONFIG", b"-NOPERM no\r\n", "CONFIG GET"),
            ("CONFIG", b"-ERR unknown command\r\n", "CONFIG GET"),
        ],
    )
    async def test_what_is_not_certain_is_not_confirmed(
        self, scripted: tuple[Scripted, str], name: str, reply: bytes, said: str
    ) -> None:
        server, url = scripted
        server.replies[name] = reply
        with pytest.raises(NotOnDiskError, match=said):
            await confirmed(url)

    @pytest.mark.parametrize("name", ["WAITAOF", "SET"])
    async def test_a_refusal_is_no_confirmation(self, scripted: tuple[Scripted, str], name: str) -> None:
        server, url = scripted
        server.replies[name] = b"-MISCONF no\r\n"
        with pytest.raises(RedisError):
            await confirmed(url)

    async def test_silence_ends(self, scripted: tuple[Scripted, str], caplog: pytest.LogCaptureFixture) -> None:
        server, url = scripted
        server.replies["WAITAOF"] = b""
        subject = DiskSync(Settings(redis_url=url, durability="disk"), answer_timeout_s=0.1)
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                with pytest.raises(NotOnDiskError, match="Redis does not answer"):
                    await subject.confirm(asyncio.get_running_loop().time())
        await subject.aclose()
        assert len(caplog.records) == 1, "said once for each outage"

    async def test_both_redis_are_asked(self, scripted: tuple[Scripted, str], tmp_path: Path) -> None:
        _, url = scripted
        worse = Scripted()
        worse.replies["INFO"] = info(version="7.0.15")
        async with await asyncio.start_unix_server(worse.serve, tmp_path / "queue"):
            subject = DiskSync(Settings(redis_url=url, queue_url=f"unix://{tmp_path / 'queue'}", durability="disk"))
            with pytest.raises(NotOnDiskError, match="the queue's Redis has appendfsync everysec"):
                await subject.confirm(asyncio.get_running_loop().time())
            with pytest.raises(SettingsError, match="the queue's Redis has appendfsync everysec"):
                await subject.require()
            await subject.aclose()

    async def test_by_default_nothing_is_asked(self, scripted: tuple[Scripted, str]) -> None:
        server, url = scripted
        subject = DiskSync(Settings(redis_url=url))
        await subject.require()
        await subject.confirm(0)
        await subject.aclose()
        assert server.asked == []


async def confirmed(url: str) -> None:
    """One confirmation of what is written now."""
    disk = Disk(url, timeout=5)
    try:
        await disk.confirm(asyncio.get_running_loop().time())
    finally:
        await disk.aclose()
