"""What a conversation is called that begins with a request: the beginning of its user's first text."""

from collections.abc import Iterable
from typing import Any

import msgspec

from shared.request.limits import MAX_TITLE_CHARS


class _Part(msgspec.Struct):
    type: str = ""
    text: str = ""


class _Message(msgspec.Struct):
    role: str = ""
    content: str | list[_Part] | None = None


class _Stored(msgspec.Struct):
    messages: list[_Message] = []


_read = msgspec.json.Decoder(_Stored).decode


def title_of(messages: Iterable[Any]) -> str:
    """Returns the title by a request's messages; empty where its user says no text."""
    for message in messages:
        if message.role != "user":
            continue
        content = message.content or ""
        texts = [content] if isinstance(content, str) else [part.text for part in content if part.type == "text"]
        line = " ".join(" ".join(text[: 4 * MAX_TITLE_CHARS] for text in texts)[: 4 * MAX_TITLE_CHARS].split())
        if line := "".join(character for character in line if character.isprintable()):
            return line[:MAX_TITLE_CHARS]
    return ""


def title_of_stored(request: bytes) -> str:
    """Returns the same by a stored request; empty where that cannot be read."""
    try:
        return title_of(_read(request).messages)
    except msgspec.MsgspecError:
        return ""
