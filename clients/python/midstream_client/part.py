"""One part of an answer, and what it has grown to."""

import json
from typing import Any

from midstream_client.event import PartKind

_GIVEN = ("call_id", "name", "item_id", "executor", "summary", "media_type", "url", "is_error", "result_type")
_SEALED = ("signature", "encrypted", "provider")
_MADE = ("kind", "text", "arguments", "arguments_text", "arguments_error", "data", "size", "complete", "part")


class Part:
    """One part so far; `fields` has the shape of the snapshot's `parts` (docs/protocol.md, The snapshot)."""

    def __init__(self, kind: PartKind, place: int | None = None) -> None:
        self.kind = kind
        self.place = place
        """Its `part` in the newest attempt; None where that has not named it so far."""
        self.complete = False
        self._pieces: list[str] = []
        self._given: dict[str, Any] = {}

    @classmethod
    def of_snapshot(cls, fields: dict[str, Any]) -> "Part":
        """Returns the part that an entry of a snapshot's `parts` is."""
        part = cls(fields.get("kind", "text"), fields.get("part"))
        part.complete = fields.get("complete") is True
        if fields.get("arguments") is not None:
            part._pieces = [json.dumps(fields["arguments"], ensure_ascii=False)]
        else:
            part._pieces = [fields.get("text") or fields.get("arguments_text") or fields.get("data") or ""]
        part._given = {name: value for name, value in fields.items() if name not in _MADE and value is not None}
        return part

    @property
    def text(self) -> str:
        """What it says; of a tool call the JSON of its arguments, of a file its content in Base64."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    @property
    def item_id(self) -> str | None:
        """The provider's own id of it."""
        return self._given.get("item_id")

    def describe(self, data: dict[str, Any]) -> None:
        """Takes what the event `part` says of it."""
        self._take(data, _GIVEN)

    def grow(self, data: dict[str, Any]) -> None:
        """Takes a `delta`."""
        self._pieces.append(data.get("delta") or "")
        if isinstance(logprobs := data.get("logprobs"), list):
            self._given.setdefault("logprobs", []).extend(logprobs)

    def annotate(self, data: dict[str, Any]) -> None:
        """Takes an `annotation`."""
        self._given.setdefault("annotations", []).append(data["fields"])
        if data.get("protocol"):
            self._given["annotation_protocol"] = data["protocol"]

    def end(self, data: dict[str, Any]) -> None:
        """Takes its `part_end`."""
        self.complete = True
        self._take(data, _SEALED)

    def _take(self, data: dict[str, Any], names: tuple[str, ...]) -> None:
        self._given |= {name: data[name] for name in names if data.get(name) is not None}

    def fields(self, *, over: bool) -> dict[str, Any]:
        """Returns what it is so far; with `over`, what has not ended yet never will."""
        made: dict[str, Any] = {
            "kind": self.kind,
            "text": None,
            "call_id": None,
            "name": None,
            "arguments": None,
            "complete": self.complete,
        }
        if not over:
            made["part"] = self.place
        text = self.text
        if self.kind == "tool_call":
            made |= _arguments(text, complete=self.complete, over=over)
        elif self.kind == "file":
            # Every four characters are three bytes, but for what `=` fills up.
            made |= {"data": text, "size": len(text) // 4 * 3 - text[-2:].count("=")} if text else {}
        else:
            made["text"] = text
        return made | self._given


def _arguments(text: str, *, complete: bool, over: bool) -> dict[str, Any]:
    """Returns a tool call's arguments. No text at all is how some providers say that there are none."""
    if not complete:
        return {"arguments_text": text} | ({"arguments_error": "broke off before its end"} if over else {})
    try:
        return {"arguments": json.loads(text or "{}", parse_constant=_refuse)}
    except (ValueError, RecursionError):
        return {"arguments_text": text, "arguments_error": "is not JSON"}


def _refuse(name: str) -> None:
    # RFC 8259 has no NaN and no Infinity.
    raise ValueError(name)
