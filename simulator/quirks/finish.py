"""Finish reasons that come too early, too often, or not in the protocol's words."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from simulator.quirks.event import Event
from simulator.quirks.halves import first_half
from simulator.quirks.quirk import CHAT, GEMINI, MESSAGES, Change, Quirk, each
from simulator.quirks.reasons import WITH_REASON, reason_of, set_reason

_STOP: Final = {CHAT: "stop", MESSAGES: "end_turn", GEMINI: "STOP"}


def _every_chunk(reason: str) -> Change:
    def stamp(event: Event) -> None:
        if reason_of(event) is None:
            set_reason(event, reason)

    return each(stamp)


def _message_delta(reason: str, counts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": counts}


def _halfway(reason: str) -> Change:
    """In the middle of the answer, with counts."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        before = list(events)
        middle = max(before[-1].due // 2, 1)
        for event, following in zip(before, [*before[1:], None], strict=True):
            last = following is not None and event.due < middle <= following.due
            if last and not isinstance(event.data.get("type"), str):
                set_reason(event, reason)
            yield event
            if last and isinstance(event.data.get("type"), str):
                yield event.after(_message_delta(reason, {"output_tokens": middle}), "message_delta")

    return changed


def _leading(reason: str) -> Change:
    """Before the first word, on empty chunks."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        begun = False
        for event in events:
            if event.due >= 0 and not begun:
                begun = True
                for _ in range(2):
                    yield _empty(event, reason)
            yield event

    return changed


def _empty(event: Event, reason: str) -> Event:
    """An event like this one that says only the reason."""
    if "type" in event.data:
        return event.after(_message_delta(reason, {"output_tokens": 0}), "message_delta")
    data = deepcopy(event.data)
    if "choices" in data:
        data["choices"][0]["delta"] = {"content": ""}
    else:
        data["candidates"][0]["content"]["parts"] = [{"text": ""}]
    empty = event.after(data)
    set_reason(empty, reason)
    return empty


def _null(event: Event) -> None:
    if reason_of(event) is None:
        set_reason(event, "null")


def _without(events: Iterator[Event]) -> Iterator[Event]:
    """The answer without any finish reason, up to the marker."""
    for event in events:
        if event.name == "message_delta":
            event.data["delta"]["stop_reason"] = None
        elif reason_of(event) is not None and "choices" in event.data:
            event.data["choices"][0]["finish_reason"] = None
        elif reason_of(event) is not None:
            del event.data["candidates"][0]["finishReason"]
        yield event


def _broken_off(reason: str) -> dict[str, Change]:
    """Half of the answer, and then the end with this reason."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        said, end = first_half(events)
        yield from said
        for event in end:
            if reason_of(event) is not None:
                set_reason(event, reason)
            yield event

    return {CHAT: changed, MESSAGES: changed}


def _each_of(make: Any, *protocols: str) -> dict[str, Change]:
    return {protocol: make(_STOP[protocol]) for protocol in protocols}


QUIRKS: Final = (
    Quirk(
        "finish-every-chunk",
        "`stop`, or `STOP`, in every chunk from the first one on (gcli2api#403).",
        _each_of(_every_chunk, CHAT, GEMINI),
    ),
    Quirk(
        "finish-halfway",
        "A finish reason with counts in the middle of the answer (Gemini, code execution in rounds: rig#2328).",
        _each_of(_halfway, *WITH_REASON),
    ),
    Quirk(
        "finish-leading",
        "A finish reason on empty chunks before the first word (CLIProxyAPI#5651).",
        _each_of(_leading, *WITH_REASON),
    ),
    Quirk(
        "finish-null",
        'The string `"null"` in every chunk but the last (gateways).',
        dict.fromkeys(WITH_REASON, each(_null)),
    ),
    Quirk(
        "finish-missing",
        "No finish reason at all, and then the usual end (gateways).",
        dict.fromkeys(WITH_REASON, _without),
    ),
    Quirk("broken-abort", "Half of the answer, and the reason `abort` (vLLM: vllm#57082).", _broken_off("abort")),
    Quirk("broken-network", "The same with `network_error` (Z.ai).", _broken_off("network_error")),
    Quirk(
        "broken-resource",
        "The same with `insufficient_system_resource` (DeepSeek's API reference).",
        _broken_off("insufficient_system_resource"),
    ),
)
