"""Blocks of thinking that come back, as the reasoning that they were, and the signatures that travelled in them."""

from typing import Any

from api.dialects.anthropic_messages.checks import a_text, only
from api.dialects.anthropic_messages.sealed import NOBODY, Opened, unseal

_ORIGIN = "anthropic"
"""Whose a signature is that nobody wrapped: the protocol's own, as adapters name it (worker/providers/anthropic)."""


class Thoughts:
    """The reasoning of one earlier answer. `same`: the provider that is asked speaks Messages."""

    def __init__(self, same: bool) -> None:
        self.reasoning: list[dict[str, Any]] = []
        self.places: list[str] = []
        self._same = same

    def take(
        self, at: int, block: dict[str, Any], pointer: str, texts: list[dict[str, Any]], calls: list[dict[str, Any]]
    ) -> None:
        """Takes a block at its place; a signature of the text or the call before it goes there. Raises ProblemError."""
        if block["type"] == "thinking":
            only(block, ("type", "thinking", "signature", "cache_control"), pointer)
            text = a_text(block, "thinking", pointer)
            opened = unseal(block.get("signature") or "", "signature")
        else:
            only(block, ("type", "data", "cache_control"), pointer)
            text, opened = "", unseal(a_text(block, "data", pointer), "encrypted")
        provider, sealed = self._owned(opened)
        if sealed.of == "call" and provider and calls:
            calls[-1] |= {"signature": sealed.signature, "provider": provider}
            return
        place = texts[-1]["part"] if sealed.of == "text" and texts else at
        fields = {"text": text, "item_id": sealed.item_id}
        if provider is not None:
            fields |= {"signature": sealed.signature, "encrypted": sealed.encrypted, "provider": provider}
        thought: dict[str, Any] = {name: value for name, value in fields.items() if value}
        if not thought.keys() & {"text", "signature", "encrypted"}:
            return
        if sealed.summary is not None:
            thought["summary"] = sealed.summary
        self.reasoning.append(thought | {"part": place})
        self.places.append(pointer)

    def _owned(self, opened: Opened) -> Opened:
        """Returns whose it is, None where it is of no use to anybody."""
        provider, sealed = opened
        if provider is None:
            provider = _ORIGIN if self._same and sealed.is_anything else None
        return Opened(None if provider == NOBODY or not sealed.is_anything else provider, sealed)
