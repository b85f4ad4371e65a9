"""Token counts of Chat Completions (API reference: `usage`), also of endpoints that count otherwise."""

from typing import Any

from msgspec import UNSET, Struct

from shared.log.events import Usage
from worker.providers.token_counts import read_counts


class _Details(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    """Sent by LiteLLM."""
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _Counts(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: int | None = None
    """Sent by DeepSeek."""
    prompt_cache_miss_tokens: int | None = None
    cached_tokens: int | None = None
    """Sent by Moonshot, in place of the details."""
    reasoning_tokens: int | None = None
    """Sent by SGLang, in place of the details."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    """Sent by gateways, in place of the names of Chat."""


_NESTED = ("prompt_tokens_details", "completion_tokens_details")


def read(counted: Any) -> tuple[Usage | None, dict[str, Any]]:
    """Returns our counts, and all of it where it says more: a price, or tokens of a kind that we do not tell apart."""
    counts = read_counts(counted, _Counts)
    if counts is None:
        return None, {}
    asked, answered = counts.prompt_tokens_details or _Details(), counts.completion_tokens_details or _Details()
    prompt = _first(counts.prompt_tokens, counts.input_tokens)
    output = _first(counts.completion_tokens, counts.output_tokens)
    reasoning = _first(answered.reasoning_tokens, counts.reasoning_tokens)
    if reasoning and counts.total_tokens == prompt + output + reasoning:
        # xAI and Gemini's compatible endpoint leave reasoning out of the completion.
        output += reasoning
    usage = Usage(
        input_tokens=prompt,
        output_tokens=output,
        cached_tokens=_first(asked.cached_tokens, counts.prompt_cache_hit_tokens, counts.cached_tokens),
        cache_write_tokens=_first(asked.cache_write_tokens, asked.cache_creation_tokens),
        reasoning_tokens=reasoning,
        audio_input_tokens=asked.audio_tokens or UNSET,
        audio_output_tokens=answered.audio_tokens or UNSET,
    )
    return usage, counted if _says_more(counted) else {}


def _first(*counts: int | None) -> int:
    """Returns the first that is said; 0 where none is."""
    return next((count for count in counts if count is not None), 0)


def _says_more(counted: dict[str, Any]) -> bool:
    if any(value for field, value in counted.items() if field not in _Counts.__struct_fields__):
        return True
    nested = [value for field in _NESTED if isinstance(value := counted.get(field), dict)]
    return any(value for part in nested for field, value in part.items() if field not in _Details.__struct_fields__)
