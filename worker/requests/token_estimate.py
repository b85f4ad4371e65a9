"""Estimates of tokens that nobody counted, from characters: right to a factor of two for English prose."""

from collections.abc import Iterator
from typing import Any

import msgspec

from shared.log.events import Usage
from shared.process.background_thread import aside

CHARACTERS_PER_TOKEN = 4
"""Characters of one token, about (OpenAI, "What are tokens and how to count them?"; Anthropic's glossary says 3.5)."""

_OPAQUE = frozenset(
    {"url", "file_url", "file_data", "signature", "encrypted", "provider", "item_id", "id", "type", "role"}
)
"""Members of a message that are no text to a model, or not by their length."""


async def characters(request: bytes) -> int:
    """Returns how many characters of text a stored request's messages and tools have; 0 where it cannot be read."""
    return await aside(len(request), _characters, request)


def _characters(request: bytes) -> int:
    try:
        fields = msgspec.json.decode(request)
        tools = fields.get("tools")
        return sum(map(len, _texts(fields.get("messages")))) + (len(msgspec.json.encode(tools)) if tools else 0)
    except (msgspec.MsgspecError, AttributeError):
        return 0


def usage(input_chars: int, output_chars: int) -> Usage:
    """Returns tokens for so many characters of input and of output, rounded up."""
    return Usage(
        input_tokens=-(-input_chars // CHARACTERS_PER_TOKEN), output_tokens=-(-output_chars // CHARACTERS_PER_TOKEN)
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in _OPAQUE:
                yield from _texts(item)
