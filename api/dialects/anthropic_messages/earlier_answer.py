"""An earlier answer that comes back, as ours: its blocks by kind, each with its place."""

import json
from typing import Any

from api.dialects.anthropic_messages.checks import a_text, a_type, an_object, only, within, wrong
from api.dialects.anthropic_messages.content import marked, text_of
from api.dialects.anthropic_messages.thoughts import Thoughts

_ELSEWHERE = ("server_tool_use", "mcp_tool_use")
_RESULT = "_tool_result"


class EarlierAnswer:
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
