"""Events that say what they should, in another dress: their fields, their line ends, the type of the whole."""

import json
import re
from collections.abc import Iterator
from typing import Final

from simulator.quirks.event import Event
from simulator.quirks.quirk import MESSAGES, RESPONSES, Change, Quirk, each, everywhere

_ESCAPES: Final = re.compile(rb"\\(?:u[0-9a-f]{4}|.)")
_LINE_ENDS: Final = (b"\\n", b"\\r")


def _same(events: Iterator[Event]) -> Iterator[Event]:
    return events


def _other_line_ends(event: Event) -> None:
    event.line = b"\n" if event.line == b"\r\n" else b"\r\n"


def _without_name(event: Event) -> None:
    event.name = ""


def _without_type(event: Event) -> None:
    if isinstance(event.data, dict):
        event.data.pop("type")


def _without_blank(event: Event) -> None:
    event.raw = event.frame().replace(b": ", b":", 2 if event.name else 1)


def _control_characters(event: Event) -> None:
    def bare(match: re.Match[bytes]) -> bytes:
        """The character that an escape means, unless it is none that would end the line."""
        character = json.loads(b'"%b"' % match[0])
        return character.encode() if character < " " and match[0] not in _LINE_ENDS else match[0]

    event.raw = _ESCAPES.sub(bare, event.frame())


def _marked(events: Iterator[Event]) -> Iterator[Event]:
    for n, event in enumerate(events):
        if n == 0:
            event.raw = b"\xef\xbb\xbf" + event.frame()
        yield event


def _named_only(change: Change) -> dict[str, Change]:
    """For the protocols that give each event a name."""
    return dict.fromkeys((RESPONSES, MESSAGES), change)


QUIRKS: Final = (
    Quirk(
        "sse-as-json",
        "The stream has `content-type: application/json` (a gateway in openclaw#97454).",
        everywhere(_same),
        content_type=b"application/json",
    ),
    Quirk(
        "sse-untyped", "The stream has no content type at all (small servers).", everywhere(_same), content_type=None
    ),
    Quirk("event-unnamed", "No event has its `event:` line (gateways).", _named_only(each(_without_name))),
    Quirk("type-unsaid", "Only the `event:` line says the type, the JSON does not.", _named_only(each(_without_type))),
    Quirk(
        "line-ends",
        "Lines end in CR LF where the service has LF, and the other way round (proxies).",
        everywhere(each(_other_line_ends)),
    ),
    Quirk("no-blank-after-colon", "`data:{…}` (servers in Java).", everywhere(each(_without_blank))),
    Quirk(
        "control-characters",
        "Tabs and other control characters of the answer stand in the JSON as they are (JSON built by hand).",
        everywhere(each(_control_characters)),
    ),
    Quirk("bom", "The stream begins with a byte order mark (proxies of IIS).", everywhere(_marked)),
)
