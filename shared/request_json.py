"""A request from its JSON, and a provider's as JSON: in steps, so that in a thread (aside.py) they let others run."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from pydantic import TypeAdapter
from pydantic_core import from_json

from shared.aside import LONG
from shared.requests import ContentPart, GenerationRequest, Message, Tool

_part: TypeAdapter[Any] = TypeAdapter(ContentPart)
_message: TypeAdapter[Any] = TypeAdapter(Message)
_tool: TypeAdapter[Any] = TypeAdapter(Tool)
_text = msgspec.json.Encoder().encode  # six times as fast as json's
_other = json.JSONEncoder(allow_nan=False).encode

PIECE = 65_536
"""Characters of a text that are written at once."""


def encode(value: Any) -> bytes:
    """Compact JSON of plain values, made in steps: member by member, and a long text piece by piece.

    Raises ValueError for a number that JSON does not have.
    """
    text = bytearray()
    _add(value, text)
    return bytes(text)


def _add(value: Any, text: bytearray) -> None:
    if isinstance(value, str):
        text += _quoted(value)
    elif isinstance(value, dict):
        before = b"{"
        for name, item in value.items():
            text += before + _quoted(name) + b":"
            _add(item, text)
            before = b","
        text += b"}" if value else b"{}"
    elif isinstance(value, list):
        before = b"["
        for item in value:
            text += before
            _add(item, text)
            before = b","
        text += b"]" if value else b"[]"
    else:
        text += _other(value).encode()


def _quoted(text: str) -> bytes:
    if len(text) <= PIECE:
        return _text(text)
    pieces = [_text(text[start : start + PIECE])[1:-1] for start in range(0, len(text), PIECE)]
    return b"".join([b'"', *pieces, b'"'])


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
