"""A part of an answer that is not among its text, in one line: a tool call, its result, a file, a source."""

import json
from dataclasses import dataclass, field
from typing import Any

from midstream.terminal import exact_line

TEXT_KINDS = frozenset({"text", "refusal", "reasoning"})
"""Kinds that are written as they come."""


@dataclass(slots=True)
class PartLine:
    """A part as its events come. Of a file only the size is kept, of a text nothing."""

    kind: str
    begun: bool = True
    """Whether its beginning is known; else only what came after it is here."""
    name: str = ""
    item_id: str | None = None
    media_type: str = ""
    url: str = ""
    _pieces: list[str] = field(default_factory=list)
    _characters: int = 0

    def describe(self, data: dict[str, Any]) -> None:
        """Takes the fields of a `part` event; what it does not say stays."""
        self.kind = str(data.get("kind", self.kind))
        self.name = str(data.get("name") or self.name)
        self.item_id = data.get("item_id", self.item_id)
        self.media_type = str(data.get("media_type") or self.media_type)
        self.url = str(data.get("url") or self.url)

    def grow(self, delta: str) -> None:
        """Takes a delta."""
        if self.kind == "file":
            self._characters += len(delta)
            self._pieces = [("".join(self._pieces) + delta)[-2:]]
        elif self.kind not in TEXT_KINDS:
            self._pieces.append(delta)

    def line(self, *, ended: bool = True) -> str | None:
        """Returns what is said of it when it ends, or broke off; None for a text."""
        said = "".join(self._pieces)
        match self.kind:
            case "tool_call":
                return call(self.name if self.begun else "(its beginning is missing)", said, ended=ended)
            case "tool_result":
                return f"tool result {exact_line(self.name)} {exact_line(said)}"
            case "file":
                size = self._characters // 4 * 3 - said.count("=") if self._characters else None
                return file(self.media_type, size, self.url, whole=ended and self.begun)
        return None


def call(name: str, arguments: str, error: str = "", *, ended: bool = True) -> str:
    """Returns a tool call. The arguments are the JSON text as the model wrote it."""
    flaw = error or ("" if ended else "not complete")
    return f"tool call {exact_line(name)} {exact_line(arguments)}" + (f" ({exact_line(flaw)})" if flaw else "")


def file(media_type: str, size: int | None, url: str, *, whole: bool = True) -> str:
    """Returns a file, by its media type, its size in bytes, and its address where it was not sent along."""
    sizes = [] if size is None else [f"{size:,} bytes"]
    words = ", ".join([exact_line(media_type) or "of unknown type", *sizes, *([] if whole else ["not complete"])])
    return f"file {words}" + (f": {exact_line(url)}" if url else "")


def annotation(fields: dict[str, Any]) -> str:
    """Returns a citation: title and address where it has them, in any of the providers' shapes, else all of it."""
    flat = {name: value for name, value in fields.items() if isinstance(value, str)}
    for inner in fields.values():
        if isinstance(inner, dict):
            flat = {name: value for name, value in inner.items() if isinstance(value, str)} | flat
    address = flat.get("url") or flat.get("uri")
    if address:
        return " ".join(["source", *([exact_line(flat["title"])] if flat.get("title") else []), exact_line(address)])
    return f"annotation {exact_line(json.dumps(fields, ensure_ascii=False))}"
