"""What a script says to a request, as deltas; how they look on the wire is the protocols' matter."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from random import Random
from typing import Final, Literal, NamedTuple

from simulator import demo
from simulator.request import Request
from simulator.script import Script
from simulator.texts import chunks, evenly, prose, prose_of_bytes, split_surrogates, words
from simulator.tool_call import DEFAULT_TOOLS, arguments_for, tool_for

Kind = Literal["text", "reasoning", "refusal", "tool_call"]
Finish = Literal["stop", "length", "tool_calls", "refusal"]

DEFAULT_DELTAS: Final = {"lorem": 100, "reasoning": 60, "tools": 24, "refusal": 12, "clock": 100}
DEFAULT_CHUNK: Final = 4


class AnswerDelta(NamedTuple):
    """One fragment. Text None stands for the time at which it is written; `call` is a tool call's index."""

    kind: Kind
    text: str | None
    call: int = 0


class ScriptedCall(NamedTuple):
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    deltas: Sequence[AnswerDelta]
    calls: tuple[ScriptedCall, ...]
    finish: Finish
    signature: str
    """Opaque proof of the reasoning, as Messages carries it."""
    cached_tokens: int
    extras: bool = False

    def text(self, kind: Kind, call: int = 0) -> str:
        """Everything that the deltas of one kind (and tool call) say together."""
        return "".join(d.text or "" for d in self.deltas if d.kind == kind and d.call == call)


def compose(script: Script, request: Request, *, interleave: bool, fragments: bool = True) -> Answer:
    """The answer of `script` to `request`; the whole one where the request has a prefix.

    Without `fragments` a tool call is one delta; with them, those of parallel calls alternate if `interleave`.
    """
    random = Random(script.seed)
    signature = f"{random.getrandbits(512):0128x}"
    calls: tuple[ScriptedCall, ...] = ()
    finish: Finish = "stop"
    deltas: Sequence[AnswerDelta]
    if script.name == "echo":
        deltas = [AnswerDelta("text", piece) for piece in _echo(script, request.last_user)]
    elif script.name == "tools":
        names = (*request.tools, *request.tools)[:2] or DEFAULT_TOOLS
        calls = tuple(ScriptedCall(f"{random.getrandbits(96):024x}", name) for name in names)
        deltas = _tools(script, interleave, fragments)
        finish = "tool_calls"
    elif script.name == "demo" and (tool := tool_for(request)) is not None:
        # Two calls in one conversation need two ids, and the same request the same: it is longer the second time.
        calls = (ScriptedCall(f"{Random(f'{script.seed} {request.prompt_tokens}').getrandbits(96):024x}", tool),)
        deltas = _call(tool, fragments)
        finish = "tool_calls"
    elif script.name == "demo":
        deltas = _demo(script, request)
    else:
        deltas = _spoken(script)
        finish = "refusal" if script.name == "refusal" else "stop"
    if not request.prefix and request.max_tokens is not None and request.max_tokens < len(deltas):
        deltas, finish = deltas[: request.max_tokens], "length"
    cached = request.prompt_tokens // 4 if script.cached is None else script.cached
    return Answer(deltas, calls, finish, signature, min(cached, request.prompt_tokens), script.extras)


def _count(script: Script) -> int:
    return DEFAULT_DELTAS[script.name] if script.deltas is None else script.deltas


# A benchmark sends one model name thousands of times, and a megabyte takes a tenth of a second to write.
@lru_cache(maxsize=8)
def _spoken(script: Script) -> tuple[AnswerDelta, ...]:
    count = _count(script)
    match script.name:
        case "clock":
            return (AnswerDelta("text", None),) * count
        case "reasoning":
            said = words(script.seed, count)
            thought = [AnswerDelta("reasoning", word) for word in said[: count // 3]]
            return (*thought, *(AnswerDelta("text", word) for word in said[count // 3 :]))
        case "refusal":
            return tuple(AnswerDelta("refusal", word) for word in words(script.seed, count))
        case _:
            return tuple(AnswerDelta("text", piece) for piece in _lorem(script))


def _lorem(script: Script) -> list[str]:
    seed, unicode = script.seed, script.unicode
    if script.bytes is not None:
        text = prose_of_bytes(seed, script.bytes, unicode=unicode)
        count = script.deltas
        pieces = chunks(text, script.chunk or DEFAULT_CHUNK) if count is None else evenly(text, count)
    elif script.chunk is not None:
        pieces = chunks(prose(seed, script.chunk * _count(script), unicode=unicode), script.chunk)
    else:
        pieces = words(seed, _count(script), unicode=unicode)
    return split_surrogates(pieces) if script.surrogates else pieces


def _echo(script: Script, text: str) -> list[str]:
    if script.deltas and script.chunk is None:
        return evenly(text, script.deltas)
    return chunks(text, script.chunk or DEFAULT_CHUNK)[: script.deltas]


def _demo(script: Script, request: Request) -> list[AnswerDelta]:
    return _readable(*demo.answer(request, script.seed))[: script.deltas]


def _call(tool: str, fragmented: bool) -> list[AnswerDelta]:
    """A tool call after a sentence. It is never cut by the script, as half of it would be no JSON."""
    arguments = arguments_for(tool)
    fragments = demo.pieces(arguments) if fragmented else [arguments]
    return [*_readable(*demo.call()), *(AnswerDelta("tool_call", piece) for piece in fragments)]


def _readable(thought: Sequence[str], said: Sequence[str]) -> list[AnswerDelta]:
    return [*(AnswerDelta("reasoning", piece) for piece in thought), *(AnswerDelta("text", piece) for piece in said)]


def _tools(script: Script, interleave: bool, fragmented: bool) -> list[AnswerDelta]:
    count = _count(script)
    fragments = max(1, min(count // 4, 8)) if fragmented else 1
    arguments = []
    for call in (0, 1):
        word, place = words(script.seed + call + 1, 2)
        text = json.dumps({"query": word.strip(), "place": f"{place} \u65e5\u672c", "limit": call + 3})
        arguments.append([AnswerDelta("tool_call", piece, call) for piece in evenly(text, fragments)])
    ordered = zip(*arguments, strict=True) if interleave else arguments
    said = [AnswerDelta("text", word) for word in words(script.seed, count - 2 * fragments)]
    return said + list(chain.from_iterable(ordered))
