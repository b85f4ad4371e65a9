"""Keep-alives that are JSON, in the streams of all protocols, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.config.protocols import Protocol
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.conftest import Adapter
from tests.worker.providers.test_answer_reading import ANSWERS, every_protocol
from tests.worker.providers.test_finish_reasons import texts
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.keepalives import is_keepalive


@every_protocol
@pytest.mark.parametrize(
    "alive",
    [
        b'data: {"type":"ping"}\n\n',
        b'data: {"type":"ping","cost":"0"}\n\n',
        b'data: {"type":"keepalive","sequence_number":3}\n\n',
        b'data: {"type":"heartbeat","timestamp":1}\n\n',
        b'data: {"type":"response.heartbeat"}\n\n',
        b'data: {"event":"keep-alive"}\n\n',
        b'data: {"object":"ping"}\n\n',
        b'data: {"ping":1767225600}\n\n',
        b"event: ping\ndata: {}\n\n",
        b'event: keepalive\ndata: {"ts":1}\n\n',
        b"data: {}\n\n",
    ],
)
async def test_a_keepalive_leaves_nothing(
    upstream: Upstream,
    adapter: Adapter,
    ask: Callable[..., GenerationRequest],
    protocol: Protocol,
    alive: bytes,
) -> None:
    spoken = ANSWERS[protocol]
    upstream.reply = Reply([spoken.said, alive, alive.replace(b"1", b"2"), spoken.finish])
    got = await outcome(adapter(protocol, upstream.url), ask())
    assert (got.error, texts(got), got.raw()) == (None, "x", [])


@every_protocol
@pytest.mark.parametrize(
    "notice",
    [
        b'data: {"type":"status","message":"SECRET"}\n\n',
        b'data: {"status":"processing","message":"SECRET"}\n\n',
        b'data: {"type":"response.warning","message":"SECRET"}\n\n',
        b'data: {"code":200,"msg":"SECRET"}\n\n',
    ],
)
async def test_a_notice_is_no_error_and_shown_to_nobody(
    upstream: Upstream,
    adapter: Adapter,
    ask: Callable[..., GenerationRequest],
    protocol: Protocol,
    notice: bytes,
) -> None:
    spoken = ANSWERS[protocol]
    upstream.reply = Reply([spoken.said, notice, spoken.finish])
    got = await outcome(adapter(protocol, upstream.url), ask())
    assert (got.error, texts(got), "SECRET" in repr(got.events)) == (None, "x", False)


@pytest.mark.parametrize(
    ("name", "value", "alive"),
    [
        ("message", {"type": "pinged"}, False),
        ("message", {"ping": 1, "text": "x"}, False),
        ("message", {"type": "error", "message": "x"}, False),
        ("message", {"created": 1}, True),
        ("[PING]", {"text": "x"}, True),
    ],
)
def test_what_is_a_keepalive(name: str, value: dict[str, Any], alive: bool) -> None:
    assert is_keepalive(name, value) == alive
