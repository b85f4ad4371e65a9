"""A tool call's input as it grows: whatever a model wrote, what is sent is the beginning of one JSON object.

SDKs parse it at each delta, and some raise for what is no JSON, for white space alone as well. Control characters
within a string are escaped, as they are the usual mistake; from any other mistake on nothing is sent, and the object
ends with the whole text as `INVALID_JSON`, which is Anthropic's word for that (platform.claude.com: "Fine-grained tool
streaming").
"""

import json
import math
import re

from shared.request.call_arguments import arguments_of
from shared.request.limits import MAX_DEPTH

INVALID = "INVALID_JSON"

_PLAIN = re.compile(r'[^"\\\x00-\x1f]+')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_HALF_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_HALF_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?")
_SPACE = re.compile(r"[ \t\r\n]+")
_ATOM = re.compile(r"[-+.0-9a-zA-Z]+")
_VALUE = re.compile(r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)|true|false|null")


class CallInput:
    """The input of one call so far."""

    def __init__(self) -> None:
        self._stack: list[str] = []
        """The brackets that are open."""
        self._after = "start"
        """What the text so far ends with: start, open, key, value, string or end; `key` is one without its value."""
        self._in_key = False
        """Whether the open string is a name."""
        self._late = ""
        """A comma or a colon, with white space, which is sent with what follows it."""
        self._rest = ""
        """What cannot be read before more comes: half of an escape, or a number that may go on."""
        self._broken = False
        self._empty = False
        """The whole object has no members."""
        self._all: list[str] = []

    def feed(self, text: str) -> str:
        """Returns what can be sent now that this came."""
        self._all.append(text)
        if self._broken:
            return ""
        if self._after == "string" and not self._rest and _PLAIN.fullmatch(text):
            return text
        text = self._rest + text
        self._rest = ""
        sent: list[str] = []
        at = 0
        while at < len(text) and not self._broken:
            read = self._string if self._after == "string" else self._token
            at = read(text, at, sent)
        return "".join(sent)

    def close(self) -> str:
        """Returns what is still to be sent, as no more comes; nothing where there was no input."""
        whole = "".join(self._all)
        if self._after == "end" and not self._broken:
            return "}"
        if not self._stack and arguments_of(whole) == {}:
            return ""
        said = "{" if not self._stack else ""
        if self._after == "string":
            said += '"'
        if self._after == "key" or (self._after == "string" and self._in_key):
            said += ":null"
        said += "".join("]" if bracket == "[" else "}" for bracket in reversed(self._stack[1:]))
        empty = self._empty or not self._stack or (len(self._stack) == 1 and self._after == "open")
        return f"{said}{'' if empty else ','}{json.dumps(INVALID)}:{json.dumps(whole, ensure_ascii=False)}}}"

    def _string(self, text: str, at: int, sent: list[str]) -> int:
        """Reads on in a string; returns where."""
        if plain := _PLAIN.match(text, at):
            sent.append(plain[0])
            return plain.end()
        char = text[at]
        if char == '"':
            sent.append(char)
            self._after = "key" if self._in_key else "value"
            return at + 1
        if char != "\\":
            sent.append(json.dumps(char)[1:-1])
            return at + 1
        return self._escape(text, at, sent)

    def _escape(self, text: str, at: int, sent: list[str]) -> int:
        escape = _ESCAPE.match(text, at)
        if escape is None:
            self._broken = _HALF_ESCAPE.fullmatch(text, at) is None
            return self._wait(text, at)
        if not _SURROGATE.match(escape[0]):
            sent.append(escape[0])
            return escape.end()
        if pair := _PAIR.match(text, at):
            sent.append(pair[0])
            return pair.end()
        if _HALF_PAIR.fullmatch(text, at):
            return self._wait(text, at)
        # Half of a surrogate pair is no character.
        sent.append("\\ufffd")
        return escape.end()

    def _wait(self, text: str, at: int) -> int:
        """Keeps the rest until more of it comes."""
        self._rest = text[at:]
        return len(text)

    def _token(self, text: str, at: int, sent: list[str]) -> int:
        """Reads what stands between strings; returns where it ends."""
        if space := _SPACE.match(text, at):
            if self._stack and self._after != "end":
                self._late += space[0]
            return space.end()
        char = text[at]
        if atom := _ATOM.match(text, at):
            return self._atom(atom, text, sent)
        if char in ",:":
            self._late += char
            self._broken = not self._may_separate(char)
        elif char in "}]":
            self._close_bracket(char, sent)
        elif char in '{["' and self._may_begin(char):
            self._begin(char, sent)
        else:
            self._broken = True
        return at + 1

    def _atom(self, atom: re.Match[str], text: str, sent: list[str]) -> int:
        """Reads a number or a word, once it is known where it ends."""
        if atom.end() == len(text):
            return self._wait(text, atom.start())
        value = _VALUE.fullmatch(atom[0])
        if value is None or not math.isfinite(float(value[1] or 0)) or not self._may_begin():
            self._broken = True
            return len(text)
        self._send(atom[0], sent)
        self._after = "value"
        return atom.end()

    def _may_separate(self, char: str) -> bool:
        """Says whether a comma or a colon may stand here, which is in `_late` already."""
        if self._late.strip() != char:
            return False
        return self._after == ("key" if char == ":" else "value")

    def _may_begin(self, char: str = "") -> bool:
        """Says whether a value, or a name, may stand here that begins so."""
        separator = self._late.strip()
        if self._after == "start":
            return char == "{"
        if self._after == "end" or (char in ("[", "{") and len(self._stack) == MAX_DEPTH):
            return False
        if self._after == "key":
            return separator == ":"
        if self._after == "value" and separator != ",":
            return False
        return char == '"' or self._stack[-1] == "["

    def _begin(self, char: str, sent: list[str]) -> None:
        if char == '"':
            self._in_key = self._stack[-1] == "{" and self._after != "key"
            self._send(char, sent)
            self._after = "string"
        else:
            self._send(char, sent)
            self._stack.append(char)
            self._after = "open"

    def _close_bracket(self, char: str, sent: list[str]) -> None:
        fits = bool(self._stack) and self._stack[-1] == ("{" if char == "}" else "[")
        if not fits or self._late.strip() or self._after not in ("open", "value"):
            self._broken = True
        elif len(self._stack) == 1:
            # The last one is sent at the end: what follows it would make it wrong.
            self._send("", sent)
            self._empty, self._after = self._after == "open", "end"
        else:
            self._send(char, sent)
            self._stack.pop()
            self._after = "value"

    def _send(self, text: str, sent: list[str]) -> None:
        sent.append(self._late + text)
        self._late = ""


def input_of(text: str) -> str:
    """Returns the JSON object that is sent of a whole text; empty where there was no input."""
    call = CallInput()
    return call.feed(text) + call.close()
