"""Answers that are whole and end in another way."""

import asyncio

import httpx2
import pytest

from simulator.quirks.registry import QUIRKS
from tests.simulator.quirks.asked import ALL, CHAT, GEMINI, LOREM, MESSAGES, RESPONSES, Asker, question


async def test_no_end_marker(ask: Asker) -> None:
    for protocol, marker in (
        (CHAT, b"data: [DONE]\n\n"),
        (MESSAGES, b'event: message_stop\ndata: {"type":"message_stop"}\n\n'),
    ):
        usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, "no-end-marker")
        assert usual.body.endswith(marker)
        assert marker not in odd.body
        assert odd.text == usual.text
        assert len(odd.blocks) == len(usual.blocks) - 1


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize(("quirk", "line_ends"), [("no-final-blank-line", 0), ("final-line-break", 1)])
async def test_the_last_blank_line(ask: Asker, protocol: str, quirk: str, line_ends: int) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, quirk)
    line = b"\r\n" if protocol == GEMINI else b"\n"
    assert odd.body.endswith(b"}" + line * line_ends)
    assert odd.text == usual.text
    assert len(odd.blocks) == len(usual.blocks) - (protocol == CHAT)


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize(
    ("quirk", "line"),
    [
        ("done", b"data: [DONE]"),
        ("done-blank", b"data:  [DONE]"),
        ("done-quoted", b'data: "[DONE]"'),
        ("done-word", b"data: DONE"),
        ("done-small", b"data: [done]"),
    ],
)
async def test_the_word_done(ask: Asker, protocol: str, quirk: str, line: bytes) -> None:
    if (protocol, quirk) == (CHAT, "done"):
        return
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, quirk)
    assert odd.blocks[-1] == line
    assert odd.body.endswith(line + (b"\r\n\r\n" if protocol == GEMINI else b"\n\n"))
    in_place = protocol in (CHAT, MESSAGES)
    assert len(odd.blocks) == len(usual.blocks) + (not in_place)
    assert b"message_stop" not in odd.body


LAST = {
    CHAT: b'"choices":[],"usage":{',
    RESPONSES: b"event: response.completed",
    MESSAGES: b'"stop_reason":"end_turn"',
    GEMINI: b'"finishReason":"STOP"',
}


@pytest.mark.parametrize("protocol", ALL)
async def test_pings_follow_the_finish_and_never_end(http: httpx2.AsyncClient, protocol: str) -> None:
    sign = b"event: ping" if protocol == MESSAGES else b": keep-alive"
    path, body = question(protocol, f"{LOREM}&quirk=pings-after-finish")
    seen = b""
    async with http.stream("POST", path, json=body) as answer:
        pieces = aiter(answer.aiter_raw())
        while seen.partition(LAST[protocol])[2].count(sign) < 3:
            # Every other keep-alive of Messages is a comment.
            seen += await anext(pieces)
    assert b"DONE" not in seen
    assert b"message_stop" not in seen


@pytest.mark.parametrize("protocol", ALL)
async def test_silence_follows_the_finish(http: httpx2.AsyncClient, protocol: str) -> None:
    path, body = question(protocol, f"{LOREM}&quirk=silence-after-finish")
    seen = b""
    async with http.stream("POST", path, json=body) as answer:
        pieces = aiter(answer.aiter_raw())
        while LAST[protocol] not in seen or not seen.endswith((b"\n\n", b"\r\n\r\n")):
            seen += await anext(pieces)
        with pytest.raises(TimeoutError):
            # Long enough for four keep-alives.
            async with asyncio.timeout(0.2):
                await anext(pieces)
    assert b"DONE" not in seen
    assert b"message_stop" not in seen


@pytest.mark.parametrize("protocol", ALL)
async def test_the_connection_breaks_after_the_finish(http: httpx2.AsyncClient, protocol: str) -> None:
    path, body = question(protocol, f"{LOREM}&quirk=reset-after-finish")
    pieces: list[bytes] = []

    async def read() -> None:
        async with http.stream("POST", path, json=body) as answer:
            async for piece in answer.aiter_raw():
                pieces.append(piece)

    with pytest.raises(httpx2.TransportError):
        await read()
    assert LAST[protocol] in b"".join(pieces)


def test_all_that_have_no_end_are_here() -> None:
    endless = {name for name, quirk in QUIRKS.items() if quirk.afterwards}
    assert endless == {"pings-after-finish", "silence-after-finish", "reset-after-finish"}
