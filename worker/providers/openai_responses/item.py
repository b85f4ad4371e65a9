"""One item of a Responses answer, and which types are alike."""

from typing import Any

from msgspec import Struct, field

from worker.providers.openai_responses.event import Slot
from worker.providers.openai_responses.parts import Said
from worker.providers.openai_responses.tools import ARGUMENT_OF_CALL, TOOL_OF_ITEM

CALLS = ARGUMENT_OF_CALL.keys() | TOOL_OF_ITEM.keys()
"""Types of items that are calls."""


class Item(Struct, eq=False):
    """One output item: a message, a call, a chain of thought."""

    id: str = ""
    type: str | None = None
    place: int | None = None
    """Its `output_index`."""
    known: bool = False
    """Its beginning or end was read, here or in an earlier attempt, so that its type is certain."""
    resumed: bool = False
    """It has parts from earlier attempts."""
    finished: bool = False
    """Its end was read."""
    late: bool = False
    """Nothing of it came before its end."""
    matched: bool = False
    """The whole response has it."""
    sealed: bool = False
    """What is encrypted of it was said."""
    parts: list[Said] = field(default_factory=list)
    indices: dict[tuple[Slot, int], Said] = field(default_factory=dict)
    """Its contents and summaries by the number that the events give them."""
    first: dict[str, Any] = field(default_factory=dict)
    """What it began with, if that says anything: all of it, where nothing else is said about it."""
    name: str | None = None
    call_id: str | None = None
    nothing: bool = False
    """Its arguments begin with `{}`: that may be all, or nothing of what follows."""

    def one(self, slot: Slot) -> Said | None:
        """Returns its newest part of this slot."""
        return next((said for said in reversed(self.parts) if said.slot == slot), None)


TYPES: dict[str, str] = {"text": "message", "refusal": "message", "reasoning": "reasoning"}


def tool_named(name: str | None) -> str:
    return next((kind for kind, tool in TOOL_OF_ITEM.items() if tool.name == name), "mcp_call")


def _family(type: str | None) -> str | None:
    if type in CALLS:
        return "call"
    return "message" if type == "reasoning" else type


def alike(item: Item, type: str) -> bool:
    """Says whether an event about a part may be about this item, if its id says so."""
    return item.type is None or _family(item.type) == _family(type)


def fits(item: Item, type: str) -> bool:
    """Says whether the item is of this type; that of a call is not certain until its item is known."""
    return item.type in (None, type) or (not item.known and _family(item.type) == _family(type) == "call")


def same(known: object, given: object) -> bool:
    """Says whether both are there and the same."""
    return known is not None and known != "" and known == given


def agree(known: object, given: object) -> bool:
    """Says whether they are the same, as far as both are there."""
    return known in (None, "") or given in (None, "") or known == given
