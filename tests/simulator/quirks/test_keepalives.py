"""Signs of life between the events; what stands around them is as ever."""

import pytest

from tests.simulator.quirks.asked import ALL, GEMINI, LOREM, MESSAGES, Asker, same

SIGNS = {
    "keepalive-comment": [b": OPENROUTER PROCESSING"],
    "keepalive-word": [b"data: ping", b"data: [PING]", b"data: keep-alive", b"data: heartbeat"],
    "keepalive-prose": [b"data: still processing, please wait", b"data: : keep-alive"],
    "keepalive-named": [b"event: keepalive\ndata: alive", b"event: heartbeat\ndata: "],
    "keepalive-empty": [b"data: ", b"data:"],
    "keepalive-json": [b'event: ping\ndata: {"type":"ping"}'],
}


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize(("quirk", "signs"), SIGNS.items())
async def test_they_stand_between_the_events(ask: Asker, protocol: str, quirk: str, signs: list[bytes]) -> None:
    if (protocol, quirk) == (MESSAGES, "keepalive-json"):
        return
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, quirk)
    line = b"\r\n" if protocol == GEMINI else b"\n"
    for sign in signs:
        assert sign.replace(b"\n", line) + line * 2 in odd.body
    found = [block for block in odd.blocks if block in signs]
    assert len(found) >= 7
    rest = [block for block in odd.blocks if block not in signs]
    kept = same(b"\n\n".join(rest)).replace(f"&quirk={quirk}".encode(), b"")
    assert kept == same(b"\n\n".join(usual.blocks))
