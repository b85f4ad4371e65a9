"""Token counts of Anthropic Messages (API reference: "Streaming messages"; "Prompt caching")."""

from typing import Any

from msgspec import Struct, to_builtins

from shared.log.events import Usage
from worker.providers.token_counts import read_counts


class _Output(Struct, gc=False):
    thinking_tokens: int | None = None


class _Creation(Struct, gc=False):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _Usage(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _Creation | None = None
    output_tokens_details: _Output | None = None


class Counted:
    """What an answer was counted to be: cumulative, and a count that is missing has not changed."""

    def __init__(self) -> None:
        self._known = _Usage()
        self._rest: dict[str, Any] = {}
        self._possible = True

    def add(self, counted: Any) -> Usage | None:
        """Returns the latest counts; None once one was impossible, as later ones leave out what has not changed."""
        latest = read_counts(counted, _Usage)
        if latest is None or not self._possible:
            self._possible = False
            return None
        known = self._known
        for field in _Usage.__struct_fields__:
            if (value := getattr(latest, field)) is not None:
                setattr(known, field, value)
        self._rest |= {field: value for field, value in counted.items() if field not in _Usage.__struct_fields__}
        creation, cached = known.cache_creation or _Creation(), known.cache_read_input_tokens or 0
        written = known.cache_creation_input_tokens
        if written is None:
            written = (creation.ephemeral_5m_input_tokens or 0) + (creation.ephemeral_1h_input_tokens or 0)
        return Usage(
            # Unlike ours, the protocol's count leaves out what was read from the cache or written to it.
            input_tokens=(known.input_tokens or 0) + cached + written,
            output_tokens=known.output_tokens or 0,
            cached_tokens=cached,
            cache_write_tokens=written,
            reasoning_tokens=(known.output_tokens_details or _Output()).thinking_tokens or 0,
        )

    def unmapped(self) -> dict[str, Any]:
        """Returns what was counted beside tokens (uses of server tools), and what went into the dearer cache of 1 h.

        How it was served (tier, place, speed) is not part of the answer; those are the fields whose value is a single
        word.
        """
        rest = {field: value for field, value in self._rest.items() if _says(value)}
        creation = self._known.cache_creation
        if creation is not None and creation.ephemeral_1h_input_tokens:
            rest["cache_creation"] = to_builtins(creation)
        return rest


def _says(value: Any) -> bool:
    return any(value.values()) if isinstance(value, dict) else bool(value) and not isinstance(value, str)
