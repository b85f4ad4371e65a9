"""Chunks of Chat whose message, or whose choice, is not where it should be."""

from collections.abc import Iterator
from typing import Any, Final

from simulator.quirks.chat_chunks import Message, choice_of, is_finish
from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, Change, Quirk, each


def _message_for_delta(event: Event) -> None:
    if choice := choice_of(event):
        choice["message"] = choice.pop("delta")


def _end(event: Event, message: Message) -> Event:
    """The whole answer as one event, at the place of the finish reason."""
    choice = choice_of(event)
    assert choice is not None
    whole = {"index": 0, "message": message.whole(), "finish_reason": choice["finish_reason"]}
    return event.after({**event.data, "object": "chat.completion", "choices": [whole]})


def _one_event(events: Iterator[Event]) -> Iterator[Event]:
    message = Message()
    for event in events:
        message.add(event)
        if is_finish(event):
            yield _end(event, message)
        elif choice_of(event) is None:
            yield event


def _beside_empty_delta(events: Iterator[Event]) -> Iterator[Event]:
    for event in _one_event(events):
        if choice := choice_of(event):
            choice["delta"] = {"role": None, "content": "", "tool_calls": None}
        yield event


def _once_more(events: Iterator[Event]) -> Iterator[Event]:
    message = Message()
    for event in events:
        message.add(event)
        yield _end(event, message) if is_finish(event) else event


def _index(counts: bool) -> Change:
    def changed(events: Iterator[Event]) -> Iterator[Event]:
        n = 0 if counts else 1
        for event in events:
            if choice := choice_of(event):
                choice["index"] = n
                n += counts
            yield event

    return changed


def _quirk(name: str, says: str, change: Change) -> Quirk:
    return Quirk(name, says, {CHAT: change})


_TOGETHER: Final = {"seed": None, "logprobs": None}


def _text_beside_delta(events: Iterator[Event]) -> Iterator[Event]:
    for n, event in enumerate(events):
        choice = choice_of(event)
        if choice is not None and (text := choice["delta"].get("content")) is not None:
            choice |= {"text": text, **_TOGETHER}
            choice["delta"] |= {"token_id": 1000 + n, "tool_calls": None}
        yield event


def _timings(events: Iterator[Event]) -> Iterator[Event]:
    for n, event in enumerate(events):
        if isinstance(event.data, dict):
            event.data["timings"] = _timing(n)
        yield event


def _timing(n: int) -> dict[str, Any]:
    return {
        "prompt_n": 10,
        "prompt_ms": 251.5,
        "predicted_n": n,
        "predicted_ms": 15.2 * n,
        "predicted_per_second": 65.5,
    }


def _so_far(events: Iterator[Event]) -> Iterator[Event]:
    message = Message()
    for event in events:
        message.add(event)
        if choice := choice_of(event):
            choice["message"] = message.whole()
        yield event


QUIRKS: Final = (
    _quirk("message-for-delta", "Each chunk has `message` in place of `delta` (gateways).", each(_message_for_delta)),
    _quirk("message-in-one", "One event has the whole `chat.completion` (cherry-studio#8065).", _one_event),
    _quirk("message-beside-empty", "The same, with an empty `delta` beside the message.", _beside_empty_delta),
    _quirk(
        "message-once-more",
        "After the deltas the last chunk has the whole message (MiniMax, hermes-browser-extension#11).",
        _once_more,
    ),
    _quirk(
        "message-so-far",
        "Beside each `delta` stands the whole `message` so far (Perplexity's `stream_mode: full`).",
        _so_far,
    ),
    _quirk("text-beside-delta", "Each chunk has its text twice and the token's number (Together).", _text_beside_delta),
    _quirk("timings", "Each chunk has running `timings` (llama.cpp's `timings_per_token`).", _timings),
    _quirk("choice-index-one", "The only choice has index 1 (gateways).", _index(counts=False)),
    _quirk("choice-index-counting", "The index of the choice counts up with each chunk.", _index(counts=True)),
)
