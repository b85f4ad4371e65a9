"""Logprobs of a Gemini answer (API reference: `LogprobsResult`), brought into OpenAI Chat's shape."""

from typing import Any


def logprobs_of(result: object) -> list[dict[str, Any]] | None:
    """Returns the tokens that were chosen, each with those that might have been; None where there are none.

    The protocol's JSON leaves out what is zero or empty. It has no bytes, and its numbers of tokens say nothing without
    the model's vocabulary.
    """
    if not isinstance(result, dict):
        return None
    chosen, top = _entries(result.get("chosenCandidates")), result.get("topCandidates")
    if not chosen:
        return None
    others = [_entries(one.get("candidates")) if isinstance(one, dict) else None for one in top or ()]
    others += [None] * (len(chosen) - len(others))
    return [entry | {"top_logprobs": around or []} for entry, around in zip(chosen, others, strict=False)]


def _entries(given: object) -> list[dict[str, Any]] | None:
    """Returns a list of candidates as tokens; None where it is none, or one of them is none."""
    if not isinstance(given, list):
        return None
    entries = []
    for one in given:
        if not isinstance(one, dict):
            return None
        token, logprob = one.get("token") or "", one.get("logProbability") or 0
        if not isinstance(token, str) or not isinstance(logprob, int | float):
            return None
        entries.append({"token": token, "logprob": logprob, "bytes": None})
    return entries
