"""The input of one tool call: fragments of JSON text, and what some endpoints say twice of it said once."""

import json
import re
from typing import Any

_PLACEHOLDER = re.compile(r"\A\s*\{\s*\}\s*(?=\{)")


class CallInput:
    """What a call has grown by.

    Endpoints begin with `{}` as a placeholder, or say the whole input once more at the end, or in the block's start and
    again in deltas: valid JSON would become invalid.
    """

    def __init__(self, given: Any) -> None:
        self._given = input_text(given)
        """The input in the block's start, for use where no delta says it."""
        self._pieces: list[str] = []
        self._head = ""
        """The beginning, as long as it may be a placeholder."""
        self._again = ""
        """What came after the whole input."""

    def give(self, given: Any) -> None:
        """Takes the input of a start that came again."""
        if (text := input_text(given)) != "{}":
            self._given = text

    def add(self, fragment: Any) -> str:
        """Takes the next fragment in, a text or a whole value; returns what can be said by now."""
        text = fragment if isinstance(fragment, str) else json.dumps(fragment, ensure_ascii=False)
        if self._again:
            self._again += text
            return ""
        if not self._pieces:
            self._head += text
            if self._head.strip() in ("", "{", "{}"):
                return ""
            text, self._head = _PLACEHOLDER.sub("", self._head, count=1), ""
        elif "{" in text and self._is_again(text):
            self._again = text
            return ""
        self._pieces.append(text)
        return text

    def _is_again(self, text: str) -> bool:
        """Says whether a new value begins, which no JSON has directly after a `}` but within a string."""
        if not (text.lstrip().startswith("{") and self._pieces[-1].rstrip().endswith("}")):
            return False
        return self.is_whole

    def rest(self) -> str:
        """Returns what is left to say at the end."""
        if not self._pieces:
            return self._given if self._head.strip() in ("", "{}") else self._head
        return self._again if self.is_mixed else ""

    @property
    def is_mixed(self) -> bool:
        """Says whether something else came after the whole input, which then is no JSON."""
        said = self.so_far
        return not said.startswith(self._again) and _value(said) != _value(self._again)

    @property
    def so_far(self) -> str:
        """What could be said so far."""
        return "".join(self._pieces)

    @property
    def text(self) -> str:
        """The whole text, if this is the end."""
        return self.so_far + self.rest()

    @property
    def is_whole(self) -> bool:
        """Says whether the fragments so far are a whole value."""
        return _value(self.so_far) is not None


def input_text(given: Any) -> str:
    """Returns the JSON text of an input that came as a value; some endpoints send that text itself."""
    if isinstance(given, str) and _value(given) is not None:
        return given
    return json.dumps(given or {}, ensure_ascii=False)


def _value(text: str) -> Any:
    """Returns the object that a JSON text is; None where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
