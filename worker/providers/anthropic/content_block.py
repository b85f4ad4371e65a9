"""One content block of Messages as a part of ours: how it begins, what it holds back, how it ends."""

import json
from typing import Any

from msgspec import UNSET, UnsetType

from shared.log.events import Delta, Part, PartEnd, PartKind, Raw
from worker.providers.anthropic.call_input import CallInput
from worker.providers.call_ids import made_up
from worker.providers.provider import ProviderEvent

PROTOCOL = "anthropic"
"""Its name in our events: of what is raw, and of signatures and encrypted reasoning."""

_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
_RESULT = "_tool_result"
_TEXTS = ("text", "thinking", "signature", "data", "id", "name", "tool_use_id", "file_id")

_READ: dict[str, frozenset[str]] = {
    "text": frozenset({"text", "citations"}),
    "thinking": frozenset({"thinking", "signature"}),
    "redacted_thinking": frozenset({"data"}),
    "container_upload": frozenset({"file_id"}),
    **dict.fromkeys(_CALLS, frozenset({"id", "name", "input", "arguments"})),
}
"""Fields of a content block that are in our events."""

_READ_OF_RESULT = frozenset({"tool_use_id", "content", "is_error"})
"""Those of a tool's result."""

_SHOWN_BY = {"input": "tool_use", "name": "tool_use", "thinking": "thinking", "text": "text"}
"""Fields that show the type of a block which does not say it."""


class Block:
    """An open content block. Its part begins when it is known to be one: a call has a name by then.

    What a `message_start` already held of it may come again in deltas, and is not said again.
    """

    def __init__(self, type_: str, content: dict[str, Any], part: Part) -> None:
        self.type = type_
        self.kind: PartKind = part.kind
        self.part = part
        self.begun = False
        self.signature = text_of(content.get("signature"))
        self.encrypted = text_of(content.get("data"))
        self.input = CallInput(content.get("input") or content.get("arguments"))
        self.startless = False
        """A delta began it."""
        self.held = False
        """A `message_start` held it, and its start may come again."""
        self.said = ""
        """What a `message_start` held of it, as long as that may come again."""
        self._again = ""
        """What came again of it."""
        self.pieces: list[str] = []
        """Its text so far; that of a call is in `input`."""

    @property
    def is_named(self) -> bool:
        """Says whether its part can begin: a call without a name is none."""
        return self.kind != "tool_call" or bool(self.part.name)

    @property
    def what(self) -> str:
        """What it is, where a whole message says it again: calls and results have ids, other parts a kind."""
        return f"{self.kind} {self.part.call_id or self.part.name}" if self.part.call_id is not UNSET else self.kind

    def begin(self, number: int, events: list[ProviderEvent]) -> None:
        """Adds its part, and of a call what came before its name did."""
        self.begun = True
        self.part.part = number
        if self.kind == "tool_call" and not self.part.call_id:
            self.part.call_id = made_up(number)
        events.append(self.part)

    def fresh(self, text: str) -> str:
        """Returns what of its text is new; it is held until it is clear whether it only comes again."""
        self._again += text
        if self.said.startswith(self._again):
            return ""
        text = self._again.removeprefix(self.said)
        self.said = self._again = ""
        return text

    def rest(self, whole: str) -> str:
        """Returns what its text lacks, as its end says all of it."""
        said = "".join(self.pieces)
        return whole.removeprefix(said) if whole.startswith(said) else ""

    def end(self, index: int, events: list[ProviderEvent]) -> None:
        """Adds the end of its part, with what was held back."""
        if not self.begun:
            named = {"id": self.part.call_id} if self.part.call_id else {}
            events.append(start_of(index, {"type": self.type, **named, "input": self.input.text}))
            return
        if self.kind == "tool_call" and (rest := self.input.rest()):
            events.append(Delta(part=self.part.part, kind=self.kind, delta=rest))
        elif self._again and self._again != self.said:
            events.append(Delta(part=self.part.part, kind=self.kind, delta=self._again))
        events.append(
            PartEnd(
                part=self.part.part,
                signature=self.signature or UNSET,
                encrypted=self.encrypted or UNSET,
                provider=PROTOCOL if self.signature or self.encrypted else UNSET,
            )
        )


def block_of(content: dict[str, Any]) -> Block | None:
    """Returns the block of a content block that starts; None where its type is unknown."""
    kind = content.get("type") or next((kind for field, kind in _SHOWN_BY.items() if field in content), "")
    match kind:
        case "text":
            part = Part(part=-1, kind="text")
        case "thinking" | "redacted_thinking":
            part = Part(part=-1, kind="reasoning")
        case "container_upload":
            part = Part(part=-1, kind="file", item_id=text_of(content.get("file_id")))
        case str() if kind in _CALLS:
            part = Part(part=-1, kind="tool_call", executor="client" if kind == "tool_use" else "provider")
            part.call_id, part.name = text_of(content.get("id")), text_of(content.get("name"))
        case str() if kind.endswith(_RESULT):
            part = Part(part=-1, kind="tool_result", executor="provider", name=kind.removesuffix(_RESULT))
            part.call_id, part.result_type = text_of(content.get("tool_use_id")), kind
            part.is_error = _is_error(content)
        case _:
            return None
    return Block(str(kind), content, part)


def _is_error(content: dict[str, Any]) -> bool | UnsetType:
    """Returns whether a tool's result is an error: `is_error` says so, or the type of its content does."""
    if isinstance(said := content.get("is_error"), bool):
        return said
    result = content.get("content")
    kind = result.get("type") if isinstance(result, dict) else None
    return True if isinstance(kind, str) and kind.endswith(f"{_RESULT}_error") else UNSET


def held_text(kind: PartKind, content: dict[str, Any]) -> str:
    """Returns the text that the start of a block already holds."""
    match kind:
        case "text":
            return text_of(content.get("text"))
        case "reasoning":
            return text_of(content.get("thinking"))
        case "tool_result":
            return json.dumps(content.get("content"), ensure_ascii=False)
        case _:
            return ""


def held_citations(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the citations that the start of a block already holds."""
    citations = content.get("citations")
    return [one for one in citations if isinstance(one, dict)] if isinstance(citations, list) else []


def text_of(value: Any) -> str:
    """Returns a text, also where a number stands for it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def start_of(index: int, content: dict[str, Any]) -> Raw:
    """Returns what is kept of the start of a block."""
    return Raw(protocol=PROTOCOL, data={"type": "content_block_start", "index": index, "content_block": content})


def rest_of(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """Returns what a block says beside what is in our events; that it calls a tool itself is the rule."""
    read = _READ.get(kind, _READ_OF_RESULT) | {"type"}
    if not isinstance(content.get("is_error"), bool):
        read -= {"is_error"}
    rest = {
        name: value
        for name, value in content.items()
        if value is not None and (name not in read or (name in _TEXTS and value and not text_of(value)))
    }
    if rest.get("caller") == {"type": "direct"}:
        del rest["caller"]
    return rest
