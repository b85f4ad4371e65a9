"""Fields with which SDKs, gateways and agents write a conversation down, and which say nothing to a model.

An answer's `model_dump()` of an SDK goes back as the next request's message: with nulls for what the answer had not
(`refusal`, `audio`, `function_call`), with places (`index`) and names of the answer (`id`, `usage`), and with its
reasoning under the name that its provider has for it. What says nothing is taken out; what says something under
another name gets ours. Whatever is left is validated as any other request.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from shared.request import dumped_blocks, dumped_reasoning
from shared.request.generation_request import GenerationRequest
from shared.request.message_parts import File, FilePart, ImagePart, ImageUrl, Reasoning, TextPart
from shared.request.messages import AssistantMessage, SystemMessage, ToolMessage, UserMessage
from shared.request.tools import FunctionCall, FunctionTool, Tool, ToolCall

_MESSAGES: dict[str, type[BaseModel]] = {
    "system": SystemMessage,
    "developer": SystemMessage,
    "user": UserMessage,
    "assistant": AssistantMessage,
    "tool": ToolMessage,
}
_PARTS: dict[str, type[BaseModel]] = {"text": TextPart, "image_url": ImagePart, "file": FilePart}
_INSIDE: dict[str, type[BaseModel]] = {"image_url": ImageUrl, "file": File}

_NULL_IS_DEFAULT = ("extra", "metadata", "on_interrupt")
"""Fields of a request whose default is not null, but which SDKs dump as null where nothing was given."""

_OF_THE_ANSWER = (
    "annotations", "created", "finish_reason", "index", "model", "object", "parsed", "stop_reason", "stop_sequence",
    "type", "usage",
)  # fmt: skip
"""What SDKs say about an answer: where its text is from, what it cost, how it ended,
what it is as an object (OpenAI's `parse`). No model is told it again."""

_REPEATED = (
    "annotations",
    "audio",
    "citations",
    "reasoning",
    "reasoning_content",
    "refusal",
    "thinking_blocks",
    "thought_signatures",
)
"""What LiteLLM says once more in `provider_specific_fields` (its page "'Thinking' / 'Reasoning Content'")."""


_OPAQUE_OR_TEXT = ("text", "signature", "encrypted")


def tidy(body: Any) -> bool:
    """Takes such fields out of a parsed body, in place; says whether there were any. It takes time by its length."""
    if not isinstance(body, dict):
        return False
    tidying = _Tidying()
    tidying.request(body)
    return tidying.changed


def _names(kind: type[BaseModel]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in kind.model_fields.items())


_compact = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

_KINDS: tuple[type[BaseModel], ...] = (
    *_MESSAGES.values(), *_PARTS.values(), *_INSIDE.values(), FunctionCall, FunctionTool, GenerationRequest, Reasoning,
    Tool, ToolCall,
)  # fmt: skip
_NAMES = {kind: _names(kind) for kind in _KINDS}


def _says_nothing(value: Any) -> bool:
    """Says whether a value is null, an empty text, list or object, or holds nothing but such."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return value is None or value == ""
    return all(map(_says_nothing, value))


class _Tidying:
    def __init__(self) -> None:
        self.changed = False

    def request(self, body: dict[str, Any]) -> None:
        self._unknown(body, GenerationRequest)
        for name in _NULL_IS_DEFAULT:
            self._take(body, name, lambda value: value is None)
        self._each(body, "messages", self._message)
        self._each(body, "tools", self._tool)
        for name in ("response_format", "tool_choice"):
            if isinstance(value := body.get(name), dict):
                for key in list(value):
                    self._take(value, key, lambda item: item is None)

    def _message(self, message: dict[str, Any]) -> None:
        role = message.get("role")
        kind = _MESSAGES.get(role) if isinstance(role, str) else None
        if kind is None:
            return
        # Programs that show conversations give each message an id.
        self._take(message, "id", lambda value: isinstance(value, str))
        if kind is AssistantMessage:
            self._answer(message)
        elif kind is ToolMessage:
            # Its call has the name.
            self._take(message, "name", lambda value: isinstance(value, str))
            self._null_is_text(message, "content")
        self._unknown(message, kind)
        self._each(message, "content", self._part)

    def _answer(self, message: dict[str, Any]) -> None:
        for name in _OF_THE_ANSWER:
            self._take(message, name, lambda _: True)
        if isinstance(repeats := message.get("provider_specific_fields"), dict):
            for name in _REPEATED:
                self._take(repeats, name, lambda _: True)
        self.changed |= dumped_blocks.put_refusals_in_place(message)
        self.changed |= dumped_blocks.put_in_place(message) | dumped_reasoning.put_in_place(message)
        self._each(message, "tool_calls", self._call)
        if isinstance(thoughts := message.get("reasoning"), list):
            said = [thought for thought in thoughts if self._thought(thought)]
            if len(said) < len(thoughts):
                message["reasoning"], self.changed = said, True
        if not (message.get("refusal") or message.get("tool_calls")):
            self._null_is_text(message, "content")

    def _call(self, call: dict[str, Any]) -> None:
        # Its place among the calls, from a stream; a list has it anyway.
        self._take(call, "index", lambda value: isinstance(value, int))
        self._take(call, "type", lambda value: value is None)
        self.changed |= dumped_reasoning.sign(call, call)
        self._unknown(call, ToolCall)
        if not isinstance(function := call.get("function"), dict):
            return
        self.changed |= dumped_reasoning.sign(call, function)
        # The same once more, from OpenAI's `parse`.
        self._take(function, "parsed_arguments", lambda _: True)
        self._null_is_text(function, "arguments")
        if isinstance(arguments := function.get("arguments"), dict):
            # As Ollama and frameworks have them, parsed. A number that JSON does not have stays, and is refused.
            with suppress(ValueError):
                function["arguments"] = _compact(arguments)
                self.changed = True
        self._unknown(function, FunctionCall)

    def _thought(self, thought: Any) -> bool:
        """Says whether it is to be kept: a part of a snapshot may be empty, as what was thought is not always told."""
        if not (isinstance(thought, dict) and thought):
            return True
        self._take(thought, "kind", lambda value: value == "reasoning")
        self._take(thought, "complete", lambda value: isinstance(value, bool))
        self._unknown(thought, Reasoning)
        # What is unknown there is for the validation to name.
        return bool(thought.keys() - _NAMES[Reasoning]) or any(thought.get(name) for name in _OPAQUE_OR_TEXT)

    def _part(self, part: dict[str, Any]) -> None:
        kind = part.get("type")
        if isinstance(kind, str) and kind in _PARTS:
            # Where a text of an answer is from, beside it (OpenAI, Anthropic).
            for name in ("annotations", "citations"):
                self._take(part, name, lambda value: isinstance(value, list))
            # LangChain's names and places of what is in a list anyway.
            self._take(part, "id", lambda value: isinstance(value, str))
            self._take(part, "index", lambda value: isinstance(value, int | str))
            self._unknown(part, _PARTS[kind])
            if kind in _INSIDE and isinstance(inside := part.get(kind), dict):
                self._unknown(inside, _INSIDE[kind])

    def _tool(self, tool: dict[str, Any]) -> None:
        self._unknown(tool, Tool)
        if isinstance(function := tool.get("function"), dict):
            self._unknown(function, FunctionTool)

    def _each(self, of: dict[str, Any], name: str, tidy_one: Callable[[dict[str, Any]], None]) -> None:
        if isinstance(entries := of.get(name), list):
            for entry in entries:
                if isinstance(entry, dict):
                    tidy_one(entry)

    def _unknown(self, fields: dict[str, Any], kind: type[BaseModel]) -> None:
        """Takes out what is no field of this kind, and says nothing."""
        for name in fields.keys() - _NAMES[kind]:
            self._take(fields, name, _says_nothing)

    def _take(self, fields: dict[str, Any], name: str, where: Callable[[Any], bool]) -> None:
        if name in fields and where(fields[name]):
            del fields[name]
            self.changed = True

    def _null_is_text(self, fields: dict[str, Any], name: str) -> None:
        if name in fields and fields[name] is None:
            fields[name] = ""
            self.changed = True
