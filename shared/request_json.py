"""A request from its JSON, and a provider's as JSON: in steps, so that in a thread (aside.py) they let others run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
from pydantic import TypeAdapter
from pydantic_core import from_json

from shared.aside import LONG
from shared.requests import ContentPart, GenerationRequest, Message, Tool

_part: TypeAdapter[Any] = TypeAdapter(ContentPart)
_message: TypeAdapter[Any] = TypeAdapter(Message)
_tool: TypeAdapter[Any] = TypeAdapter(Tool)
_text = msgspec.json.Encoder().encode


def encode(value: Any, levels: int = 4) -> bytes:
    """Compact JSON of plain values, made in steps: of so many lists and objects in each other, member by member.

    Raises ValueError for a number that JSON does not have.
    """
    return b"".join(_pieces(value, levels))


def _pieces(value: Any, levels: int) -> Iterator[bytes]:
    if levels and isinstance(value, dict):
        before = b"{"
        for name, item in value.items():
            yield before + _dumped(name) + b":"
            yield from _pieces(item, levels - 1)
            before = b","
        yield b"}" if value else b"{}"
    elif levels and isinstance(value, list):
        before = b"["
        for item in value:
            yield before
            yield from _pieces(item, levels - 1)
            before = b","
        yield b"]" if value else b"[]"
    else:
        yield _dumped(value)


def _dumped(value: Any) -> bytes:
    if isinstance(value, str):
        return _text(value)  # one call for all of it, six times as fast
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def read(body: bytes) -> GenerationRequest:
    """The request. Raises pydantic.ValidationError, as `GenerationRequest.model_validate_json` does.

    One call of that takes as long as the body is large. Its parts, messages and tools are therefore validated one by
    one, and then taken as they are. Where one does not fit, the whole is read at once, which says what is wrong.
    """
    if len(body) < LONG:
        return GenerationRequest.model_validate_json(body)
    try:
        return _in_steps(from_json(body))
    except (ValueError, AttributeError, RecursionError):  # pydantic's are ValueErrors; a list has no `get`
        return GenerationRequest.model_validate_json(body)


def _in_steps(fields: dict[str, Any]) -> GenerationRequest:
    if isinstance(messages := fields.get("messages"), list):
        fields["messages"] = [_message_of(message) for message in messages]
    if isinstance(tools := fields.get("tools"), list):
        fields["tools"] = [_tool.validate_python(tool) for tool in tools]
    return GenerationRequest.model_validate(fields)


def _message_of(fields: Any) -> Any:
    if isinstance(fields, dict) and isinstance(content := fields.get("content"), list):
        fields["content"] = [_part.validate_python(part) for part in content]
    return _message.validate_python(fields)
