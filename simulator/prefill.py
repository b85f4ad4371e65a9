"""Going on from the beginning of an answer, which a request has as its last message."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from simulator.answer import Answer, AnswerDelta
from simulator.request import Request, RequestRefusedError, text_of
from simulator.script import Script
from simulator.texts import chunks

ECHO_CHUNK: Final = 7
"""Characters of each delta in which the beginning is repeated."""


def prefix_of(messages: Sequence[dict[str, Any]]) -> str:
    """The text of the last message if it is the assistant's, else nothing."""
    last = messages[-1]
    return text_of(last.get("content")) if last["role"] == "assistant" else ""


def before_prefix(messages: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The messages that the answer follows: all but the one that has its beginning."""
    return messages[:-1] if messages[-1]["role"] == "assistant" else messages


def go_on(answer: Answer, request: Request, script: Script) -> Answer:
    """What follows the request's prefix of a whole answer, as long as the request lets it be.

    Raises `RequestRefusedError` (400) where the script's text does not begin so, or is not known beforehand.
    """
    deltas, finish = _rest(answer.deltas, request.prefix, script.name), answer.finish
    if request.max_tokens is not None and request.max_tokens < len(deltas):
        deltas, finish = deltas[: request.max_tokens], "length"
    if script.echo_prefix:
        deltas = [*(AnswerDelta("text", piece) for piece in chunks(request.prefix, ECHO_CHUNK)), *deltas]
    return replace(answer, deltas=deltas, finish=finish)


def _rest(deltas: Sequence[AnswerDelta], prefix: str, script: str) -> list[AnswerDelta]:
    """The deltas after the prefix; of one that it cuts, the second half. What is not text, it has passed."""
    if any(delta.text is None for delta in deltas):
        raise RequestRefusedError(400, f"messages: '{script}' cannot go on from an assistant message", param="messages")
    # In UTF-16, of which a delta may have half a character.
    texts = [_encoded(delta.text) if delta.kind == "text" else b"" for delta in deltas]
    left = _encoded(prefix)
    if not b"".join(texts).startswith(left):
        raise RequestRefusedError(
            400, f"messages: what '{script}' says does not begin with the last message", param="messages"
        )
    index = 0
    while left:
        if len(left) < len(texts[index]):
            follows = texts[index][len(left) :].decode("utf-16-le", "surrogatepass")
            return [deltas[index]._replace(text=follows), *deltas[index + 1 :]]
        left = left[len(texts[index]) :]
        index += 1
    return list(deltas[index:])


def _encoded(text: str | None) -> bytes:
    return (text or "").encode("utf-16-le", "surrogatepass")
