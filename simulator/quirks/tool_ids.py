"""Tool calls that their index and their id do not tell apart."""

from collections.abc import Iterator
from typing import Any, Final

from simulator.quirks.chat_chunks import Message, call_of, chunk, each_fragment, is_finish
from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, GEMINI, MESSAGES, RESPONSES, Change, Quirk, each


def _index(event: Event) -> int:
    index: int = (call_of(event) or {})["index"]
    return index


def _in_turn(events: Iterator[Event]) -> Iterator[Event]:
    """The fragments of parallel calls one call after the other, where they alternate."""
    held: list[Event] = []
    for event in events:
        if call_of(event):
            held.append(event)
            continue
        for fragment in sorted(held, key=_index):
            # With the last of them: none may come before it is said.
            fragment.due = held[-1].due
            yield fragment
        held.clear()
        yield event


def _merged(**index: int) -> Change:
    """Fragments one call after the other, all with this index, or with none."""

    def change(fragment: dict[str, Any], *_: Any) -> None:
        fragment.pop("index")
        fragment.pop("id", None)
        fragment |= index

    return lambda events: each_fragment(change)(_in_turn(events))


def _whole(*dropped: str, together: bool = False, **fields: Any) -> Change:
    """Each call whole, in a chunk of its own or all in one, without the fields `dropped` and with `fields`."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        message = Message()
        for event in events:
            message.add(event)
            if call_of(event):
                continue
            if is_finish(event):
                calls = [{k: v for k, v in call.items() if k not in dropped} | fields for call in message.calls]
                for group in [calls] if together else [[call] for call in calls]:
                    yield chunk(event, {"tool_calls": group})
            yield event

    return changed


def _blank(fragment: dict[str, Any], n: int, _: dict[str, Any]) -> None:
    if n == 0:
        fragment["id"] = ""


def _missing(fragment: dict[str, Any], *_: Any) -> None:
    fragment.pop("id", None)


def _late(fragment: dict[str, Any], n: int, first: dict[str, Any]) -> None:
    fragment.pop("id", None)
    if n == 2:
        fragment["id"] = first["id"]


def _of_fragment(fragment: dict[str, Any], n: int, _: dict[str, Any]) -> None:
    fragment["id"] = f"call_{fragment['index']}_{n}"


def _whole_calls(event: Event) -> Iterator[dict[str, Any]]:
    """The calls in an event of the protocols whose calls have their id once."""
    if event.name == "content_block_start":
        yield event.data["content_block"]
    elif "candidates" in event.data:
        yield from (part.get("functionCall", {}) for part in event.data["candidates"][0]["content"]["parts"])
    else:
        yield event.data.get("item", {})
        yield from event.data.get("response", {}).get("output", ())


def _elsewhere(name: str, value: str | None) -> Change:
    def change(event: Event) -> None:
        for call in _whole_calls(event):
            # A text has no name.
            if "name" in call:
                call.pop(name, None)
                call |= {} if value is None else {name: value}

    return each(change)


def _others(value: str | None) -> dict[str, Change]:
    """Calls with this id, or with none, where they are whole."""
    return {
        MESSAGES: _elsewhere("id", value),
        GEMINI: _elsewhere("id", value),
        RESPONSES: _elsewhere("call_id", value),
    }


QUIRKS: Final = (
    Quirk(
        "tool-index-zero",
        "Parallel calls in fragments, one after the other, all with index 0 and no id (vercel/ai#18440).",
        {CHAT: _merged(index=0)},
    ),
    Quirk("tool-index-none", "The same without any index.", {CHAT: _merged()}),
    Quirk(
        "tool-index-zero-whole",
        "Each call whole in a chunk, with index 0 and no id (gcli2api#406).",
        {CHAT: _whole("id", index=0)},
    ),
    Quirk(
        "tool-index-zero-together",
        'All calls whole in one chunk, with index 0 and `id: ""` (omnigent#28).',
        {CHAT: _whole(together=True, index=0, id="")},
    ),
    Quirk(
        "tool-index-none-together",
        "The same with neither index nor id.",
        {CHAT: _whole("index", "id", together=True)},
    ),
    Quirk("tool-id-blank", '`id: ""` (gateways).', {CHAT: each_fragment(_blank), **_others("")}),
    Quirk("tool-id-missing", "Calls without an id (Gemini itself).", {CHAT: each_fragment(_missing), **_others(None)}),
    Quirk("tool-id-late", "The id comes with a later fragment than the name.", {CHAT: each_fragment(_late)}),
    Quirk(
        "tool-id-per-fragment",
        "Each fragment of a call has an id of its own (pool#9, mlx-openai-server#216).",
        {CHAT: each_fragment(_of_fragment)},
    ),
)
