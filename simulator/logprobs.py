"""Logprobs of what is said: each delta is one token, and the same text has the same logprob each time."""

from typing import Any, Final

MAX_ALTERNATIVES: Final = 20


def alternatives(wanted: object, top: object) -> int | None:
    """How many alternatives a request wants for each token, 0 at least; None where it wants no logprobs."""
    if wanted is not True:
        return None
    return max(0, min(top, MAX_ALTERNATIVES)) if isinstance(top, int) else 0


def logprob(text: str) -> float:
    """Of the token itself."""
    return -(sum(text.encode("utf-8", "replace")) % 64) / 32


def chat_entry(text: str, top: int) -> dict[str, Any]:
    """One token, as OpenAI's protocols have it. The likeliest alternative is the token itself."""
    others = [_token(text + "'" * n, logprob(text) - n) for n in range(top)]
    return {**_token(text, logprob(text)), "top_logprobs": others}


def _token(text: str, value: float) -> dict[str, Any]:
    return {"token": text, "logprob": value, "bytes": list(text.encode("utf-8", "replace"))}


def gemini_result(text: str, top: int) -> dict[str, Any]:
    """The same, as Gemini has it."""
    entry = chat_entry(text, top)
    result: dict[str, Any] = {"chosenCandidates": [_candidate(entry)]}
    if top:
        result["topCandidates"] = [{"candidates": [_candidate(one) for one in entry["top_logprobs"]]}]
    return result


def _candidate(entry: dict[str, Any]) -> dict[str, Any]:
    # Its JSON leaves out what is zero.
    value = {"logProbability": entry["logprob"]} if entry["logprob"] else {}
    return {"token": entry["token"], "tokenId": sum(entry["bytes"]), **value}
