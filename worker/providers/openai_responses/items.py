"""The items of a Responses answer, and which of them an event is about.

Endpoints change an item's id from event to event, number it otherwise in its pieces and in its end, give all the same
id, or none: an item is known by its id and its place together, else by either that fits its type, else by order.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from shared.log.snapshots import PartSoFar
from worker.providers.openai_responses.event import Slot
from worker.providers.openai_responses.parts import Parts, Said
from worker.providers.openai_responses.tools import ARGUMENT_OF_CALL, TOOL_OF_ITEM

_CALLS = ARGUMENT_OF_CALL.keys() | TOOL_OF_ITEM.keys()


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
    name: str | None = None
    call_id: str | None = None
    nothing: bool = False
    """Its arguments begin with `{}`: that may be all, or nothing of what follows."""

    def one(self, slot: Slot) -> Said | None:
        """Returns its newest part of this slot."""
        return next((said for said in reversed(self.parts) if said.slot == slot), None)


class Wanted(NamedTuple):
    """An item of the whole response; `text` are a call's arguments."""

    place: int
    id: str | None
    type: str
    call_id: str | None
    text: str


class Items:
    """The items so far."""

    def __init__(self, parts: Parts, earlier: Sequence[PartSoFar] = ()) -> None:
        self._all: list[Item] = []
        self._by_id: dict[str, list[Item]] = {}
        self._by_place: dict[int, list[Item]] = {}
        self._last_key: tuple[int | None, str | None, str] | None = None
        self._last = Item()
        for part in earlier:
            self._restore(parts, part)

    def _restore(self, parts: Parts, part: PartSoFar) -> None:
        known = self._by_id.get(part.item_id or "")
        item = known[0] if known else self._add(Item(part.item_id or "", known=True, resumed=True))
        said = parts.restore(part)
        if item.type is None:
            item.type = _TYPES.get(said.kind)
        if said.slot == "call":
            item.name, item.call_id = part.name, part.call_id
            item.type = "function_call" if part.executor == "client" else _tool_named(part.name)
        item.sealed = item.sealed or part.encrypted is not None
        index = sum(known.slot == said.slot for known in item.parts)
        item.parts.append(said)
        item.indices[said.slot, index] = said

    def find(self, place: int | None, item_id: str | None, type: str, call_id: str | None = None) -> Item:
        """Returns the item that an event about a part of one is about; a new one where none fits."""
        key = (place, item_id, type)
        if key == self._last_key and call_id is None:
            return self._last
        item = self._search(place, item_id, type, call_id)
        if item is None:
            item = self._add(Item(item_id or "", type, place, call_id=call_id))
        elif item_id and not item.id:
            self._name(item, place, item_id)
        self._last_key, self._last = key, item
        return item

    def begin(self, place: int | None, item_id: str | None, type: str, call_id: str | None = None) -> Item:
        """Returns the item that begins: one of which only pieces have come, or a new one."""
        self._last_key = None
        found = [
            item
            for item in self._all
            if _fits(item, type)
            and not item.finished
            and _agree(item.call_id, call_id)
            and (
                (_same(item.place, place) and (not item.known or not item_id or item.id in ("", item_id)))
                or (_same(item.id, item_id) and (not item.known or _agree(item.place, place)))
                or (not item.known and _agree(item.place, place) and _agree(item.id, item_id))
            )
        ]
        exact = [item for item in found if item.id == item_id]
        found = exact or found or [self._add(Item(item_id or "", type, place))]
        return self._learn(found[-1], place, item_id, type)

    def finish(self, place: int | None, item_id: str | None, type: str, call_id: str | None = None) -> Item:
        """Returns the item that ends, of which nothing may have come before."""
        self._last_key = None
        item = self._search(place, item_id, type, call_id)
        if item is None or not item.call_id:
            item = self._called(call_id) or item
        if item is None or not _fits(item, type) or not _agree(item.call_id, call_id):
            item = self._add(Item(item_id or "", type, place, late=True))
        return self._learn(item, place, item_id, type)

    def match(self, wanted: Sequence[Wanted]) -> list[Item | None]:
        """Returns what is already known of each item of the whole response: by its ids, its place, else its order."""
        found: list[Item | None] = [None] * len(wanted)
        for same in _MATCHES:
            for index, one in enumerate(wanted):
                if found[index] is None:
                    found[index] = item = next((item for item in self._all if _may_be(item, one, same)), None)
                    if item is not None:
                        item.matched = True
                        self._learn(item, None, one.id, one.type)
        return found

    def add(self, item_id: str | None, type: str) -> Item:
        """Returns a new item that only the whole response has."""
        return self._add(Item(item_id or "", type, known=True, late=True, matched=True))

    def _search(self, place: int | None, item_id: str | None, type: str, call_id: str | None) -> Item | None:
        named = [i for i in self._by_id.get(item_id, ()) if _alike(i, type)] if item_id else []
        placed = [i for i in self._by_place.get(place, ()) if _alike(i, type)] if place is not None else []
        for item in reversed(named):
            if any(item is other for other in placed):
                return item
        # Where one id is known at another place, the place is wrong (vLLM), unless ids are repeated.
        if named and (
            _agree(named[-1].place, place) or (_fits(named[-1], type) and not named[-1].finished and len(named) == 1)
        ):
            return named[-1]
        for item in reversed(placed):
            if _fits(item, type) and not (item.finished and item_id and item.id and item.id != item_id):
                return item
        if (called := self._called(call_id)) is not None or place is not None or named:
            return called
        # Its id was changed, or it has none. Calls may grow in turns, so that another id is another call.
        left = [
            i for i in self._all if not (i.finished or i.resumed) and _fits(i, type) and _agree(i.call_id, call_id)
        ]
        if item_id and type in _CALLS:
            return next((item for item in left if not item.id), None)
        return left[-1] if left else None

    def _called(self, call_id: str | None) -> Item | None:
        return next((item for item in self._all if _same(item.call_id, call_id) and not item.finished), None)

    def _learn(self, item: Item, place: int | None, item_id: str | None, type: str) -> Item:
        item.known, item.type = True, type
        return self._name(item, place, item_id)

    def _name(self, item: Item, place: int | None, item_id: str | None) -> Item:
        if item_id and not item.id:
            item.id = item_id
            for said in item.parts:
                said.item_id = said.item_id or item_id
        if item_id and not any(item is other for other in self._by_id.get(item_id, ())):
            self._by_id.setdefault(item_id, []).append(item)
        if place is not None and not any(item is other for other in self._by_place.get(place, ())):
            item.place = place
            self._by_place.setdefault(place, []).append(item)
        return item

    def _add(self, item: Item) -> Item:
        self._all.append(item)
        if item.id:
            self._by_id.setdefault(item.id, []).append(item)
        if item.place is not None:
            self._by_place.setdefault(item.place, []).append(item)
        return item


