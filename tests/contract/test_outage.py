"""What Redis refuses, and that it does no more, is told once."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, OutOfMemoryError, ResponseError, TimeoutError

from midstream.processes.valkey import Valkey
from shared.config.settings import Settings
from shared.permissions.permission_check import require
from shared.storage import connections, outage
from shared.storage.outage import is_full, level, outage_of, refusal

LOGGER = "midstream.redis"


@pytest.fixture(autouse=True)
def _told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)


def connect(url: str, *, timeout: float, retries: int = 2) -> Redis:
    """A client that soon sees the end of an outage."""
    client = connections.connect(url, timeout=timeout, retries=retries)
    its = outage_of(url)
    its.probe_interval_s, its.quiet_s = 0.05, 0.1
    return client


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


async def refused(redis: Redis, times: int = 5) -> None:
    for _ in range(times):
        with pytest.raises(ResponseError) as caught:
            await redis.set("x", "1")
        assert is_full(caught.value)


async def recovered(caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(10):
        while not any("takes writes again" in line for line in said(caplog)):
            await asyncio.sleep(0.01)


async def test_who_only_asked_for_permissions_leaves_its_end_to_be_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Valkey(tmp_path / "data") as server:
        redis = connect(server.url, timeout=5, retries=0)
        settings = Settings(redis_url=server.url)
        await server.kill()
        with pytest.raises(ConnectionError):
            await redis.set("x", "1")
        await server.start()
        assert await require(settings) == []
        await recovered(caplog)
        await redis.aclose()


async def test_no_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Valkey(tmp_path / "data") as server:
        redis, other = connect(server.url, timeout=5), connect(server.url, timeout=5)
        for _ in range(2):
            caplog.clear()
            await redis.config_set("maxmemory", "1")
            await refused(redis)
            await refused(other)
            async with redis.pipeline(transaction=False) as pipe:
                pipe.set("x", "1")
                pipe.get("x")
                assert isinstance((await pipe.execute(raise_on_error=False))[0], OutOfMemoryError)
            (line,) = said(caplog)
            assert line.endswith("refuses: OOM command not allowed when used memory > 'maxmemory'.")
            await redis.config_set("maxmemory", "0")
            await recovered(caplog)
            assert len(said(caplog)) == 2
        await redis.aclose()
        await other.aclose()


async def test_no_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # A snapshot cannot take the place of a folder: for Redis, its disk has failed.
    taken = tmp_path / "data/taken.rdb"
    async with Valkey(tmp_path / "data", config={"save": "3600 1", "dbfilename": taken.name}) as server:
        redis = connect(server.url, timeout=5)
        taken.mkdir()
        await redis.bgsave()
        async with asyncio.timeout(10):
            while (await redis.info("persistence"))["rdb_last_bgsave_status"] == "ok":
                await asyncio.sleep(0.05)
        await refused(redis)
        (line,) = said(caplog)
        assert "refuses: MISCONF " in line
        taken.rmdir()
        await redis.bgsave()
        await recovered(caplog)
        await redis.aclose()


async def test_no_server(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Valkey(tmp_path / "data") as server:
        redis = connect(server.url, timeout=1, retries=0)
        await redis.ping()
        await server.kill()
        for _ in range(5):
            with pytest.raises(ConnectionError):
                await redis.ping()
        (line,) = said(caplog)
        assert "cannot be reached: " in line
        await server.start()
        await recovered(caplog)
        await redis.aclose()


async def test_no_permission_is_told_once_without_credentials(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Valkey(tmp_path / "data") as server:
        redis = connect(server.url, timeout=5)
        await redis.acl_setuser("u", enabled=True, passwords=["+s3cr3t"], commands=["+ping"], keys=["*"])
        limited = connect(server.url.replace("unix://", "unix://u:s3cr3t@"), timeout=5)
        for _ in range(3):
            with pytest.raises(ResponseError):
                await limited.set("x", "1")
        wrong = connect(server.url.replace("unix://", "unix://u:wr0ng@"), timeout=5)
        for _ in range(3):
            with pytest.raises(ConnectionError):
                await wrong.ping()
        lines = said(caplog)
        assert len(lines) == 2
        assert "refuses: NOPERM " in lines[0]
        assert "refuses: NOAUTH " in lines[1]
        assert not any(secret in line for line in lines for secret in ("s3cr3t", "wr0ng"))
        for client in (redis, limited, wrong):
            await client.aclose()


async def test_another_reason_in_the_same_outage_is_told_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    subject = outage_of(f"redis://u:s3cr3t@{tmp_path.name}/0")
    for cause in (
        ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"),
        socket.gaierror(-2, "unknown"),
        ssl.SSLError(1, "certificate"),
    ):
        error = ConnectionError(str(cause))
        error.__cause__ = cause
        for _ in range(2):
            subject.note(error, None, connecting=True)
    lines = said(caplog)
    assert [line.split()[-1] for line in lines] == ["refused)", "unknown", "certificate"]
    assert "s3cr3t" not in "".join(lines)


async def test_a_wrong_password_is_told_again_in_the_next_outage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Valkey(tmp_path / "data") as server:
        admin = connect(server.url, timeout=5)
        wrong = connect(server.url.replace("unix://", "unix://u:s3cr3t@"), timeout=5, retries=0)
        for _ in range(2):
            caplog.clear()
            await admin.acl_setuser("u", enabled=False)
            await wrong.connection_pool.disconnect()
            with pytest.raises(ConnectionError):
                await wrong.ping()
            assert any("refuses: NOAUTH" in line for line in said(caplog))
            await admin.acl_setuser("u", enabled=True, passwords=["+s3cr3t"], commands=["+@all"], keys=["*"])
            await recovered(caplog)
        await wrong.aclose()
        await admin.aclose()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "OOM"),
        (ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), "MISCONF"),
        (ResponseError("WRONGTYPE Operation against a key"), None),
        (ResponseError("ERR unknown command"), None),
        (ConnectionError("max number of clients reached"), "ERR"),
        (TimeoutError("Timeout reading"), None),
    ],
)
def test_refusals_and_other_errors(error: Exception, code: str | None) -> None:
    assert refusal(error) == code
    assert level(error) == (logging.WARNING if code is None else logging.DEBUG)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), (errno.ECONNREFUSED,)),
        (OSError(errno.EHOSTUNREACH, "Connect call failed"), (errno.EHOSTUNREACH,)),
        # As asyncio says it of a name with several addresses.
        (
            OSError(f"Multiple exceptions: [Errno {errno.ECONNREFUSED}] ::1, [Errno {errno.ENETUNREACH}] 10.0.0.1"),
            (errno.ECONNREFUSED, errno.ENETUNREACH),
        ),
        (ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)), (errno.ECONNREFUSED,)),
    ],
)
def test_why_a_connection_failed_is_in_words(cause: OSError, said: tuple[int, ...]) -> None:
    error = ConnectionError(str(cause))
    error.__context__ = cause
    text = outage.words(error, None)
    assert [text.count(os.strerror(number)) for number in said] == [1] * len(said)


def test_words_are_one_line_that_can_be_printed() -> None:
    text = outage.words(ResponseError("MISCONF a\nb\x1b[2J" + "x" * 999), "MISCONF")
    assert text.startswith("MISCONF a b?[2J")
    assert len(text) == outage.MAX_SHOWN_CHARS
