"""Input items as native messages: what an assistant said in a row becomes one message."""

from typing import Any

from api.dialects.openai_responses.assistant import AssistantTurn
from api.dialects.openai_responses.contents import objects, parts_of, text_of
from api.dialects.openai_responses.pointers import Pointers, refused, wrong
from shared.config.protocols import Protocol

_ROLES = frozenset({"system", "developer", "user"})

LEFT_OUT = frozenset(
    {
        "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call",
        "mcp_list_tools",
    }
)  # fmt: skip
"""Items of what a provider ran itself in an earlier answer: no message has a place for them, nor needs one."""

_OUTPUTS = {"function_call_output", "custom_tool_call_output"}
_RESULTS = frozenset({"input_text", "output_text", "text", "input_image"})


class Conversation:
    """The messages so far."""

    def __init__(self, protocol: Protocol, pointers: Pointers) -> None:
        self.messages: list[dict[str, Any]] = []
        self.ignored: dict[str, None] = {}
        """Types of items that were left out."""
        self._protocol = protocol
        self._pointers = pointers
        self._turn: AssistantTurn | None = None

    def instruct(self, instructions: Any) -> None:
        """Takes the instructions, which come first."""
        if not isinstance(instructions, str):
            raise wrong("/instructions", "must be a string")
        self._pointers.put(f"/messages/{len(self.messages)}/content", "/instructions")
        self._say({"role": "system", "content": instructions}, "/instructions")

    def take(self, given: Any) -> None:
        """Takes the input. Raises ProblemError for items that cannot be sent to any provider."""
        if isinstance(given, str):
            self._pointers.put(f"/messages/{len(self.messages)}/content", "/input")
            self._say({"role": "user", "content": given}, "/input")
            return
        if not isinstance(given, list):
            raise wrong("/input", "must be a string, or a list of items")
        for own, item in objects(given, "/input"):
            self._item(item, own)
        self._end_turn()

    def _item(self, item: dict[str, Any], own: str) -> None:
        kind = item.get("type", "message" if "role" in item else "item_reference" if "id" in item else None)
        if not isinstance(kind, str):
            raise wrong(f"{own}/type", "must be a string")
        if kind == "message" and item.get("role") != "assistant":
            self._message(item, own)
        elif kind in ("message", "reasoning", "function_call", "custom_tool_call"):
            turn = self._turn = self._turn or AssistantTurn(self._protocol)
            turn.take(kind, item, own)
        elif kind in _OUTPUTS:
            self._result(item, own)
        elif kind in LEFT_OUT:
            self.ignored[f"input.{kind}"] = None
        elif kind == "item_reference":
            raise refused(own, "refers to an item that is not kept; send the item, or name previous_response_id")
        else:
            raise refused(f"{own}/type", f"{kind} cannot be honoured here; leave the item out")

    def _message(self, item: dict[str, Any], own: str) -> None:
        role = item.get("role")
        if not (isinstance(role, str) and role in _ROLES):
            raise wrong(f"{own}/role", "must be user, assistant, system or developer")
        self._end_turn()
        native = f"/messages/{len(self.messages)}/content"
        content = parts_of(item.get("content"), f"{own}/content", native, self._pointers)
        self._say({"role": role, "content": content}, own)

    def _result(self, item: dict[str, Any], own: str) -> None:
        self._end_turn()
        native = f"/messages/{len(self.messages)}"
        self._pointers.put(f"{native}/tool_call_id", f"{own}/call_id")
        self._pointers.put(f"{native}/content", f"{own}/output")
        output = parts_of(
            item.get("output"), f"{own}/output", f"{native}/content", self._pointers, _RESULTS.__contains__
        )
        message = {"role": "tool", "content": output, "tool_call_id": text_of(item, "call_id", own)}
        # A call that was cut has no result to speak of; nothing else says that a tool failed.
        self._say(message, own)

    def _say(self, message: dict[str, Any], own: str) -> None:
        self._pointers.put(f"/messages/{len(self.messages)}", own)
        self.messages.append(message)

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        if message := turn.message(f"/messages/{len(self.messages)}", self._pointers):
            self.messages.append(message)
        for one in self.messages if turn.signatures else ():
            for call in one.get("tool_calls", ()):
                call |= turn.signatures.get(call["id"], {})
