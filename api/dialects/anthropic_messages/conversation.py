"""The messages of a Messages request as ours, in the shape of OpenAI Chat."""

from typing import Any

from api.dialects.anthropic_messages.checks import a_list, a_text, a_type, an_object, only, within, wrong, yes_or_no
from api.dialects.anthropic_messages.content import marked, parts_of, texts_of
from api.dialects.anthropic_messages.earlier_answer import EarlierAnswer
from api.dialects.anthropic_messages.places import Places
from api.dialects.anthropic_messages.tool_changes import CHANGES, ToolChanges

LEFT_OUT = "messages.content.server_tool_use"
"""The name, among what was ignored, of blocks of tools that a provider has run: no request of ours can say them."""
CITATIONS = "messages.content.citations"


class Conversation:
    """The messages so far. `protocol_is_same` says that the provider that is asked speaks Messages."""

    def __init__(self, places: Places, *, protocol_is_same: bool) -> None:
        self.messages: list[dict[str, Any]] = []
        self.ignored: set[str] = set()
        self.tool_changes = ToolChanges()
        self.effort: Any = None
        """The effort that was asked for since the user spoke last, if any was."""
        self._places = places
        self._same = protocol_is_same

    def begin(self, system: Any) -> None:
        """Takes the system prompt. Raises ProblemError."""
        content = texts_of(system, "/system")
        if content:
            ours = self._add({"role": "system", "content": content}, "/system", "/system")
            for at in range(len(content) if isinstance(content, list) else 0):
                self._places.add(f"{ours}/content/{at}", within("/system", at))

    def read(self, messages: Any) -> None:
        """Takes the messages. Raises ProblemError."""
        roles = [one.get("role") if isinstance(one, dict) else None for one in a_list(messages, "/messages")]
        for at, message in enumerate(messages):
            pointer = within("/messages", at)
            fields = an_object(message, pointer)
            content = fields.get("content")
            match a_text(fields, "role", pointer):
                case "user":
                    only(fields, ("role", "content"), pointer)
                    self._user(content, pointer)
                case "assistant":
                    only(fields, ("role", "content"), pointer)
                    self._assistant(content, pointer)
                case "system":
                    self._system(fields, pointer, is_over="user" in roles[at + 1 :])
                case _:
                    raise wrong(within(pointer, "role"), "must be user, assistant or system; choose from these")

    def _add(self, message: dict[str, Any], pointer: str, content: str) -> str:
        """Adds a message; returns the pointer to it."""
        ours = f"/messages/{len(self.messages)}"
        self.messages.append(message)
        self._places.add(ours, pointer)
        self._places.add(f"{ours}/content", content)
        return ours

    def _system(self, fields: dict[str, Any], pointer: str, *, is_over: bool) -> None:
        """Adds instructions within the conversation, unless they were for a turn that is over (API beta)."""
        only(fields, ("role", "content", "output_config", "clear_at"), pointer)
        config = an_object(fields.get("output_config", {}), within(pointer, "output_config"))
        only(config, ("effort",), within(pointer, "output_config"))
        self.effort = config.get("effort", self.effort)
        content, place = fields.get("content", ""), within(pointer, "content")
        if isinstance(content, list):
            texts = []
            for at, block in enumerate(content):
                if isinstance(block, dict) and block.get("type") in CHANGES:
                    self.tool_changes.take(block, within(place, at))
                else:
                    texts.append(block)
            content = texts
        said = texts_of(content, place)
        if said and not (is_over and fields.get("clear_at") == "next_user_message"):
            self._add({"role": "system", "content": said}, pointer, place)

    def _user(self, content: Any, pointer: str) -> None:
        """Adds what a user says, behind the results of tools that stand in it."""
        place = within(pointer, "content")
        if isinstance(content, str):
            self.effort = None
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
                self.effort = None
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
                for part in self._of_result(an_object(one, where), where):
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

    def _of_result(self, block: dict[str, Any], pointer: str) -> list[dict[str, Any]]:
        if block.get("type") == "tool_reference":
            return [self.tool_changes.find(block, pointer)]
        return parts_of(block, pointer)

    def _assistant(self, content: Any, pointer: str) -> None:
        """Adds an earlier answer, or the beginning of the one that is asked for."""
        place = within(pointer, "content")
        if isinstance(content, str):
            self._add({"role": "assistant", "content": content}, pointer, place)
            return
        said = EarlierAnswer(self._same)
        for at, block in enumerate(a_list(content, place)):
            where = within(place, at)
            if not said.take(at, an_object(block, where), where):
                self.ignored.add(LEFT_OUT)
        ours = self._add(said.message(), pointer, place)
        for tail, where in said.places.items():
            self._places.add(f"{ours}/{tail}", where)
        if said.cites:
            self.ignored.add(CITATIONS)
