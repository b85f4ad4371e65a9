"""What a Responses answer says, item by item: its contents and calls, and in the end what of them is missing."""

from collections.abc import Sequence
from typing import Any

from shared.log.snapshots import PartSoFar
from worker.providers.lenient_json import read_object
from worker.providers.openai_responses.calls import ITEM_DONE, Calls, Keep, all_arguments
from worker.providers.openai_responses.contents import RESPONSE, Contents, Left
from worker.providers.openai_responses.event import (
    CODE_DELTA,
    CODE_DONE,
    CONTENT_ADDED,
    CONTENT_DONE,
    PLACE_OF_DONE,
    REASONING,
    SUMMARY,
    TEXT,
    PartPlace,
    ResponsesEvent,
    spoken,
)
from worker.providers.openai_responses.item import CALLS, Item
from worker.providers.openai_responses.items import Items, Wanted
from worker.providers.openai_responses.parts import Parts, Said
from worker.providers.openai_responses.tools import (
    ARGUMENT_OF_CALL,
    ITEM_TYPES,
    escaped,
    rest_of,
)
from worker.providers.openai_responses.whole_response import Content, content_of, contents_of, output_of, word
from worker.providers.token_logprobs import read_logprobs

_CODE = '{"code":"'


class Answer:
    """The answer so far. `keep` takes what has no place in our events."""

    def __init__(self, name: str, earlier: Sequence[PartSoFar], keep: Keep, *, resumes: bool) -> None:
        self.parts = Parts(name)
        self.calls = Calls(name, self.parts, keep)
        self._name = name
        self._items = Items(self.parts, earlier)
        self._contents = Contents(self.parts)
        self._keep = keep
        self._resumes = resumes
        self._sealed: set[str] = set()
        """What is encrypted and was said."""
        self.calls.made = any(part.kind == "tool_call" and part.executor == "client" for part in earlier)

    def grow(self, place: PartPlace, event: ResponsesEvent) -> None:
        """Takes a piece of a part."""
        item = self._items.find(event.output_index, event.item_id, place.item, event.call_id)
        if self._resumes and not (item.known or item.parts):
            raise self.parts.misfit()
        text = event.delta or ""
        if place.slot != "call":
            if text or event.logprobs:
                said = self._contents.growing(item, place, _index(place, event))
                self.parts.say(said, text)
                if event.logprobs:
                    self._weigh(said, event)
            return
        said = self.calls.learn(item, name=event.name, call_id=event.call_id)
        if event.type == CODE_DELTA:
            # Its arguments are JSON, of which code is a string.
            self.parts.say(said, escaped(text) if said.text else _CODE + escaped(text))
        else:
            self.calls.grow(item, said, text)

    def _weigh(self, said: Said, event: ResponsesEvent) -> None:
        """Takes the logprobs of a piece; what is no list of them is kept."""
        if (logprobs := read_logprobs(event.logprobs)) is None:
            self._keep({"type": event.type, "item_id": event.item_id, "logprobs": event.logprobs})
        else:
            self.parts.weigh(said, logprobs)

    def take(self, event: ResponsesEvent, data: bytes) -> None:
        """Takes any other event about a part or an item."""
        match event.type:
            case kind if kind in PLACE_OF_DONE:
                place, field = PLACE_OF_DONE[kind]
                self._settle(place, event, getattr(event, field) or "", data)
            case kind if kind in CONTENT_ADDED or kind in CONTENT_DONE:
                content = content_of(event.part or {}, reasons=kind.startswith("response.reasoning"))
                self._take_content(event, content, data)
            case "response.reasoning_summary_part.added" | "response.reasoning_summary_part.done":
                text = spoken((event.part or {}).get("text")) or ""
                self._take_content(event, Content(SUMMARY, text, {}), data)
            case "response.output_text.annotation.added":
                if event.annotation is None:
                    self._keep(read_object(self._name, data))
                else:
                    item = self._items.find(event.output_index, event.item_id, TEXT.item)
                    self._contents.cite(item, TEXT, event.content_index, event.annotation)
            case "response.output_item.added":
                self._begin_item(event, event.item or {})
            case "response.output_item.done":
                self._finish_item(event, data)

    def _settle(self, place: PartPlace, event: ResponsesEvent, text: str, data: bytes) -> Said | None:
        """Takes what grew as it is said once more, whole. It does not end with that: its citations may follow."""
        item = self._items.find(event.output_index, event.item_id, place.item, event.call_id)
        if place.slot != "call":
            said, fits = self._contents.settle(item, place, _index(place, event), text, event.type)
            if said is not None:
                self.parts.weigh_rest(said, event.logprobs)
        else:
            said = self.calls.learn(item, name=event.name, call_id=event.call_id)
            if event.type == CODE_DONE:
                text = "" if said.text.startswith(code := _CODE + escaped(text)) else code
            fits = self.calls.complete(item, said, text)
            if event.type == CODE_DONE:
                said.told.clear()  # the rest of its arguments is to come
        if not fits:
            self._keep(read_object(self._name, data))
        return said

    def _take_content(self, event: ResponsesEvent, content: Content, data: bytes) -> None:
        """Takes the beginning or the end of a content.

        That of reasoning ends with its item, whose end says what is encrypted.
        """
        if (place := content.place) is None:
            self._keep(read_object(self._name, data))
            return
        if event.type.endswith(".done"):
            said = self._settle(place, event, content.text, data)
            if said is not None and place.kind != "reasoning":
                self.parts.weigh_rest(said, content.fields.get("logprobs"))
                self._contents.cite_rest(said, content.fields.get("annotations"))
                self.parts.end(said)
            return
        item = self._items.find(event.output_index, event.item_id, place.item)
        said = self._contents.begin(item, place, _index(place, event))
        if not said.ended and (rest := self.parts.rest(said, content.text)):
            self.parts.say(said, rest)

    def _begin_item(self, event: ResponsesEvent, fields: dict[str, Any]) -> None:
        """Begins an item; the parts of a message or of reasoning begin with its contents."""
        kind, call_id = str(fields.get("type")), word(fields, "call_id")
        item = self._items.begin(event.output_index, word(fields, "id") or event.item_id, kind, call_id)
        if kind in CALLS:
            self.calls.learn(item, name=word(fields, "name"), call_id=call_id)
        called = all_arguments(kind, fields) if kind in ARGUMENT_OF_CALL else ""
        if called or any(content.text for content in _contents(kind, fields)):
            item.first = fields

    def _finish_item(self, event: ResponsesEvent, data: bytes) -> None:
        """Takes the end of an item, which says all of it once more.

        Some servers say nothing of an item before that.
        """
        fields = event.item or {}
        kind = str(fields.get("type"))
        item = self._items.finish(
            event.output_index, word(fields, "id") or event.item_id, kind, word(fields, "call_id")
        )
        if kind in ITEM_TYPES:
            contents = _contents(kind, fields)
            left, agreed = self._contents.said(item, contents, ITEM_DONE)
            self._finish(item, kind, fields, contents, left)
        if kind not in ITEM_TYPES or not agreed:
            self._keep(read_object(self._name, data))
        item.finished = True

    def _finish(self, item: Item, kind: str, fields: dict[str, Any], contents: Sequence[Content], left: Left) -> None:
        """Adds what was missing of an item, and ends its parts with what only its end has."""
        if not item.finished and (rest := rest_of(kind, fields)):
            self._keep({"type": ITEM_DONE, "item": {"id": fields.get("id"), "type": kind} | rest})
        if kind in CALLS:
            self.calls.take(item, kind, fields)
            return
        if item.late and any(content.place is None for content in contents):
            self._keep({"type": ITEM_DONE, "item": fields})
        self._contents.add(item, contents, left)
        if kind == "message":
            self._contents.cite_all(item, contents)
        self._close(item, word(fields, "encrypted_content") if kind == "reasoning" else None)

    def _close(self, item: Item, encrypted: str | None) -> None:
        """Ends the parts of a message or of reasoning; what is encrypted stands on the last one."""
        if item.sealed or encrypted in self._sealed:
            encrypted = None
        if encrypted:
            item.sealed = True
            self._sealed.add(encrypted)
            if not item.parts or item.parts[-1].ended:
                place = SUMMARY if item.parts and item.parts[-1].summary else REASONING
                item.parts.append(self.parts.begin(place, item.id))
        for said in item.parts:
            self.parts.end(said, encrypted=encrypted if said is item.parts[-1] else None)

    def end(self, response: dict[str, Any], *, cut: bool) -> None:
        """Adds what only the whole response says, and ends what is still open. Raises ProviderError.

        Texts are compared as a whole, in their order; other items are found by their ids, their places or their order.
        """
        output = [(str(fields.get("type")), fields) for fields in output_of(response)]
        items = self._match(output)
        contents = [_contents(kind, fields) for kind, fields in output]
        left, agreed = self._contents.said(None, [content for own in contents for content in own], RESPONSE)
        for item, (kind, fields), own in zip(items, output, contents, strict=True):
            if kind in ITEM_TYPES:
                self._finish(item, kind, fields, own, left)
        for item in self._items.unsaid():
            kind, fields = item.type or "", item.first
            left, _ = self._contents.said(item, _contents(kind, fields), ITEM_DONE)
            self._finish(item, kind, fields, _contents(kind, fields), left)
        if not agreed:
            self._keep({"type": "response.completed", "response": {"output": [fields for _, fields in output]}})
        for call in self.calls.end(cut=cut):
            self._keep({"type": ITEM_DONE, "item": call})
        self.parts.end_all()

    def _match(self, output: list[tuple[str, dict[str, Any]]]) -> list[Item]:
        """Returns the items of the whole response: what is known of each, or a new one."""
        wanted = [
            Wanted(place, word(fields, "id"), kind, word(fields, "call_id"), all_arguments(kind, fields))
            for place, (kind, fields) in enumerate(output)
        ]
        items = []
        for item, one, (kind, fields) in zip(self._items.match(wanted), wanted, output, strict=True):
            if item is None and kind in ARGUMENT_OF_CALL:
                item = self.calls.known(word(fields, "name"), one.text)
            # An earlier attempt has kept what nobody knows.
            if item is None and kind not in ITEM_TYPES and not self._resumes:
                self._keep({"type": ITEM_DONE, "output_index": one.place, "item": fields})
            items.append(item or self._items.add(one.id, kind))
        return items


def _contents(kind: str, fields: dict[str, Any]) -> list[Content]:
    return contents_of(fields) if kind in ("message", "reasoning") else []


def _index(place: PartPlace, event: ResponsesEvent) -> int:
    if place.slot == "content":
        return event.content_index
    return event.summary_index if place.slot == "summary" else 0
