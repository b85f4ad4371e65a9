"""Answers that are whole, and end in another way than their protocol says."""

from collections.abc import Iterator
from typing import Final

from simulator.quirks.event import Event
from simulator.quirks.quirk import ALL, CHAT, GEMINI, MESSAGES, RESPONSES, Change, Quirk, everywhere

DONE: Final = "[DONE]"


def _is_marker(event: Event) -> bool:
    """Whether it is the terminal marker of Chat or Messages; the other two have none."""
    return bool(event.data == DONE or event.name == "message_stop")


def _unmarked(events: Iterator[Event]) -> Iterator[Event]:
    yield from (event for event in events if not _is_marker(event))


def _in_place(spelling: str) -> Change:
    """Puts another spelling in the marker's place."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            yield event.after(spelling) if _is_marker(event) else event

    return changed


def _behind(spelling: str) -> Change:
    """Puts it behind an answer that should have none."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        last = None
        for event in events:
            last = event
            yield event
        if last is not None:
            yield last.after(spelling)

    return changed


def _done(spelling: str) -> dict[str, Change]:
    return {
        CHAT: _in_place(spelling),
        MESSAGES: _in_place(spelling),
        RESPONSES: _behind(spelling),
        GEMINI: _behind(spelling),
    }


def _cut(lines: int) -> Change:
    """Leaves so many line ends behind the last event that is not the bare word DONE."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        held = None
        for event in events:
            if held is not None:
                yield held
            held = event
        if held is not None:
            held.raw = held.frame().rstrip(b"\r\n") + held.line * lines
            yield held

    return changed


def _either(change: Change) -> dict[str, Change]:
    """For Chat the last event is the one before `[DONE]`."""
    return everywhere(change) | {CHAT: lambda events: change(_unmarked(events))}


_OPEN: Final[dict[str, Change]] = dict.fromkeys(ALL, _unmarked)

QUIRKS: Final = (
    Quirk(
        "done",
        "`[DONE]` as Chat has it, in Messages in place of `message_stop` (java-genai#1084).",
        {protocol: change for protocol, change in _done(DONE).items() if protocol != CHAT},
    ),
    Quirk("done-blank", "`data:  [DONE]` with two blanks (lobehub#7990).", _done(f" {DONE}")),
    Quirk("done-quoted", '`"[DONE]"` as a JSON string (gateways).', _done(f'"{DONE}"')),
    Quirk("done-word", "`DONE` without brackets (java-genai#1084).", _done("DONE")),
    Quirk("done-small", "`[done]` in small letters (gateways).", _done("[done]")),
    Quirk(
        "no-end-marker",
        "No `[DONE]`, no `message_stop`: the body ends after the counts (gateways in openclaw#120030).",
        {CHAT: _unmarked, MESSAGES: _unmarked},
    ),
    Quirk(
        "no-final-blank-line",
        "The body ends with the last event's JSON, in Chat before `[DONE]` (openai-node#2725, gemini-cli#29059).",
        _either(_cut(0)),
    ),
    Quirk("final-line-break", "The same, with one line end of two (opencode#40454).", _either(_cut(1))),
    Quirk(
        "pings-after-finish",
        "No end marker; keep-alives follow the finish reason for as long as the client listens (better-ccflare#307).",
        _OPEN,
        afterwards="keepalive",
    ),
    Quirk("silence-after-finish", "The same, with nothing in place of the keep-alives.", _OPEN, afterwards="stall"),
    Quirk("reset-after-finish", "No end marker; the connection breaks after the counts.", _OPEN, afterwards="reset"),
)
