"""Tool calls of Chat whose name comes late, in pieces, often, or never."""

from collections.abc import Iterator
from typing import Any, Final

from simulator.quirks.chat_chunks import each_fragment
from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, Change, Quirk


def _held(begins: dict[str, str | None], *pieces: slice) -> Change:
    """The first fragment has `begins` in place of its name, those that follow have these pieces of it."""

    def change(fragment: dict[str, Any], n: int, first: dict[str, Any]) -> None:
        function = fragment["function"]
        if n == 0:
            del function["name"]
            function |= begins
        elif n <= len(pieces):
            function["name"] = first["function"]["name"][pieces[n - 1]]

    return each_fragment(change)


def _repeated(fragment: dict[str, Any], _: int, first: dict[str, Any]) -> None:
    fragment["function"]["name"] = first["function"]["name"]


def _nameless(fragment: dict[str, Any], *_: Any) -> None:
    fragment["function"].pop("name", None)


def _without_function(fragment: dict[str, Any], n: int, _: dict[str, Any]) -> None:
    if n == 0:
        del fragment["function"]


def _id_first(events: Iterator[Event]) -> Iterator[Event]:
    """Only the id and the type come first."""
    return each_fragment(_without_function)(_held({}, _WHOLE)(events))


_WHOLE: Final = slice(None)

QUIRKS: Final = (
    Quirk("tool-name-late", "The second fragment of a call has its name (vercel/ai#14722).", {CHAT: _held({}, _WHOLE)}),
    Quirk("tool-name-null", "The same, with `name: null` in the first one.", {CHAT: _held({"name": None}, _WHOLE)}),
    Quirk("tool-name-empty", 'The same, with `name: ""` in the first one.', {CHAT: _held({"name": ""}, _WHOLE)}),
    Quirk("tool-id-first", "The first fragment has an id and no `function` (vmlx#244).", {CHAT: _id_first}),
    Quirk(
        "tool-name-pieces",
        'The name comes in pieces: `""`, `get_`, `weather` (gateways that stream it).',
        {CHAT: _held({"name": ""}, slice(4), slice(4, None))},
    ),
    Quirk(
        "tool-name-repeated",
        "Each fragment has the whole name (NVIDIA NIM: hermes-agent#12230).",
        {CHAT: each_fragment(_repeated)},
    ),
    Quirk("tool-nameless", "No fragment has a name.", {CHAT: each_fragment(_nameless)}),
)
