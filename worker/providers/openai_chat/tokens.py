"""What a Chat Completions stream says of each token: its logprobs go with the delta that says it."""

from collections.abc import Sequence
from typing import Any

from shared.log.events import Delta, Part, PartKind
from worker.providers.openai_chat.chunk import Choice
from worker.providers.openai_chat.parts import ChatParts
from worker.providers.provider import ProviderEvent
from worker.providers.token_logprobs import give, read_logprobs

_KINDS: dict[str, tuple[PartKind, ...]] = {"content": ("text", "reasoning"), "refusal": ("refusal",)}
"""Lists of `logprobs` (API reference), and the kinds of deltas that may say their tokens, the likeliest first."""

_MAX_WAITING = 1024
"""Tokens without a text that wait for one."""


class Tokens:
    """Gives tokens to their deltas. Those without a text, as half of a character (vLLM), wait for the next text."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[dict[str, Any]]] = {}

    def read(self, choice: Choice, added: Sequence[ProviderEvent]) -> dict[str, Any]:
        """Takes what a choice says of the tokens in the events that it has added; returns what has no place there."""
        tokens = choice.tokens()
        if isinstance(lists := tokens.get("logprobs"), dict):
            del tokens["logprobs"]
            silent = not any(isinstance(event, Delta | Part) for event in added) and not _calls(choice)
            left = {
                name: value
                for name, value in lists.items()
                if value and not self._take(name, value, added, silent=silent)
            }
            if left:
                tokens["logprobs"] = left
        return tokens

    def _take(self, name: str, given: object, added: Sequence[ProviderEvent], *, silent: bool) -> bool:
        entries = read_logprobs(given)
        if entries is None or name not in _KINDS:
            return False
        waiting = self._waiting.get(name, [])
        if give([*waiting, *entries], added, *_KINDS[name]):
            self._waiting.pop(name, None)
            return True
        if not silent or len(waiting) > _MAX_WAITING:
            return False
        self._waiting[name] = [*waiting, *entries]
        return True

    def settle(self, parts: ChatParts) -> dict[str, Any]:
        """Adds what still waits to the open part, as nothing more comes; returns what is of none."""
        left = {
            name: entries
            for name, entries in self._waiting.items()
            if not any(parts.weigh(kind, entries) for kind in _KINDS[name])
        }
        self._waiting.clear()
        return {"logprobs": left} if left else {}


def _calls(choice: Choice) -> bool:
    """Says whether a choice has some of a call, which may be held until more of it has come."""
    said = (choice.delta, choice.message)
    return any(one is not None and bool(one.tool_calls or one.function_call) for one in said)
