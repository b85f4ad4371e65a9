"""Answers through the proxies and with the certificates of the environment, and loopback without either."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.config import outbound
from shared.config.protocols import Protocol
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.certificate import self_signed
from tests.worker.providers.conftest import Adapter
from tests.worker.providers.proxy_servers import HttpProxy, ProxyServer, SocksServer
from tests.worker.providers.test_stream import BODIES
from tests.worker.providers.upstream import Reply, Upstream, outcome

Ask = Callable[..., GenerationRequest]

NAME = "provider.test"
"""No resolver knows it."""

PROXIES: dict[str, type[ProxyServer]] = {
    "http": HttpProxy,
    "socks5": SocksServer,
    "socks5h": SocksServer,
    "socks": SocksServer,
}


def there(upstream: Upstream) -> str:
    """The upstream under a name that is not this machine's."""
    return f"http://{NAME}:{urlsplit(upstream.url).port}"


@pytest.fixture
def dead(unused_tcp_port: int) -> str:
    """A proxy that is not there."""
    return f"http://127.0.0.1:{unused_tcp_port}"


@pytest.mark.parametrize("protocol", BODIES)
@pytest.mark.parametrize("scheme", PROXIES)
async def test_an_answer_streams_through_a_proxy(
    scheme: str, protocol: Protocol, upstream: Upstream, adapter: Adapter, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.reply = Reply([BODIES[protocol]], end="hang")
    async with PROXIES[scheme]() as proxy:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
        events = adapter(protocol, there(upstream)).stream(ask(), "m")
        async with asyncio.timeout(5):
            assert await anext(events), "before the answer's end"
        await events.aclose()
        assert proxy.asked == [(NAME, urlsplit(upstream.url).port)]
        if isinstance(proxy, HttpProxy):
            assert proxy.heads[0].startswith(f"POST {there(upstream)}/")


@pytest.mark.parametrize("protocol", BODIES)
async def test_loopback_is_not_asked_through_one(
    protocol: Protocol, upstream: Upstream, adapter: Adapter, ask: Ask, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, dead)
    upstream.reply = Reply([BODIES[protocol]])
    assert (await outcome(adapter(protocol, upstream.url), ask())).error is None


async def test_no_proxy_is_not_asked_through_one(
    upstream: Upstream, adapter: Adapter, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with HttpProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "other.test,.test")
        assert (await outcome(adapter("openai-chat", there(upstream)), ask())).failure.code == "connection"
        assert proxy.asked == []


@pytest.mark.parametrize("protocol", BODIES)
async def test_without_tls_no_certificates_are_needed(
    protocol: Protocol, upstream: Upstream, adapter: Adapter, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/ca.pem")
    outbound._trusted.cache_clear()
    upstream.reply = Reply([BODIES[protocol]])
    assert (await outcome(adapter(protocol, upstream.url), ask())).error is None


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_tls_through_a_proxy_trusts_the_file_that_is_named(
    scheme: str, adapter: Adapter, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, private = self_signed(NAME)
    other, _ = self_signed(NAME)
    (tmp_path / "ca.pem").write_bytes(certificate)
    (tmp_path / "other.pem").write_bytes(other)
    (tmp_path / "both.pem").write_bytes(certificate + private)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "both.pem")
    upstream = Upstream()
    upstream.reply = Reply([BODIES["openai-chat"]])
    await upstream.start(tls)
    address = there(upstream).replace("http:", "https:")
    async with PROXIES[scheme]() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
        for file, code in (("other.pem", "connection"), ("ca.pem", None)):
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / file))
            outbound._trusted.cache_clear()
            error = (await outcome(adapter("openai-chat", address), ask())).error
            assert (error and error.code) == code
        assert len(proxy.asked) == 2
        assert len(upstream.calls) == 1
    await upstream.stop()
    outbound._trusted.cache_clear()


# httpcore2 leaves a connection whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\xff"])
@pytest.mark.parametrize("protocol", BODIES)
async def test_what_is_no_socks_proxy_is_a_failed_connection(
    protocol: Protocol, answer: bytes, adapter: Adapter, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert (await outcome(adapter(protocol, f"http://{NAME}"), ask())).failure.code == "connection"
    server.close()
    gc.collect()
