"""What a message says of its parts, in a stream and as an object: the same fields of the same parts.

Reasoning beside the text is what most compatible endpoints call `reasoning_content`; what its maker wants back stands
in OpenRouter's `reasoning_details` (its page "Reasoning Tokens"), images in OpenRouter's `images` ("Image Generation").
openai-python adds up lists by the `index` of their entries, and raises where a second list has none.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from msgspec import UNSET, Raw

from api.dialects.names import name_of
from api.dialects.opaque import wrap
from api.viewing.dialect import Subject
from shared.log.events import FinishReason, PartKind, Usage

FINISH_REASONS: dict[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "paused": "stop",
    "other": "stop",
}
"""Chat has no word for an answer that the provider paused, nor for reasons of its own."""

TEXT_FIELDS: dict[PartKind, str] = {"text": "content", "reasoning": "reasoning_content", "refusal": "refusal"}
"""Fields of a message that grow by texts."""

UNNAMED_MEDIA_TYPE = "application/octet-stream"


class Told(Protocol):
    """A part, as a stream or a snapshot has it."""

    kind: PartKind
    item_id: str | None
    summary: bool | None
    media_type: str | None
    url: str | None
    signature: str | None
    encrypted: str | None
    provider: str | None

    @property
    def text(self) -> str:
        """All of its text."""
        ...


Some = TypeVar("Some", bound=Told)


def logprob_field(part: Told) -> str:
    """Returns the list of logprobs that has those of a part's tokens."""
    return "refusal" if part.kind == "refusal" else "content"


def is_sound(part: Told) -> bool:
    """Says whether a file is sound: Chat's own comes without a media type."""
    if part.kind != "file" or part.url:
        return False
    return part.media_type is None or part.media_type.startswith("audio/")


def sound(subject: Subject, part: Told) -> dict[str, Any]:
    """Returns what is said of sound before it comes (API reference: `audio`): nobody keeps it for a later request.

    What is spoken in it is text of the answer.
    """
    name = part.item_id or name_of("audio_", subject.id)
    return {"id": name, "expires_at": subject.created_ms // 1000, "transcript": ""}


def data_url(part: Told) -> str:
    """Returns how the address of a file begins that is its content (RFC 2397)."""
    return f"data:{part.media_type or UNNAMED_MEDIA_TYPE};base64,"


def image(part: Told, index: int, content: Raw | None = None) -> dict[str, Any]:
    """Returns a file that is no sound, as an image; `content` is the address as JSON, where that is there already."""
    url = part.url or content or data_url(part) + part.text
    return {"type": "image_url", "image_url": {"url": url}, "index": index}


def signed_call(part: Told) -> dict[str, Any]:
    """Returns the field of a tool call that has its signature, as compatible endpoints of Gemini have it."""
    if not (part.signature and part.provider):
        return {}
    return {"extra_content": {"google": {"thought_signature": wrap(part.provider, part.signature)}}}


def is_opaque(part: Told) -> bool:
    """Says whether text or reasoning has something that its maker wants back."""
    return part.kind in ("text", "reasoning") and bool(part.provider and (part.signature or part.encrypted))


def family(part: Some, parts: Sequence[Some]) -> list[Some]:
    """Returns the reasoning that goes back together with an opaque part: the pieces of its item, and itself."""
    if part.kind != "reasoning" or part.item_id is None:
        return [part]
    return [one for one in parts if one is part or (one.kind == "reasoning" and one.item_id == part.item_id)]


def details(part: Told, index: int) -> list[dict[str, Any]]:
    """Returns the entries of `reasoning_details` that hold a part: what was thought, and what is opaque."""
    named = {} if part.item_id is None else {"id": part.item_id}
    signature = wrap(part.provider, part.signature) if part.signature and part.provider else None
    text = part.text if part.kind == "reasoning" else ""
    entries: list[dict[str, Any]] = []
    if signature:
        # A summary has no such field.
        entries.append({"type": "reasoning.text", "text": text, "signature": signature, **named})
    elif text:
        kind = "summary" if part.summary else "text"
        entries.append({"type": f"reasoning.{kind}", kind: text, **named})
    if part.encrypted and part.provider:
        entries.append({"type": "reasoning.encrypted", "data": wrap(part.provider, part.encrypted), **named})
    return [entry | {"index": index + at} for at, entry in enumerate(entries)]


def usage_fields(usage: Usage) -> dict[str, Any]:
    """Returns token counts as Chat has them; what it has no name for as LiteLLM has it ("Prompt Caching")."""
    asked: dict[str, Any] = {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens}
    answered: dict[str, Any] = {"reasoning_tokens": usage.reasoning_tokens}
    if usage.audio_input_tokens is not UNSET:
        asked["audio_tokens"] = usage.audio_input_tokens
    if usage.audio_output_tokens is not UNSET:
        answered["audio_tokens"] = usage.audio_output_tokens
    written = {
        "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
        "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
    }
    if kept := {name: count for name, count in written.items() if count is not UNSET}:
        asked["cache_creation_token_details"] = kept
    fields: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": asked,
        "completion_tokens_details": answered,
    }
    if usage.server_tool_calls is not UNSET:
        fields["server_tool_use"] = usage.server_tool_calls
    return fields
