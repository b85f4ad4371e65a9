"""Signatures of calls over endpoints that imitate OpenAI's: `extra_content.google.thought_signature` of Gemini's.

Gemini 3 refuses a call that comes back without the signature that it came with (ai.google.dev: "Thought signatures",
"OpenAI compatibility"). Vertex has `vertex` in place of `google` (earendil-works/pi#6733). The tag is of its own, as
nobody says that Gemini's own protocol takes such a signature.
"""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from shared.config.presets import PRESETS
from shared.config.provider_settings import ProviderSettings
from shared.request.tools import ToolCall

TAG = "extra_content/"
"""Begins the tag; what follows is the field of `extra_content`."""

_FIELD = "thought_signature"

_OF_OTHER_MAKERS = frozenset(
    urlsplit(preset.base_url).hostname for name, preset in PRESETS.items() if not preset.local and name != "openrouter"
)
"""Hosts of vendors that have no Gemini; some of them refuse a field that they do not know."""


class Signature(NamedTuple):
    """A signature, and whose it is, as our events have it."""

    signature: str
    provider: str


def read(extra_content: object) -> Signature | None:
    """Returns the signature of a call; None where there is none, or more than that is said."""
    match extra_content:
        case {**makers} if len(makers) == 1:
            maker, said = next(iter(makers.items()))
            if isinstance(said, dict) and said.keys() == {_FIELD} and isinstance(said[_FIELD], str) and said[_FIELD]:
                return Signature(said[_FIELD], f"{TAG}{maker}")
    return None


def is_taken(endpoint: ProviderSettings, *, official: bool) -> bool:
    """Says whether an endpoint may be sent `extra_content`: not OpenAI itself, nor another maker of models."""
    return not (official or urlsplit(endpoint.address).hostname in _OF_OTHER_MAKERS)


def write(call: ToolCall) -> dict[str, Any]:
    """Returns the field of an earlier call that holds its signature: as the caller has it, else from our events."""
    if call.extra_content:
        return {"extra_content": call.extra_content}
    if call.signature and (call.provider or "").startswith(TAG):
        return {"extra_content": {(call.provider or "").removeprefix(TAG): {_FIELD: call.signature}}}
    return {}
