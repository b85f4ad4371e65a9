"""What `demo` says: a text about Midstream for people who look at a stream, in the pieces in which it comes."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Final
from zlib import crc32

from simulator.request import Request

THOUGHTS: Final = (
    "I am a simulator, and Midstream is the subject that I know. "
    "I say what it is for and how it works, and at the end what to try next."
)
CODE_THOUGHTS: Final = "Code is asked for. I know one program: the one that follows an answer of Midstream."
BEFORE_CALL: Final = "The request asks for a tool. I call one, and leave it to the client to run it."
CALL: Final = "For this I call a tool. A client that has the tool runs it, and sends the result in its next request."
BEFORE_RESULT: Final = "The tool has been run. I say what that means, and call no other."
RESULT: Final = (
    "The tool's result has arrived, and that completes the round: a model calls a **tool**, the client runs it and "
    "sends the result in a new request, and the model goes on from there.\n\n"
    "This simulator does nothing with a result; a real model would use it in its answer."
)

# About as a model's tokens are: a word of up to eight characters with the space before and the sign after it.
_PIECE: Final = re.compile(r"\s*(?:\w{1,8}[.,;:]?|[^\w\s])|\s+")

_TEXT: Final = Path(__file__).with_name("demo.md").read_text("utf-8")
_CODE: Final = Path(__file__).with_name("demo_code.md").read_text("utf-8")
_ASKS_FOR_CODE: Final = re.compile(r"\bwrite\b[^.?!]{0,40}\b(?:code|program)\b", re.IGNORECASE)
# The second section says what the words of the others mean.
_FIRST, _WHY, *_MIDDLE, _LAST = re.split(r"^(?=## )", _TEXT, flags=re.MULTILINE)
_ORDERS: Final = tuple(permutations(_MIDDLE))


def pieces(text: str) -> list[str]:
    """`text` cut into what comes at a time."""
    return _PIECE.findall(text)


def answer(request: Request, seed: int) -> tuple[Sequence[str], Sequence[str]]:
    """The reasoning and the text for a request that gets no tool call; the same for the same prompt and seed."""
    if request.after_tool:
        return _cut(BEFORE_RESULT), _cut(RESULT)
    if _ASKS_FOR_CODE.search(request.last_user):
        return _cut(CODE_THOUGHTS), _cut(_CODE.rstrip())
    # Python's own hash of a text is another one in each process.
    prompt = crc32(request.last_user.encode("utf-8", "surrogatepass"))
    order = _ORDERS[(prompt + seed) % len(_ORDERS)]
    return _cut(THOUGHTS), _cut("".join((_FIRST, _WHY, *order, _LAST)).rstrip())


def call() -> tuple[Sequence[str], Sequence[str]]:
    """The reasoning and the text before a tool call."""
    return _cut(BEFORE_CALL), _cut(CALL)


@cache
def _cut(text: str) -> tuple[str, ...]:
    return tuple(pieces(text))
