"""The messages of a Messages request as ours, in the shape of OpenAI Chat."""

import json
from typing import Any

from api.dialects.anthropic_messages.checks import a_list, a_text, a_type, an_object, only, within, wrong, yes_or_no
from api.dialects.anthropic_messages.content import marked, parts_of, text_of, texts_of
from api.dialects.anthropic_messages.places import Places
from api.dialects.anthropic_messages.thoughts import Thoughts

_ELSEWHERE = ("server_tool_use", "mcp_tool_use")
_RESULT = "_tool_result"
LEFT_OUT = "messages.content.server_tool_use"
"""The name, among what was ignored, of blocks of tools that a provider has run: no request of ours can say them."""
CITATIONS = "messages.content.citations"


class Conversation:
    """The messages so far. `protocol_is_same` says that the provider that is asked speaks Messages."""

    def __init__(self, places: Places, *, protocol_is_same: bool) -> None:
        self.messages: list[dict[str, Any]] = []
        self.ignored: set[str] = set()
        self._places = places
        self._same = protocol_is_same

    def begin(self, system: Any) -> None:
        """Takes the system prompt. Raises ProblemError."""
        content = texts_of(system, "/system")
        if content:
            self._add({"role": "system", "content": content}, "/system", "/system")

    def read(self, messages: Any) -> None:
        """Takes the messages. Raises ProblemError."""
        for at, message in enumerate(a_list(messages, "/messages")):
            pointer = within("/messages", at)
            fields = an_object(message, pointer)
            content, place = fields.get("content"), within(pointer, "content")
            match a_text(fields, "role", pointer):
                case "user":
                    only(fields, ("role", "content"), pointer)
                    self._user(content, pointer)
                case "assistant":
                    only(fields, ("role", "content"), pointer)
                    self._assistant(content, pointer)
                case "system":
                    only(fields, ("role", "content"), pointer)
                    self._add({"role": "system", "content": texts_of(content, place)}, pointer, place)
                case _:
                    raise wrong(within(pointer, "role"), "must be user, assistant or system; choose from these")

    def _add(self, message: dict[str, Any], pointer: str, content: str) -> str:
        """Adds a message; returns the pointer to it."""
        ours = f"/messages/{len(self.messages)}"
        self.messages.append(message)
        self._places.add(ours, pointer)
        self._places.add(f"{ours}/content", content)
        return ours

    def _user(self, content: Any, pointer: str) -> None:
        """Adds what a user says, behind the results of tools that stand in it."""
        place = within(pointer, "content")
        if isinstance(content, str):
            self._add({"role": "user", "content": content}, pointer, place)
            return
        said: list[tuple[dict[str, Any], str]] = []
        results = 0
        for at, block in enumerate(a_list(content, place)):
            where = within(place, at)
            fields = an_object(block, where)
            if a_type(fields, where) == "tool_result":
                results += 1
                said += self._result(fields, where)
            else:
                said += [(part, where) for part in parts_of(fields, where)]
                if fields.get("citations") and fields["type"] == "text":
                    self.ignored.add(CITATIONS)
        if said or not results:
            ours = self._add({"role": "user", "content": [part for part, _ in said]}, pointer, place)
            for at, (_, where) in enumerate(said):
                self._places.add(f"{ours}/content/{at}", where)

    def _result(self, block: dict[str, Any], pointer: str) -> list[tuple[dict[str, Any], str]]:
        """Adds a tool's result; returns what of it can only be said by the user, which is any file."""
        only(block, ("type", "cache_control", "tool_use_id", "content", "is_error", "toolset_name"), pointer)
        content, place = block.get("content", ""), within(pointer, "content")
        files: list[tuple[dict[str, Any], str]] = []
        places: list[str] = []
        if not isinstance(content, str):
            parts: list[dict[str, Any]] = []
            for at, one in enumerate(a_list(content, place)):
                where = within(place, at)
                for part in parts_of(an_object(one, where), where):
                    if part["type"] == "file":
                        files.append((part, where))
                    else:
                        parts.append(part)
                        places.append(where)
            content = parts
        message = {"role": "tool", "content": content, "tool_call_id": a_text(block, "tool_use_id", pointer)}
        failed = {"is_error": True} if yes_or_no(block, "is_error", pointer) else {}
        ours = self._add(message | failed | marked(block), pointer, place)
        self._places.add(f"{ours}/tool_call_id", within(pointer, "tool_use_id"))
        for at, where in enumerate(places):
            self._places.add(f"{ours}/content/{at}", where)
        return files

    def _assistant(self, content: Any, pointer: str) -> None:
        """Adds an earlier answer, or the beginning of the one that is asked for."""
        place = within(pointer, "content")
        if isinstance(content, str):
            self._add({"role": "assistant", "content": content}, pointer, place)
            return
        said = _Answer(self._same)
        for at, block in enumerate(a_list(content, place)):
            where = within(place, at)
            if not said.take(at, an_object(block, where), where):
                self.ignored.add(LEFT_OUT)
        ours = self._add(said.message(), pointer, place)
        for tail, where in said.places.items():
            self._places.add(f"{ours}/{tail}", where)
        if said.cites:
            self.ignored.add(CITATIONS)


class _Answer:
    """An earlier answer: its blocks by kind, each with its place as `part`."""

    def __init__(self, same: bool) -> None:
        self.places: dict[str, str] = {}
        self.cites = False
        self._texts: list[dict[str, Any]] = []
        self._calls: list[dict[str, Any]] = []
        self._thoughts = Thoughts(same)

    def take(self, at: int, block: dict[str, Any], pointer: str) -> bool:
        """Takes a block; returns False where it is left out. Raises ProblemError."""
        match a_type(block, pointer):
            case "text":
                self.cites = self.cites or bool(block.get("citations"))
                self.places[f"content/{len(self._texts)}"] = pointer
                self._texts.append(text_of(block, pointer) | {"part": at})
            case "tool_use":
                self.places[f"tool_calls/{len(self._calls)}"] = pointer
                self._calls.append(_call(at, block, pointer))
            case "thinking" | "redacted_thinking":
                self._thoughts.take(at, block, pointer, self._texts, self._calls)
            case type_ if type_ in _ELSEWHERE or type_.endswith(_RESULT):
                return False
            case _:
                raise wrong(within(pointer, "type"), "is of no block that can be honoured here; leave the block out")
        return True

    def message(self) -> dict[str, Any]:
        """Returns the message; places are left out where the order is plain."""
        reasoning = self._thoughts.reasoning
        for at, pointer in enumerate(self._thoughts.places):
            self.places[f"reasoning/{at}"] = pointer
        message: dict[str, Any] = {"role": "assistant", "content": self._texts or (None if self._calls else "")}
        if reasoning:
            message["reasoning"] = reasoning
        if self._calls:
            message["tool_calls"] = self._calls
        if not (reasoning or self._calls):
            for text in self._texts:
                del text["part"]
        return message


def _call(at: int, block: dict[str, Any], pointer: str) -> dict[str, Any]:
    only(block, ("type", "cache_control", "id", "name", "input", "caller", "toolset_name"), pointer)
    given = an_object(block.get("input", {}), within(pointer, "input"))
    arguments = json.dumps(block.get("input", given), ensure_ascii=False, separators=(",", ":"))
    function = {"name": a_text(block, "name", pointer), "arguments": arguments}
    call = {"id": a_text(block, "id", pointer), "type": "function", "function": function, "part": at}
    return call | marked(block)
