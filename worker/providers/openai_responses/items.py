"""The items of a Responses answer as parts: where one starts, grows and ends, and goes on from another attempt."""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from shared.log.events import Annotation, Delta, Part, PartEnd, PartKind
from shared.log.snapshots import PartSoFar
from worker.providers.call_ids import made_up
from worker.providers.errors import problem
from worker.providers.openai_responses.event import ENCRYPTION_ORIGIN, PartPlace, Slot
from worker.providers.provider import ProviderError, ProviderEvent


class Said(Struct):
    """One part. `part` is None until this attempt has announced it; `pieces` are what it says."""

    kind: PartKind
    part: int | None = None
    pieces: list[str] = []
    earlier: PartSoFar | None = None
    """What it had become in the attempts before this one."""
    whole: bool = False
    """The provider has said all of it, and it is what we have."""
    ended: bool = False
    cited: int = 0
    summary: bool | UnsetType = UNSET


class Item(Struct):
    """One output item: a message, a call, a chain of thought."""

    id: str
    known: bool = False
    """Its beginning was read, here or in an earlier attempt."""
    resumed: bool = False
    """It has parts from earlier attempts."""
    parts: dict[tuple[Slot, int], Said] = field(default_factory=dict)


class Items:
    """The items so far; what happens to them is added to `events`, which the reader sets."""

    def __init__(self, name: str, earlier: Sequence[PartSoFar] = ()) -> None:
        self.events: list[ProviderEvent] = []
        self._name = name
        self._count = 0
        self._items: dict[int | str, Item] = {}
        self._open: dict[int, Said] = {}
        self._earlier: dict[str, Item] = {}
        for part in earlier:
            self._restore(part)

    def __bool__(self) -> bool:
        return bool(self._items or self._earlier)

    def _restore(self, part: PartSoFar) -> None:
        item = self._earlier.setdefault(part.item_id or "", Item(part.item_id or "", known=True, resumed=True))
        slot: Slot = "summary" if part.summary else _SLOTS[part.kind]
        index = sum(known == slot for known, _ in item.parts)
        item.parts[slot, index] = Said(
            part.kind,
            pieces=[part.text] if part.text else [],
            earlier=part,
            ended=part.ended,
            cited=len(part.annotations),
            summary=part.summary or UNSET,
        )

    def find(self, output_index: int | None, item_id: str | None, *, begins: bool = False) -> Item:
        """Returns the item that an event is about, by its place in the output; some servers change its id on the way.

        An item that `begins` is a new one if its id is another.
        """
        key = (item_id or "") if output_index is None else output_index
        item = self._items.get(key)
        if item is None or (begins and item_id and item.id != item_id):
            item = self._items[key] = self._earlier.get(item_id or "") or Item(item_id or "", known=begins)
        return item

    def part(
        self,
        item: Item,
        place: PartPlace,
        index: int = 0,
        *,
        begins: bool = False,
        grows: bool = False,
        call_id: str | None = None,
        name: str | None = None,
        executor: Literal["client", "provider"] = "provider",
        media_type: str | None = None,
    ) -> Said:
        """Returns the part there, begun if there is none; where it grows, one that has ended does not serve.

        Raises ProviderError `invalid_response` for a part that did not begin, where another broke off.
        """
        said = item.parts.get((place.slot, index))
        if said is not None and not (said.ended and grows):
            return said
        if not begins and any(
            s == place.slot and p.earlier is not None and not p.ended for (s, _), p in item.parts.items()
        ):
            raise self.misfit()
        for (slot, _), other in item.parts.items():
            if slot == place.slot:
                self.end(other)  # the contents of an item come one after the other
        said = item.parts[place.slot, index] = Said(place.kind, pieces=[])
        if place.slot == "summary":
            said.summary = True
        begun = self._announce(item, said)
        if place.kind in ("tool_call", "tool_result"):
            begun.call_id, begun.name, begun.executor = call_id or item.id or made_up(begun.part), name or "", executor
        begun.media_type = media_type or UNSET
        return said

    def say(self, item: Item, said: Said, text: str) -> None:
        """Adds text to a part."""
        if not text:
            return
        if said.part is None:
            self._announce(item, said)
        assert said.part is not None
        said.pieces.append(text)
        self.events.append(Delta(part=said.part, kind=said.kind, delta=text))

    def complete(self, item: Item, said: Said, whole: object) -> bool:
        """Adds what of a part had not come, as the provider says all of it once more.

        Returns False where we have another text. Raises ProviderError `invalid_response` where a part that broke off
        goes on with something missing in between.
        """
        if said.whole or said.ended or not isinstance(whole, str) or not whole:
            return True
        said.whole = True
        text = "".join(said.pieces)
        if text == whole:
            return True
        text, whole = _scalar(text), _scalar(whole)
        if whole.startswith(text):
            self.say(item, said, whole[len(text) :])
            return True
        if said.earlier is not None:
            raise self.misfit()
        return False

    def misfit(self) -> ProviderError:
        """Returns the error for what does not fit what broke off, and never will."""
        failure = problem(self._name, "invalid_response", "what is continued is not what broke off")
        failure.over = True
        return failure

    def cite(self, item: Item, said: Said, fields: dict[str, Any]) -> None:
        """Adds a citation to a part."""
        if said.part is None:
            self._announce(item, said)
        assert said.part is not None
        said.cited += 1
        self.events.append(Annotation(part=said.part, fields=fields))

    def end(self, said: Said, *, encrypted: str | None = None) -> None:
        """Ends a part, unless it has ended."""
        if said.ended:
            return
        said.ended = True
        if said.part is None:
            self._announce(None, said)
        assert said.part is not None
        self._open.pop(said.part, None)
        origin = ENCRYPTION_ORIGIN if encrypted else UNSET
        self.events.append(PartEnd(part=said.part, encrypted=encrypted or UNSET, provider=origin))

    def end_all(self) -> None:
        """Ends all parts that are still open, as the answer is complete."""
        for item in self._earlier.values():
            for said in item.parts.values():
                self.end(said)
        for said in list(self._open.values()):
            self.end(said)

    def _announce(self, item: Item | None, said: Said) -> Part:
        begun = Part(part=self._count, kind=said.kind, summary=said.summary)
        said.part = begun.part
        self._count += 1
        if not said.ended:
            self._open[begun.part] = said
        if (earlier := said.earlier) is not None:
            begun.resumes, begun.item_id = True, earlier.item_id or UNSET
            begun.call_id, begun.name = earlier.call_id or UNSET, earlier.name or UNSET
        elif item is not None:
            begun.item_id = item.id or UNSET
        self.events.append(begun)
        return begun


_SLOTS: dict[PartKind, Slot] = {
    "text": "content",
    "refusal": "content",
    "reasoning": "content",
    "tool_call": "call",
    "tool_result": "result",
    "file": "file",
}


def _scalar(text: str) -> str:
    # As the log has it: the halves of a pair joined, half of one replaced.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
