"""A request from its JSON, and a provider's as JSON: in steps, so that in a thread they let others run."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from shared.errors import TooManyPartsError
from shared.process.background_thread import LONG_WORK_BYTES
from shared.request.dumped_fields import tidy
from shared.request.generation_request import GenerationRequest
from shared.request.limits import MAX_MESSAGES
from shared.request.message_parts import ContentPart, Reasoning, ResultPart, SaidText, TextPart
from shared.request.messages import Message
from shared.request.nesting import entries
from shared.request.tools import Tool, ToolCall

PART_FIELDS = ("content", "tool_calls", "reasoning")
_part: TypeAdapter[Any] = TypeAdapter(ContentPart)
_text_part: TypeAdapter[Any] = TypeAdapter(TextPart)
_contents: dict[str, TypeAdapter[Any]] = {
    "system": _text_part,
    "developer": _text_part,
    "assistant": TypeAdapter(SaidText),
    "tool": TypeAdapter(ResultPart),
}
_assistant: dict[str, TypeAdapter[Any]] = {"tool_calls": TypeAdapter(ToolCall), "reasoning": TypeAdapter(Reasoning)}
_message: TypeAdapter[Any] = TypeAdapter(Message)
_tool: TypeAdapter[Any] = TypeAdapter(Tool)
_text = msgspec.json.Encoder().encode  # six times as fast as json's
_other = json.JSONEncoder(allow_nan=False).encode

PIECE_CHARS = 65_536
"""Characters of a text that are written at once."""


def encode(value: Any) -> bytes:
    """Returns compact JSON of plain values, made in steps: member by member, and a long text piece by piece.

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
    if len(text) <= PIECE_CHARS:
        return _text(text)
    pieces = [_text(text[start : start + PIECE_CHARS])[1:-1] for start in range(0, len(text), PIECE_CHARS)]
    return b"".join([b'"', *pieces, b'"'])


def read(body: bytes, most_parts: int | None = None) -> GenerationRequest:
    """Returns the request. Raises pydantic.ValidationError, as `GenerationRequest.model_validate_json` does.

    One call of that takes as long as the body is large. Its parts, messages and tools are therefore validated one
    by one, and then taken as they are. Where one does not fit, the whole is read at once, which says what is wrong.
    With `most_parts`, for a body of which nothing is known, the first piece that does not fit is the end; unless it
    does fit without what dumps have beside it (shared/request/dumped_fields.py). Raises TooManyPartsError.
    """
    try:
        return _read_strictly(body, most_parts)
    except ValidationError:
        if most_parts is None or not tidy(fields := _parsed(body)):
            raise
    count_parts(fields, most_parts)
    return _in_steps(fields)


def _parsed(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        return None


def _read_strictly(body: bytes, most_parts: int | None) -> GenerationRequest:
    if len(body) < LONG_WORK_BYTES:
        return GenerationRequest.model_validate_json(body)
    try:
        fields = from_json(body)
        if most_parts is not None:
            count_parts(fields, most_parts)
        return _in_steps(fields)
    except TooManyPartsError:
        raise
    except (ValueError, AttributeError, RecursionError) as error:  # pydantic's are ValueErrors; a list has no `get`
        if most_parts is not None and isinstance(error, ValidationError):
            raise
        return GenerationRequest.model_validate_json(body)


class _Messages(msgspec.Struct):
    messages: list[msgspec.Raw] = []


class _Lists(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw()
    tool_calls: msgspec.Raw = msgspec.Raw()
    reasoning: msgspec.Raw = msgspec.Raw()


def count_parts_of_text(body: bytes, most: int) -> None:
    """Does what `count_parts` does, before any value of the body is made; ignores a body that is no request."""
    try:
        messages = msgspec.json.decode(body, type=_Messages).messages
        if len(messages) > MAX_MESSAGES:
            return
        found = [msgspec.json.decode(message, type=_Lists) for message in messages]
    except (msgspec.MsgspecError, RecursionError):
        return
    lists = [bytes(one) for of in found for one in (of.content, of.tool_calls, of.reasoning)]
    if sum(entries(one) or 0 for one in lists if one.startswith(b"[") and len(one) > 2) > most:
        raise TooManyPartsError(most)


def count_parts(body: Any, most: int) -> None:
    """Counts the messages' parts in a body that nobody has validated. Raises TooManyPartsError for more than `most`."""
    messages = body.get("messages") if isinstance(body, dict) else None
    dicts = [one for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []
    lists = [one.get(name) for one in dicts for name in PART_FIELDS]
    if sum(len(one) for one in lists if isinstance(one, list)) > most:
        raise TooManyPartsError(most)


def _in_steps(fields: dict[str, Any]) -> GenerationRequest:
    if isinstance(messages := fields.get("messages"), list):
        fields["messages"] = [_message_of(message) for message in messages]
    if isinstance(tools := fields.get("tools"), list):
        fields["tools"] = [_tool.validate_python(tool) for tool in tools]
    return GenerationRequest.model_validate(fields)


def _message_of(fields: Any) -> Any:
    if isinstance(fields, dict):
        for name, part in _parts_in(fields).items():
            fields[name] = [part.validate_python(one) for one in fields[name]]
    return _message.validate_python(fields)


def _parts_in(message: dict[str, Any]) -> dict[str, TypeAdapter[Any]]:
    """Returns the fields of a message that are lists of parts, and what each part must be."""
    role = message.get("role")
    kinds = {"content": _contents.get(role, _part) if isinstance(role, str) else _part, **_assistant}
    return {name: kind for name, kind in kinds.items() if isinstance(message.get(name), list)}


class Step(NamedTuple):
    """A piece of a body that is validated by itself: what it must be, and where it is."""

    kind: TypeAdapter[Any]
    value: Any
    place: tuple[str | int, ...] = ()


_request: TypeAdapter[Any] = TypeAdapter(GenerationRequest)
_VALID: dict[str, Any] = {
    "content": "x",
    "tool_calls": [{"id": "x", "function": {"name": "x", "arguments": ""}}],
    "reasoning": [],
    "messages": {"role": "user", "content": "x"},
    "tools": {"type": "function", "function": {"name": "x"}},
}
"""What stands at the place of what is validated by itself."""


def steps(body: Any) -> Iterator[Step]:
    """Yields the pieces of a body, whose mistakes together are those of the whole; the body stays as it is."""
    rest = body
    if isinstance(body, dict):
        rest = dict(body)
        if isinstance(messages := body.get("messages"), list):
            for index, message in enumerate(messages[:MAX_MESSAGES]):
                yield from _steps_of(message, ("messages", index))
        if isinstance(tools := body.get("tools"), list):
            yield from (Step(_tool, tool, ("tools", index)) for index, tool in enumerate(tools[:MAX_MESSAGES]))
        for name in ("messages", "tools"):
            if isinstance(entries := body.get(name), list):
                rest[name] = [_VALID[name]] * min(len(entries), MAX_MESSAGES + 1)
    yield Step(_request, rest)


def _steps_of(message: Any, place: tuple[str | int, ...]) -> Iterator[Step]:
    rest = message
    if isinstance(message, dict):
        rest = dict(message)
        for name, kind in _parts_in(message).items():
            if message[name]:
                yield from (Step(kind, part, (*place, name, index)) for index, part in enumerate(message[name]))
                rest[name] = _VALID[name]
    yield Step(_message, rest, place)
