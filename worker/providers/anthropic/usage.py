"""Token counts of Anthropic Messages (API reference: "Streaming messages"; "Prompt caching")."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from shared.log.events import Usage
from worker.providers.token_counts import read_calls, read_counts

MAX_TIER_CHARS = 256
"""Characters of what a tier is called."""


class _Output(Struct, gc=False):
    thinking_tokens: int | None = None


class _Creation(Struct, gc=False):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None

    @property
    def written(self) -> int:
        """All of it."""
        return (self.ephemeral_5m_input_tokens or 0) + (self.ephemeral_1h_input_tokens or 0)


class _Usage(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _Creation | None = None
    output_tokens_details: _Output | None = None


def tier_of(counted: object) -> str | UnsetType:
    """Returns the tier that served an answer, which stands among its counts; UNSET where they do not say it."""
    tier = counted.get("service_tier") if isinstance(counted, dict) else None
    return tier if isinstance(tier, str) and 0 < len(tier) <= MAX_TIER_CHARS else UNSET


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
        calls = read_calls(self._rest.get("server_tool_use"))
        creation, cached = known.cache_creation or _Creation(), known.cache_read_input_tokens or 0
        written = known.cache_creation_input_tokens
        if written is None:
            written = creation.written
        of_written = 0 < creation.written <= written
        return Usage(
            # Unlike ours, the protocol's count leaves out what was read from the cache or written to it.
            input_tokens=(known.input_tokens or 0) + cached + written,
            output_tokens=known.output_tokens or 0,
            cached_tokens=cached,
            cache_write_tokens=written,
            reasoning_tokens=(known.output_tokens_details or _Output()).thinking_tokens or 0,
            cache_write_5m_tokens=(creation.ephemeral_5m_input_tokens or 0) if of_written else UNSET,
            cache_write_1h_tokens=(creation.ephemeral_1h_input_tokens or 0) if of_written else UNSET,
            server_tool_calls=calls or UNSET,
        )

    def unmapped(self) -> dict[str, Any]:
        """Returns what was counted and has no place in our counts.

        How it was served (place, speed) is not part of the answer; those are the fields whose value is a single word.
        """
        rest = {field: value for field, value in self._rest.items() if _says(value)}
        used = rest.get("server_tool_use")
        if isinstance(used, dict) and read_calls(used) == {name: count for name, count in used.items() if count}:
            del rest["server_tool_use"]
        return rest


def _says(value: Any) -> bool:
    return any(value.values()) if isinstance(value, dict) else bool(value) and not isinstance(value, str)
