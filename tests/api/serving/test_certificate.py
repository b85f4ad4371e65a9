"""HTTPS without a proxy, for viewers too."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from pathlib import Path

import pytest

from api.serving.certificate import Certificate
from api.serving.connection_limits import ConnectionLimits
from api.serving.server import server
from api.serving.uvicorn_protocol import HttpConfig
from shared.config.settings import load
from shared.errors import SettingsError
from tests.api.exchange.dialect_posts import CHAT
from tests.api.harness import DEADLINE, Api, Producer
from tests.contract.accepting import accept


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", *words, *files], check=True, capture_output=True)
    return Certificate(folder / "cert.pem", folder / "key.pem")


@pytest.mark.parametrize("transport", ["direct", "asgi"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_viewers_have_their_stream_over_tls(
    redis_url: str, certificate: Certificate, transport: str, version: str
) -> None:
    api = Api(load(redis_url=redis_url, simulator_url="http://127.0.0.1:9", transport=transport))
    api.server = server(api.app, api.hub, api.settings, certificate)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with api, asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port, ssl=context, limit=4_000_000)
        body = b'{"model":"simulator/lorem","messages":[{"role":"user","content":"x"}]}'
        writer.write(
            b"POST /v1/generations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("HTTP/1.1 202")
        generation = head.partition("/v1/generations/")[2].split()[0]
        await reader.readuntil(b"}}")
        producer = await Producer.start(api.log, generation)
        writer.write(f"GET /v1/generations/{generation}/events HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
        await reader.readuntil(b"event: attempt\n")
        for _ in range(40):
            await producer.say("x" * 50_000)
        await producer.complete()
        if version == "1.0":
            rest = await reader.read(-1)
            assert rest.endswith(b"\n\n")
            assert b"\r\n" not in rest
        else:
            await reader.readuntil(b"event: completed\n")
            await reader.readuntil(b"\r\n0\r\n\r\n")
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.transport.abort()


def test_a_handshake_that_stalls_is_cut_after_the_time_of_a_head(certificate: Certificate) -> None:
    config = HttpConfig(lambda *_: None, ConnectionLimits(header_timeout=0.2), loop="none")  # type: ignore[arg-type]

    async def stall() -> bytes:
        context = certificate.context()
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=context)
        async with server, asyncio.timeout(DEADLINE):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            with contextlib.closing(writer):
                return await reader.read()

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        assert runner.run(stall()) == b""


def test_a_certificate_that_cannot_be_used_is_one_line(tmp_path: Path, certificate: Certificate) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for wrong in (Certificate(empty), Certificate(tmp_path / "none.pem"), Certificate(certificate.certfile)):
        with pytest.raises(SettingsError, match=r"^--ssl-certfile: .* cannot be used: .+") as raised:
            wrong.context()
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("transport", ["direct", "asgi"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_dialects_stream_that_breaks_off_over_tls_never_ends_cleanly(
    redis_url: str, certificate: Certificate, transport: str, version: str
) -> None:
    """Without its last chunk, or by a reset, so that no client takes what it has for all."""
    api = Api(load(redis_url=redis_url, simulator_url="http://127.0.0.1:9", transport=transport))
    api.server = server(api.app, api.hub, api.settings, certificate)
    async with api, asyncio.timeout(DEADLINE):
        running = await Producer.start(api.log, await accept(api.generations, owner="local"))
        await running.say("Hel")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port, ssl=context)
        target = f"{CHAT.named(running.generation_id)}?stream=true"
        writer.write(f"GET {target} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
        await reader.readuntil(b"Hel")
        api.hub.drain()
        if version == "1.1":
            with contextlib.suppress(ConnectionResetError):
                assert b"0\r\n\r\n" not in await reader.read(-1)
        else:
            with pytest.raises((ConnectionResetError, ssl.SSLError)):
                await reader.read(-1)
        writer.transport.abort()
