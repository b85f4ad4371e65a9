"""Signs of life between the events."""

from collections.abc import Iterator
from itertools import cycle
from typing import Final

from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, GEMINI, RESPONSES, Change, Quirk, everywhere


def _between(*signs: bytes) -> Change:
    """A change that sends one of the signs, in turn, before each event that has a delta, and before the end."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        turn = cycle(signs)
        for event in events:
            if event.due >= 0:
                yield event.bytes_after(next(turn).replace(b"\n", event.line))
            yield event

    return changed


QUIRKS: Final = (
    Quirk(
        "keepalive-comment",
        "Comments between the events (OpenRouter's `: OPENROUTER PROCESSING`).",
        everywhere(_between(b": OPENROUTER PROCESSING\n\n")),
    ),
    Quirk(
        "keepalive-word",
        "Events that are one word and no JSON (`ping`, `[PING]`, `keep-alive`, `heartbeat`; proxies).",
        everywhere(_between(b"data: ping\n\n", b"data: [PING]\n\n", b"data: keep-alive\n\n", b"data: heartbeat\n\n")),
    ),
    Quirk(
        "keepalive-prose",
        "Events whose data is prose and no JSON (gateways that queue).",
        everywhere(_between(b"data: still processing, please wait\n\n", b"data: : keep-alive\n\n")),
    ),
    Quirk(
        "keepalive-named",
        "Events that only their name tells from others: `event: keepalive` with a word, or with nothing (proxies).",
        everywhere(_between(b"event: keepalive\ndata: alive\n\n", b"event: heartbeat\ndata: \n\n")),
    ),
    Quirk("keepalive-empty", "Events with no data (`data:`).", everywhere(_between(b"data: \n\n", b"data:\n\n"))),
    Quirk(
        "keepalive-json",
        "Anthropic's ping in the streams of other protocols (gateways in front of Claude).",
        dict.fromkeys((CHAT, RESPONSES, GEMINI), _between(b'event: ping\ndata: {"type":"ping"}\n\n')),
    ),
)
