"""The items of a Responses answer, and which of them an event is about.

Endpoints change an item's id from event to event, number it otherwise in its pieces and in its end, give all the same
id, or none: an item is known by its id and its place together, else by either that fits its type, else by order.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from shared.log.snapshots import PartSoFar
from worker.providers.openai_responses.item import CALLS, TYPES, Item, agree, alike, fits, same, tool_named
from worker.providers.openai_responses.parts import Parts
from worker.providers.openai_responses.tools import ARGUMENT_OF_CALL


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
            item.type = TYPES.get(said.kind)
        if said.slot == "call":
            item.name, item.call_id = part.name, part.call_id
            item.type = "function_call" if part.executor == "client" else tool_named(part.name)
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
            if fits(item, type)
            and not item.finished
            and agree(item.call_id, call_id)
            and (
                (same(item.place, place) and (not item.known or not item_id or item.id in ("", item_id)))
                or (same(item.id, item_id) and (not item.known or agree(item.place, place)))
                or (not item.known and agree(item.place, place) and agree(item.id, item_id))
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
        # One that is open under the same id and place is the same call, though each event may have its own `call_id`.
        open_here = item is not None and not item.finished and same(item.id, item_id) and same(item.place, place)
        if item is None or not fits(item, type) or not (open_here or agree(item.call_id, call_id)):
            item = self._add(Item(item_id or "", type, place, late=True))
        return self._learn(item, place, item_id, type)

    def match(self, wanted: Sequence[Wanted]) -> list[Item | None]:
        """Returns what is already known of each item of the whole response: by its ids, its place, else its order."""
        found: list[Item | None] = [None] * len(wanted)
        for rule in _MATCHES:
            for index, one in enumerate(wanted):
                if found[index] is None:
                    found[index] = item = next((item for item in self._all if _may_be(item, one, rule)), None)
                    if item is not None:
                        item.matched = True
                        self._learn(item, None, one.id, one.type)
        return found

    def unsaid(self) -> list[Item]:
        """Returns the items of which only the beginning has said anything."""
        return [
            item
            for item in self._all
            if item.first
            and not (item.finished or item.matched or item.resumed)
            and not any(said.text for said in item.parts)
        ]

    def add(self, item_id: str | None, type: str) -> Item:
        """Returns a new item that only the whole response has."""
        return self._add(Item(item_id or "", type, known=True, late=True, matched=True))

    def _search(self, place: int | None, item_id: str | None, type: str, call_id: str | None) -> Item | None:
        named = [i for i in self._by_id.get(item_id, ()) if alike(i, type)] if item_id else []
        placed = [i for i in self._by_place.get(place, ()) if alike(i, type)] if place is not None else []
        for item in reversed(named):
            if any(item is other for other in placed):
                return item
        # Where one id is known at another place, the place is wrong (vLLM), unless ids are repeated.
        if named and (
            agree(named[-1].place, place) or (fits(named[-1], type) and not named[-1].finished and len(named) == 1)
        ):
            return named[-1]
        for item in reversed(placed):
            if fits(item, type) and not (item.finished and item_id and item.id and item.id != item_id):
                return item
        if (called := self._called(call_id)) is not None or place is not None or named:
            return called
        # Its id was changed, or it has none. Calls may grow in turns, so that another id is another call.
        left = [i for i in self._all if not (i.finished or i.resumed) and fits(i, type) and agree(i.call_id, call_id)]
        if item_id and type in CALLS:
            return next((item for item in left if not item.id), None)
        return left[-1] if left else None

    def _called(self, call_id: str | None) -> Item | None:
        return next((item for item in self._all if same(item.call_id, call_id) and not item.finished), None)

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


def _may_be(item: Item, wanted: Wanted, rule: Callable[[Item, Wanted], bool]) -> bool:
    known = not item.matched and fits(item, wanted.type) and agree(item.call_id, wanted.call_id)
    return known and rule(item, wanted)


def _begins(item: Item, wanted: Wanted) -> bool:
    """Says whether a call of the caller's has begun to say what is wanted."""
    said = item.one("call")
    return wanted.type not in ARGUMENT_OF_CALL or (said is not None and wanted.text.startswith(said.text))


_MATCHES: tuple[Callable[[Item, Wanted], bool], ...] = (
    lambda item, wanted: same(item.call_id, wanted.call_id),
    lambda item, wanted: same(item.id, wanted.id) and same(item.place, wanted.place),
    lambda item, wanted: same(item.id, wanted.id),
    lambda item, wanted: same(item.place, wanted.place) and _begins(item, wanted),
    _begins,
)