def _may_be(item: Item, wanted: Wanted, same: Callable[[Item, Wanted], bool]) -> bool:
    known = not item.matched and _fits(item, wanted.type) and _agree(item.call_id, wanted.call_id)
    return known and same(item, wanted)


def _begins(item: Item, wanted: Wanted) -> bool:
    """Says whether a call of the caller's has begun to say what is wanted."""
    said = item.one("call")
    return wanted.type not in ARGUMENT_OF_CALL or (said is not None and wanted.text.startswith(said.text))


_MATCHES: tuple[Callable[[Item, Wanted], bool], ...] = (
    lambda item, wanted: _same(item.call_id, wanted.call_id),
    lambda item, wanted: _same(item.id, wanted.id) and _same(item.place, wanted.place),
    lambda item, wanted: _same(item.id, wanted.id),
    lambda item, wanted: _same(item.place, wanted.place) and _begins(item, wanted),
    _begins,
)

_TYPES: dict[str, str] = {"text": "message", "refusal": "message", "reasoning": "reasoning"}


def _tool_named(name: str | None) -> str:
    return next((kind for kind, tool in TOOL_OF_ITEM.items() if tool.name == name), "mcp_call")


def _family(type: str | None) -> str | None:
    if type in _CALLS:
        return "call"
    return "message" if type == "reasoning" else type


def _alike(item: Item, type: str) -> bool:
    """Says whether an event about a part may be about this item, if its id says so."""
    return item.type is None or _family(item.type) == _family(type)


def _fits(item: Item, type: str) -> bool:
    """Says whether the item is of this type; that of a call is not certain until its item is known."""
    return item.type in (None, type) or (not item.known and _family(item.type) == _family(type) == "call")


def _same(known: object, given: object) -> bool:
    """Says whether both are there and the same."""
    return known is not None and known != "" and known == given


def _agree(known: object, given: object) -> bool:
    """Says whether they are the same, as far as both are there."""
    return known in (None, "") or given in (None, "") or known == given
