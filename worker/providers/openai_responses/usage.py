"""Token counts of Responses (API reference: `ResponseUsage`), also of gateways that count as Chat does."""

from typing import Any

from msgspec import UNSET, Struct

from shared.log.events import Usage
from worker.providers.token_counts import read_counts


class _InputDetails(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None


class _OutputDetails(Struct, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _Counts(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def read_usage(counted: object) -> Usage | None:
    """Returns token counts, which gateways may name as Chat does; None where there are none.

    Cached tokens are within the input, reasoning within the output, unless the total says otherwise.
    """
    counts = None if counted is None else read_counts(counted, _Counts)
    if counts is None:
        return None
    asked, answered = counts.input_tokens_details or _InputDetails(), counts.output_tokens_details or _OutputDetails()
    given = counts.input_tokens or counts.prompt_tokens or 0
    output, reasoning = counts.output_tokens or counts.completion_tokens or 0, answered.reasoning_tokens or 0
    if reasoning and counts.total_tokens == given + output + reasoning:
        output += reasoning
    return Usage(
        input_tokens=given,
        output_tokens=output,
        cached_tokens=asked.cached_tokens or 0,
        cache_write_tokens=asked.cache_write_tokens or 0,
        reasoning_tokens=reasoning,
        audio_input_tokens=asked.audio_tokens or UNSET,
        audio_output_tokens=answered.audio_tokens or UNSET,
    )


def unmapped_counts(counted: object) -> dict[str, Any]:
    """Returns what was counted and has no place in our counts."""
    if not isinstance(counted, dict):
        return {}
    nested = {
        **{field: counted.get(field) for field in counted if field not in _Counts.__struct_fields__},
        **_beyond(counted, "input_tokens_details", _InputDetails),
        **_beyond(counted, "output_tokens_details", _OutputDetails),
    }
    return {field: value for field, value in nested.items() if says(value)}


def _beyond(counted: dict[str, Any], field: str, known: type[Struct]) -> dict[str, Any]:
    details = counted.get(field)
    if not isinstance(details, dict):
        return {}
    more = {name: value for name, value in details.items() if name not in known.__struct_fields__}
    return {field: more} if more else {}


def says(value: Any) -> bool:
    """Says whether there is anything in it: zeros, and objects of zeros, say nothing."""
    return any(says(item) for item in value.values()) if isinstance(value, dict) else bool(value)
