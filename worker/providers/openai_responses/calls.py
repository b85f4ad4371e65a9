"""The calls of a Responses answer: each is announced once its name and id are known, and said once.

Endpoints send arguments before the item that names the call, or without it; what they say waits until then.
"""

import json
from collections.abc import Callable
from typing import Any

from shared.sse_decoder import MAX_EVENT_BYTES
from worker.providers.errors import problem
from worker.providers.finish_reasons import is_json
from worker.providers.openai_responses.event import PartPlace, spoken
from worker.providers.openai_responses.item import Item
from worker.providers.openai_responses.parts import Parts, Said
from worker.providers.openai_responses.tools import ARGUMENT_OF_CALL, TOOL_OF_ITEM, arguments_of, has_failed, result_of
from worker.providers.openai_responses.whole_response import word

_CALL = PartPlace("call", "tool_call", "function_call")
_RESULT = PartPlace("result", "tool_result", "")
_FILE = PartPlace("file", "file", "")
_NOTHING = "{}"

ITEM_DONE = "response.output_item.done"

Keep = Callable[[dict[str, Any]], None]
"""Takes what has no place in our events."""


class Calls:
    """The calls of one answer."""

    def __init__(self, name: str, parts: Parts, keep: Keep) -> None:
        self.made = False
        """The answer has a call that the caller runs."""
        self._name = name
        self._parts = parts
        self._keep = keep
        self._items: list[Item] = []
        self._held = 0

    def learn(self, item: Item, *, name: str | None = None, call_id: str | None = None) -> Said:
        """Takes what an event says about a call, and announces it as soon as that is enough."""
        item.name, item.call_id = item.name or name, item.call_id or call_id
        said = item.one("call")
        if said is None:
            said = self._parts.hold(_CALL, item.id)
            item.parts.append(said)
            self._items.append(item)
        if said.held and self._name_of(item) and (item.call_id or item.type not in ARGUMENT_OF_CALL):
            self._release(item, said)
        return said

    def grow(self, item: Item, said: Said, text: str) -> None:
        """Adds a piece of the arguments. Those that are whole do not grow: some send all of them once more."""
        if item.type != "custom_tool_call" and text.lstrip().startswith("{"):
            if not said.text and text.strip() == _NOTHING:
                item.nothing = True
                return
            if said.text.strip() and is_json(said.text):
                return
        elif item.nothing:
            self._say(said, _NOTHING)
        item.nothing = False
        self._say(said, text)

    def complete(self, item: Item, said: Said, whole: str) -> bool:
        """Takes the arguments as they are said once more, whole, and adds what had not come.

        Returns False for a tool of the provider that was called otherwise. Raises ProviderError `invalid_response`
        where a call of the caller's would not be what it should.
        """
        if not whole or whole == said.other:
            return True
        item.nothing = False
        rest = self._parts.rest(said, whole)
        said.told.add("whole")
        if rest is None:
            if said.earlier is not None:
                raise self._parts.misfit()
            said.other = whole
            if item.type not in ARGUMENT_OF_CALL:
                return False
            if not _equal(said.text, whole):
                raise self._parts.gap()
        elif rest:
            if said.ended:
                raise self._parts.gap()
            self._say(said, rest)
        return True

    def take(self, item: Item, kind: str, fields: dict[str, Any]) -> None:
        """Takes a call as its item says it, with its result, and ends it."""
        said = self.learn(item, name=word(fields, "name"), call_id=word(fields, "call_id"))
        if not self.complete(item, said, all_arguments(kind, fields)):
            self._keep({"type": ITEM_DONE, "item": fields})
        self._finish(item, said)
        self._take_results(item, kind, fields)

    def _finish(self, item: Item, said: Said) -> None:
        """Ends a call that its item has ended; without a word of arguments, the whole response may have them."""
        if said.text or said.told or item.nothing:
            self._say_nothing(item, said)
            self._parts.end(said)

    def _take_results(self, item: Item, kind: str, fields: dict[str, Any]) -> None:
        if kind == "image_generation_call" and (image := word(fields, "result")):
            format = word(fields, "output_format") or "png"
            media_type = "image/svg+xml" if format == "svg" else f"image/{format}"
            file = item.one("file") or self._add(item, self._parts.begin(_FILE, item.id, media_type=media_type))
            self._take_result(file, image, fields)
        if kind in TOOL_OF_ITEM and (result := result_of(kind, fields)) is not None:
            name = word(fields, "name") if kind == "mcp_call" else TOOL_OF_ITEM[kind].name
            answered = item.one("result") or self._add(
                item,
                self._parts.begin(_RESULT, item.id, name=name, result_type=kind, is_error=has_failed(kind, fields)),
            )
            self._take_result(answered, result, fields)

    def _add(self, item: Item, said: Said) -> Said:
        item.parts.append(said)
        return said

    def _take_result(self, said: Said, result: str, fields: dict[str, Any]) -> None:
        if said.ended:
            return
        rest = self._parts.rest(said, result)
        if rest is None and said.earlier is not None:
            raise self._parts.misfit()
        if rest is None:
            self._keep({"type": ITEM_DONE, "item": fields})
        self._parts.say(said, rest or "")
        self._parts.end(said)

    def end(self, *, cut: bool) -> list[dict[str, Any]]:
        """Ends all calls with the answer, of which nothing may be missing unless it was `cut`.

        Returns those that nobody has named, as they cannot be run. Raises ProviderError `incomplete_stream`.
        """
        nameless = []
        for item in self._items:
            said = item.one("call")
            assert said is not None
            self._say_nothing(item, said)
            if said.held and not self._is_repeated(item, said):
                if self._name_of(item):
                    self._release(item, said)
                elif said.text:
                    nameless.append({"id": item.id or None, "type": item.type, "arguments": said.text})
            client = not said.held and item.type == "function_call" and said.earlier is None
            if client and not (cut or said.told or is_json(said.text)):
                raise problem(self._name, "incomplete_stream", "half of a tool call")
        return nameless

    def known(self, name: str | None, arguments: str) -> Item | None:
        """Returns a call that the whole response has not, but that is made in it under another id."""
        for item in self._items:
            said = item.one("call")
            if said is not None and not item.matched and item.name == name and _equal(said.text, arguments):
                item.matched = True
                return item
        return None

    def _is_repeated(self, item: Item, said: Said) -> bool:
        """Says whether it is a piece of a call that has been said, of which neither id nor place was right."""
        if item.finished or item.matched:
            return False
        others = (other.one("call") for other in self._items if other is not item)
        texts = [other.text for other in others if other is not None and not other.held]
        return any(said.text in text for text in texts)

    def _name_of(self, item: Item) -> str | None:
        tool = TOOL_OF_ITEM.get(item.type or "")
        return item.name if tool is None else tool.name or item.name

    def _release(self, item: Item, said: Said) -> None:
        ours = item.type in ARGUMENT_OF_CALL
        self.made = self.made or ours
        self._held -= len(said.text)
        said.item_id = said.item_id or item.id
        name = self._name_of(item) or ""
        self._parts.release(said, call_id=item.call_id, name=name, executor="client" if ours else "provider")

    def _say(self, said: Said, text: str) -> None:
        if said.held:
            self._held += len(text)
            if self._held > MAX_EVENT_BYTES:
                raise problem(self._name, "invalid_response", "calls without a name that are too large")
        self._parts.say(said, text)

    def _say_nothing(self, item: Item, said: Said) -> None:
        if item.nothing:
            item.nothing = False
            self._say(said, _NOTHING)


def all_arguments(kind: str, fields: dict[str, Any]) -> str:
    """Returns what an item of this type is called with; nothing for one that is no call."""
    if kind in ARGUMENT_OF_CALL:
        return spoken(fields.get(ARGUMENT_OF_CALL[kind]), "call") or ""
    return arguments_of(kind, fields) if kind in TOOL_OF_ITEM else ""


def _equal(said: str, whole: str) -> bool:
    try:
        return bool(json.loads(said) == json.loads(whole))
    except (ValueError, RecursionError):
        return said == whole
