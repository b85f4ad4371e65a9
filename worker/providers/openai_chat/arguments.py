"""The arguments of one tool call, which come in pieces: valid JSON once, whatever stands before it or comes again."""

import json
import re
from typing import Any

from worker.providers.finish_reasons import is_json

_EMPTY = re.compile(r'\s*(?:(?:\{\s*\}|null|"")\s*)*')
"""What endpoints say for no arguments. Bedrock begins with `{}` and then says the real ones."""

_OUTSIDE = re.compile(r'["{}\[\]]')
_QUOTED = re.compile(r'["\\]')


class Arguments:
    """What was said of them, and what is held back: an empty value that others may follow, or what may be a repetition.

    Fragments of the value itself are never held back.
    """

    def __init__(self) -> None:
        self.whole = False
        """The value is complete; what comes now repeats it or is none of it."""
        self._said: list[str] = []
        self._held: list[str] = []
        self._end = _End()

    @property
    def said(self) -> str:
        """What was said of the value."""
        return "".join(self._said)

    def goes_on(self, text: str) -> bool:
        """Says whether a text can be more of a value that has begun: one within it only where it fits."""
        if self.whole or not self._said:
            return False
        return not text.lstrip().startswith(("{", "[")) or self._end.quoted or self._said[-1].rstrip()[-1:] in ":,["

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
        held = "".join(self._held)
        self._held.clear()
        if self._said and (_is_empty(held) or self.repeats(held)):
            return ""
        if held:
            self._said.append(held)
        return held

    def are_valid(self) -> bool:
        """Says whether what was said is JSON, or nothing."""
        return is_json(self.said)

    def repeats(self, text: str) -> bool:
        """Says whether a text has these arguments once more, or begins to."""
        said = self.said.strip()
        return said.startswith(text.strip()) or _value(text) == (_value(said) or _UNREADABLE)

    def _begin(self, text: str) -> str:
        """Returns the beginning of the value; "" where all that came may still stand before it."""
        text = "".join(self._held) + text
        self._held.clear()
        empty = _EMPTY.match(text)
        assert empty is not None
        rest = text[empty.end() :]
        if rest:
            return rest if empty[0].strip() and rest[0] in "{[" else text
        if value := "{}" if "{" in text else " ".join(text.split()[:1]):
            self._held.append(value)
        return ""

    def _follow(self, text: str) -> str:
        """Returns what of a text behind the value is no repetition of it.

        It is held until its end is there, as the spacing may differ; what cannot be a value is not.
        """
        more = ""
        while text:
            end = self._end.of(text)
            self._held.append(text[:end])
            text = "" if end is None else text[end:]
            if end is None:
                begin = "".join(self._held[:8]).lstrip()[:1]
                if begin and begin not in '{["n':
                    more += self._release()
            elif _is_empty(held := "".join(self._held)) or self.repeats(held):
                self._held.clear()
            else:
                more += self._release()
        return more

    def _release(self) -> str:
        held = "".join(self._held)
        self._held.clear()
        self._said.append(held)
        return held


class _End:
    """Finds where a JSON value ends, without reading it twice; then the next begins.

    Numbers and words have no end of their own.
    """

    def __init__(self) -> None:
        self._depth = 0
        self.quoted = False
        """It is within a text."""
        self._escaped = False

    def of(self, text: str) -> int | None:
        """Returns where in this fragment the value ends; None where it goes on."""
        place = 1 if self._escaped and text else 0
        self._escaped = self._escaped and not text
        while found := (_QUOTED if self.quoted else _OUTSIDE).search(text, place):
            place = found.end()
            match found[0]:
                case "\\":
                    self._escaped = place == len(text)
                    place += 1
                case '"':
                    self.quoted = not self.quoted
                    if not self.quoted and not self._depth:
                        return place
                case "{" | "[":
                    self._depth += 1
                case _:
                    self._depth = max(self._depth - 1, 0)
                    if not self._depth:
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
