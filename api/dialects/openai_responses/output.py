"""The output that a log makes: which item each of its parts is in. Stream and answer have it from here alike."""

from collections.abc import Iterator
from typing import Any, Literal

from api.dialects.openai_responses.hosted import HOSTED, HOSTED_PREFIXES, HostedItem, ImageItem
from api.dialects.openai_responses.items import (
    ID_PREFIXES,
    CallItem,
    CustomCallItem,
    Item,
    ItemStatus,
    MessageItem,
    ReasoningItem,
    SealItem,
)
from api.dialects.openai_responses.resource import echoed
from api.dialects.openai_responses.said import Said
from api.dialects.openai_responses.sealed import SealedKind, seal
from api.viewing.dialect import Subject

ResponseStatus = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]

PREFIXES = ID_PREFIXES | HOSTED_PREFIXES


class Output:
    """The items that stand, and the index of the next."""

    def __init__(self, subject: Subject) -> None:
        self.items: list[Item] = []
        self.latest: Item | None = None
        """The item of the part that began last; None where that is in none."""
        self._tail = subject.id.removeprefix("gen_")
        self._attempt = 1
        self._next = 0
        tools = echoed(subject).get("tools") or ()
        self._custom = [tool.get("name") for tool in tools if tool.get("type") == "custom"]

    def begin_anew(self, attempt: int, index: int = 0) -> None:
        """Drops all items; the next has this index, and its id is this attempt's."""
        self.items, self.latest, self._attempt, self._next = [], None, attempt, index

    def place(self, said: Said) -> None:
        """Puts a part that begins into its item, which may be a new one, or into none."""
        if (item := self._found(said)) is not None:
            item.add(said)
            return
        kind = self._kind(said)
        self.latest = None
        if kind is not None:
            self.latest = self._add(kind)
            self.latest.add(said)

    def _found(self, said: Said) -> Item | None:
        """Returns the item that a part adds to."""
        if self.latest is not None and self.latest.takes(said):
            return self.latest
        if said.kind in ("tool_result", "file"):
            made = (item for item in reversed(self.items) if isinstance(item, HostedItem) and item.of_call(said))
            return next(made, None)
        return None

    def _kind(self, said: Said) -> type[Item] | None:
        match said.kind:
            case "text" | "refusal":
                return MessageItem
            case "reasoning":
                return ReasoningItem
            case "tool_call" if said.executor == "provider":
                return HOSTED.get(said.name or "")
            case "tool_call":
                return CustomCallItem if said.name in self._custom else CallItem
            case "file" if said.url is None and (said.media_type or "").startswith("image/"):
                return ImageItem
        return None

    def _add(self, kind: type[Item]) -> Item:
        item = kind(self._id(kind), self._next)
        self.items.append(item)
        self._next += 1
        return item

    def _id(self, kind: type[Item]) -> str:
        return f"{PREFIXES[kind.type]}{self._tail}_{self._attempt}_{len(self.items)}"

    def seal(self) -> Iterator[Item]:
        """Adds an item for each signature of a call or a text, which has no other place, and yields it."""
        parts = [part for item in self.items if isinstance(item, CallItem | MessageItem) for part in item.parts]
        texts = 0
        for part in parts:
            if part.signature and part.provider:
                kind: SealedKind = "call" if part.kind == "tool_call" else "text"
                name = str(texts) if kind == "text" else part.call_id or part.item.id
                added = SealItem(self._id(SealItem), self._next, seal(part.provider, kind, name, part.signature))
                self.items.append(added)
                self._next += 1
                yield added
            texts += part.kind == "text"

    def status_of(self, item: Item, status: ResponseStatus) -> ItemStatus:
        """Returns how an item stands in a response that stands so."""
        if status == "completed":
            # One that never ended was broken off, and something else followed.
            return "completed" if item.ended else "incomplete"
        grows = item.grows and item is self.latest
        if status in ("queued", "in_progress"):
            return "completed" if item.ended and not grows else "in_progress"
        # What has no room, or may not be said, is cut in what was said last.
        return "incomplete" if not item.ended or (grows and status == "incomplete") else "completed"

    def objects(self, status: ResponseStatus) -> list[dict[str, Any]]:
        """Returns all items, as they stand in a response that stands so."""
        return [item.object(self.status_of(item, status)) for item in self.items]
