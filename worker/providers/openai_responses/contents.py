"""The contents of messages and of reasoning: which part a piece belongs to, and what of them was not said yet.

Their numbers are not believed: vLLM counts them up with each delta, or from 1, and from 0 in the end. What an event
says once more is matched by order and by what has been said.
"""

from collections.abc import Sequence
from typing import Any

from worker.providers.openai_responses.event import REASONING, SUMMARY, TEXT, PartPlace
from worker.providers.openai_responses.item import Item
from worker.providers.openai_responses.parts import Parts, Said, broken_off, scalar
from worker.providers.openai_responses.whole_response import Content, objects

Left = dict[PartPlace, int]
"""Characters of each kind of content that have been said, of those that an event says once more."""

RESPONSE = "response"
"""Who says all contents of an answer once more: the whole response."""


class Contents:
    """The contents of one answer's items."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def begin(self, item: Item, place: PartPlace, index: int) -> Said:
        """Returns the part that begins, unless it has begun."""
        said = item.indices.get((place.slot, index))
        if said is not None and said.kind == place.kind and not said.told:
            return said
        if (latest := self._latest(item, place)) is not None and not (latest.ended or latest.told or latest.text):
            item.indices[place.slot, index] = latest
            return latest
        return self._new(item, place, index)

    def growing(self, item: Item, place: PartPlace, index: int) -> Said:
        """Returns the part that a piece belongs to. Without a beginning or an end before it, it goes on with the last.

        Raises ProviderError `invalid_response` for a part that did not begin, where another broke off.
        """
        said = item.indices.get((place.slot, index))
        if said is not None and said.kind == place.kind and not (said.ended or said.told):
            return said
        if said is None and broken_off(item.parts, place.slot):
            raise self._parts.misfit()
        latest = self._latest(item, place)
        if latest is not None and not (latest.ended or latest.told or item.resumed):
            item.indices[place.slot, index] = latest
            return latest
        return self._new(item, place, index)

    def settle(self, item: Item, place: PartPlace, index: int, text: str, teller: str) -> tuple[Said | None, bool]:
        """Takes a content as an event says all of it once more, and adds what had not come.

        Returns its part, and whether the two agree. Raises ProviderError `invalid_response` where something is missing
        that cannot be added any more.
        """
        pool = _pool(item.parts, place)
        said = item.indices.get((place.slot, index))
        said = said if said is not None and said.kind == place.kind else None
        if not text:
            return said or (pool[-1] if pool else None), True
        untold = [one for one in pool if teller not in one.told]
        ordered = sorted(untold, key=lambda one: one is not said) + ([said] if said else [])
        fitting = (one for one in ordered if self._parts.rest(one, text) is not None)
        found = next(fitting, None) or next((one for one in ordered if one in untold or not one.ended), None)
        if found is None and not pool:
            found = self._adopted(item, place, text)
        if found is None and broken_off(item.parts, place.slot):
            raise self._parts.misfit()
        found = found or self._new(item, place, index)
        item.indices.setdefault((place.slot, index), found)
        return found, self._fit(item, place, found, text, teller)

    def said(self, item: Item | None, wholes: Sequence[Content], teller: str) -> tuple[Left, bool]:
        """Takes the contents of an item as its end has them, or those of all items in order; see `settle`.

        Returns how much of each kind has been said, which `add` wants, and whether none is said otherwise.
        """
        left: Left = {}
        agreed = True
        for place in dict.fromkeys(content.place for content in wholes if content.place is not None):
            texts = [content.text for content in wholes if content.place == place]
            pool = _pool(self._parts.all if item is None else item.parts, place)
            if not pool and item is not None and (adopted := self._adopted(item, place, "".join(texts))) is not None:
                pool = [adopted]
            if not pool and place.kind == "reasoning":
                pool = self._elsewhere(item, place, wholes)
            said = self._compare_all(pool, "".join(texts), teller)
            agreed = agreed and said is not None
            left[place] = sum(map(len, texts)) if said is None else said
        return left, agreed

    def add(self, item: Item, wholes: Sequence[Content], left: Left) -> None:
        """Says those contents of an item that have not been said, and goes on with one that was cut."""
        for place, whole, fields in wholes:
            if place is None:
                continue
            text, said = scalar(whole), left[place]
            left[place] = max(0, said - len(text))
            if said >= len(text):
                continue
            last = self._latest(item, place)
            if said:
                last = last or next(reversed(_pool(self._parts.all, place)), None)
            if last is None or (not said and (last.ended or last.text)):
                last = self._new(item, place, None)
            last = self._add(item, place, last, text[said:])
            self._parts.weigh_rest(last, fields.get("logprobs"))
            self.cite_rest(last, fields.get("annotations"))

    def cite(self, item: Item, place: PartPlace, index: int | None, fields: dict[str, Any]) -> None:
        """Adds a citation to a content; to one that is at an end, in a part that goes on with it."""
        said = None if index is None else item.indices.get((place.slot, index))
        if said is None or said.kind != place.kind:
            said = self._latest(item, place)
        if said is None or said.ended:
            said = self._new(item, place, index)
        self._parts.cite(said, fields)

    def cite_rest(self, said: Said, annotations: object) -> None:
        """Adds the citations that only the end of a content has."""
        if not said.ended:
            for fields in objects(annotations)[said.cited :]:
                self._parts.cite(said, fields)

    def cite_all(self, item: Item, contents: Sequence[Content]) -> None:
        """Adds the citations that only the end of a message has, to each content, if there are as many of them."""
        texts = [content for content in contents if content.place == TEXT]
        pool = _pool(item.parts, TEXT)
        if len(pool) == len(texts):
            for said, content in zip(pool, texts, strict=True):
                self.cite_rest(said, content.fields.get("annotations"))
        given = [fields for content in texts for fields in objects(content.fields.get("annotations"))]
        for fields in given[sum(said.cited for said in pool) :]:
            self.cite(item, TEXT, None, fields)

    def _latest(self, item: Item, place: PartPlace) -> Said | None:
        return next(
            (said for said in reversed(item.parts) if said.kind == place.kind and said.slot == place.slot), None
        )

    def _new(self, item: Item, place: PartPlace, index: int | None) -> Said:
        for other in item.parts:
            if other.slot == place.slot:
                self._parts.end(other)  # the contents of an item come one after the other
        said = self._parts.begin(place, item.id)
        item.parts.append(said)
        if index is not None:
            item.indices[place.slot, index] = said
        return said

    def _adopted(self, item: Item, place: PartPlace, text: str) -> Said | None:
        """Returns a part that has begun to say this as that of another item, whose id or place was wrong."""
        said = next(reversed(_pool(self._parts.all, place)), None)
        if said is None or said.told or said.earlier or not said.text or self._parts.rest(said, text) is None:
            return None
        item.parts.append(said)
        return said

    def _fit(self, item: Item, place: PartPlace, said: Said, text: str, teller: str) -> bool:
        again, rest = text == said.other, self._parts.rest(said, text)
        said.told.add(teller)
        if again or (rest is None and text in said.text):
            return True
        if rest is None:
            self._compare([said], said.text, text)
            if sum(one is said for one in item.indices.values()) == 1:
                said.other = text  # else several contents are in it, and this is said of one of them
            return False
        self._add(item, place, said, rest)
        return True

    def _elsewhere(self, item: Item | None, place: PartPlace, wholes: Sequence[Content]) -> list[Said]:
        """Returns reasoning that was streamed as summaries and stands among the contents in the end, or so turned."""
        other = REASONING if place.slot == "summary" else SUMMARY
        if any(content.place == other for content in wholes):
            return []
        return _pool(self._parts.all if item is None else item.parts, other)

    def _compare_all(self, pool: list[Said], whole: str, teller: str) -> int | None:
        """Returns how much of all this these parts have said; None where they say something else."""
        for one in pool:
            one.told.add(teller)
        said = "".join(one.text for one in pool)
        if not whole or said == whole:
            return len(scalar(whole))
        said, final, whole = scalar(said), scalar("".join(one.final for one in pool)), scalar(whole)
        if whole.startswith((said, final)):
            return len(said if whole.startswith(said) else final)
        self._compare(pool, said, whole)
        for one in pool:
            one.other = ""
        pool[-1].other = whole
        return len(whole) if teller == RESPONSE and whole in said else None

    def _add(self, item: Item, place: PartPlace, said: Said, rest: str) -> Said:
        """Says the rest of a part, in another one if it has ended. Text cannot be added before other text."""
        if not rest:
            return said
        if place.kind == "text" and next(one for one in reversed(self._parts.all) if one.kind == "text") is not said:
            raise self._parts.gap()
        if said.ended:
            said = self._new(item, place, None)
        self._parts.say(said, rest)
        return said

    def _compare(self, pool: Sequence[Said], said: str, whole: str) -> None:
        """Looks at a text that the provider says otherwise in the end; it may, but not say more than was streamed."""
        if any(one.earlier is not None for one in pool):
            raise self._parts.misfit()
        if lacks(said, whole):
            raise self._parts.gap()


def _pool(saids: Sequence[Said], place: PartPlace) -> list[Said]:
    return [said for said in saids if said.kind == place.kind and said.slot == place.slot]


def lacks(said: str, whole: str) -> bool:
    """Says whether something of a text is missing in what was said, which is otherwise the same."""
    left = iter(whole)
    return len(said) < len(whole) and all(letter in left for letter in said)
