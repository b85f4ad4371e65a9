"""The arguments of one tool call, which come in pieces: valid JSON once, whatever stands before it or comes again."""

import json
import re
from typing import Any

from worker.providers.finish_reasons import is_json

_EMPTY = re.compile(r'\s*(?:(?:\{\s*\}|null|"")\s*)*')
"""What endpoints say for no arguments. Bedrock begins with `{}` and then says the real ones."""

_OUTSIDE = re.compile(r'["{}\[\]]')
_QUOTED = re.compile(r'["\\]')
_decoder = json.JSONDecoder(strict=False)


class Arguments:
    """What was said of them, and what is held back: an empty value that others may follow, or what may be a repetition.

    Fragments of the value itself are never held back.
    """

    def __init__(self) -> None:
        self.whole = False
        """The value is complete; what comes now repeats it or is none of it."""
        self._said: list[str] = []
        self._held = ""
        self._end = _End()

    @property
    def said(self) -> str:
        """What was said of the value."""
        return "".join(self._said)

    @property
    def holds(self) -> bool:
        """Says whether anything is held back."""
        return bool(self._held)

    def feed(self, text: str) -> str:
        """Returns what of the arguments can be said with this fragment."""
        if self.whole:
            return self._follow(text)
        if not self._said:
            text = self._begin(text)
        if not text:
            return ""
        end = self._end.of(text)
        if end is None:
            self._said.append(text)
            return text
        self.whole = True
        self._said.append(text[:end])
        return text[:end] + self._follow(text[end:])

    def close(self) -> str:
        """Returns what is still to be said at the end."""
        held, self._held = self._held, ""
        if not self._said:
            value = "{}" if "{" in held else held.split()[0] if held.strip() else ""
        else:
            value = "" if _is_empty(held) or self.repeats(held) else held
        if value:
            self._said.append(value)
        return value

    def are_valid(self) -> bool:
        """Says whether what was said is JSON, or nothing."""
        return is_json(self.said)

    def repeats(self, text: str) -> bool:
        """Says whether a text has these arguments once more, or begins to."""
        said = self.said.strip()
        return said.startswith(text.strip()) or _value(text) == (_value(said) or _UNREADABLE)

    def _begin(self, text: str) -> str:
        """Returns the beginning of the value; "" where all that came may still stand before it."""
        text, self._held = self._held + text, ""
        empty = _EMPTY.match(text)
        assert empty is not None
        rest = text[empty.end() :]
        if not rest:
            self._held = text
            return ""
        return rest if empty[0].strip() and rest[0] in "{[" else text

    def _follow(self, text: str) -> str:
        """Returns what of a text behind the value is no repetition of it."""
        self._held += text
        said = self.said.strip()
        while held := self._held.strip():
            if said.startswith(held):
                if said == held:
                    self._held = ""
                return ""
            if _is_empty(held) or "null".startswith(held):
                return ""
            if held[0] == said[0] and held[-1] != said[-1]:
                # It may be the same in another spacing.
                return ""
            try:
                value, end = _decoder.raw_decode(held)
            except (ValueError, RecursionError):
                if held[0] == said[0]:
                    return ""
                break
            if value not in ({}, None, "") and value != _value(said):
                break
            self._held = held[end:]
        more, self._held = self._held, ""
        if not more.strip():
            return ""
        self._said.append(more)
        return more


class _End:
    """Finds where a JSON value ends, without reading it twice. Numbers and words have no end of their own."""

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def of(self, text: str) -> int | None:
        """Returns where in this fragment the value ends; None where it goes on."""
        place = 1 if self._escaped and text else 0
        self._escaped = self._escaped and not text
        while found := (_QUOTED if self._quoted else _OUTSIDE).search(text, place):
            place = found.end()
            match found[0]:
                case "\\":
                    self._escaped = place == len(text)
                    place += 1
                case '"':
                    self._quoted = not self._quoted
                    if not self._quoted and not self._depth:
                        return place
                case "{" | "[":
                    self._depth += 1
                case _:
                    self._depth -= 1
                    if self._depth <= 0:
                        return place
        return None


_UNREADABLE = object()


def _value(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _is_empty(text: str) -> bool:
    return _EMPTY.fullmatch(text) is not None
