"""What a protocol can say: a request that asks for more is refused before it is queued, and never silently cut."""

from __future__ import annotations

from typing import NamedTuple

from shared.requests import GenerationRequest
from shared.settings import Protocol


class Lack(NamedTuple):
    """Something that a protocol has no way to say."""

    pointer: str
    """Where in the request (JSON Pointer, RFC 6901)."""
    remedy: str


_FIELDS: dict[Protocol, tuple[str, ...]] = {
    "openai-chat": (),
    "anthropic": ("response_format", "seed", "frequency_penalty", "presence_penalty"),
}
"""Fields that a protocol does not have at all."""


def lacks(request: GenerationRequest, protocol: Protocol) -> list[Lack]:
    """What a provider of this protocol has no way to honour."""
    remedy = f"cannot be honoured by a provider of protocol {protocol}; leave it out"
    return [Lack(f"/{name}", remedy) for name in _FIELDS[protocol] if getattr(request, name) is not None]
