"""Values of another type than the protocol's."""

from typing import Any, Final
from zlib import crc32

from simulator.quirks.chat_chunks import choice_of
from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, Change, Quirk, each, everywhere

_TEXTS: Final = ("content", "text", "delta", "thinking")
_IDS: Final = ("id", "responseId", "call_id", "item_id")


def _is_number(value: Any) -> bool:
    """Whether it is the text of a number that comes out as it went in."""
    return isinstance(value, str) and value.isascii() and value.isdigit() and str(int(value)) == value


def _numbers(value: Any) -> Any:
    """The value with numbers in place of texts that are numbers."""
    if isinstance(value, list):
        return [_numbers(entry) for entry in value]
    if isinstance(value, dict):
        return {
            name: int(entry) if name in _TEXTS and _is_number(entry) else _numbers(entry)
            for name, entry in value.items()
        }
    return value


def _ids(value: Any) -> Any:
    """The value with numbers in place of ids; the same number for the same id."""
    if isinstance(value, list):
        return [_ids(entry) for entry in value]
    if isinstance(value, dict):
        return {
            name: crc32(entry.encode()) if name in _IDS and isinstance(entry, str) else _ids(entry)
            for name, entry in value.items()
        }
    return value


def _texts(value: Any) -> Any:
    """The value with text in place of whole numbers."""
    if isinstance(value, list):
        return [_texts(entry) for entry in value]
    if isinstance(value, dict):
        return {name: _texts(entry) for name, entry in value.items()}
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _all(change: Any) -> dict[str, Change]:
    def changed(event: Event) -> None:
        if isinstance(event.data, dict):
            event.data = change(event.data)

    return everywhere(each(changed))


def _empty_calls(event: Event) -> None:
    if choice := choice_of(event):
        choice["delta"] = {"tool_calls": {}, "function_call": "", **choice["delta"]}


def _with_error(value: Any) -> dict[str, Change]:
    return _all(lambda data: {**data, "error": value})


QUIRKS: Final = (
    Quirk("content-number", "Texts that are numbers are JSON numbers (`content: 6`; gateways in PHP).", _all(_numbers)),
    Quirk("ids-number", "Ids are numbers.", _all(_ids)),
    Quirk("numbers-text", 'Numbers are text (`index: "0"`).', _all(_texts)),
    Quirk(
        "calls-empty",
        '`tool_calls: {}` and `function_call: ""` in chunks without a call (gateways).',
        {CHAT: each(_empty_calls)},
    ),
    Quirk("error-empty-text", '`error: ""` in usual events (gateways).', _with_error("")),
    Quirk("error-empty-object", "`error: {}` in usual events.", _with_error({})),
    Quirk("error-false", "`error: false` in usual events.", _with_error(False)),
)
