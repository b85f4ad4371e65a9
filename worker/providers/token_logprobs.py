"""Log probabilities of an answer's tokens, which all protocols bring into OpenAI Chat's shape.

That is `ChatCompletionTokenLogprob` of its API reference: `token`, `logprob`, `bytes` and `top_logprobs`.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from shared.log.events import Delta, PartKind
from worker.providers.provider import ProviderEvent


def read_logprobs(given: object) -> list[dict[str, Any]] | None:
    """Returns a list of tokens in that shape; None where it is no list of such, or empty.

    Responses has no `bytes` for most: null stands for what is not known.
    """
    if not isinstance(given, list) or not given:
        return None
    entries = [entry for one in given if (entry := _entry(one)) is not None]
    return entries if len(entries) == len(given) else None


def _entry(given: object) -> dict[str, Any] | None:
    if (entry := _token(given)) is None:
        return None
    assert isinstance(given, dict)
    top = given.get("top_logprobs")
    others = [_token(one) for one in top] if isinstance(top, list) else []
    return entry | {"top_logprobs": [one for one in others if one is not None]}


def _token(given: object) -> dict[str, Any] | None:
    match given:
        case {"token": str(token), "logprob": int() | float() as logprob, **rest} if not isinstance(logprob, bool):
            said = rest.get("bytes")
            known = isinstance(said, list) and all(isinstance(one, int) for one in said)
            return {"token": token, "logprob": logprob, "bytes": said if known else None}
    return None


def give(logprobs: list[dict[str, Any]], events: Sequence[ProviderEvent], *kinds: PartKind) -> bool:
    """Gives the tokens to the delta that says them: the only one of the first of these kinds that any delta has.

    Returns False where there is none, or several, as nobody says which of them has which token.
    """
    for kind in kinds:
        deltas = [event for event in events if isinstance(event, Delta) and event.kind == kind]
        if deltas:
            if len(deltas) > 1 or deltas[0].logprobs is not UNSET:
                return False
            deltas[0].logprobs = logprobs
            return True
    return False
