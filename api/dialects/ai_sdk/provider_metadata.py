"""What a part carries for its provider, in the field that clients keep and send back: `providerMetadata`.

The AI SDK's own providers have theirs there, each under its name; ours is `midstream`.
"""

from typing import Any, Protocol

from api.dialects.opaque import unwrap, wrap

NAME = "midstream"


class Told(Protocol):
    """A part, as a stream has it."""

    kind: Any
    item_id: str | None
    summary: bool | None
    signature: str | None
    encrypted: str | None
    provider: str | None


def metadata_of(part: Told) -> dict[str, Any] | None:
    """Returns the metadata of a part that has ended; None where there is nothing to give back."""
    said: dict[str, Any] = {}
    if part.provider and part.signature:
        said["signature"] = wrap(part.provider, part.signature)
    if part.provider and part.encrypted:
        said["encrypted"] = wrap(part.provider, part.encrypted)
    if said and part.item_id is not None:
        said["itemId"] = part.item_id
    if part.kind == "reasoning" and part.summary:
        said["summary"] = True
    if part.kind == "refusal":
        said["refusal"] = True
    return {NAME: said} if said else None


def ours(metadata: Any) -> dict[str, Any]:
    """Returns what of a part's metadata was written here; empty where nothing was."""
    said = metadata.get(NAME) if isinstance(metadata, dict) else None
    return said if isinstance(said, dict) else {}


def opaque(metadata: Any) -> dict[str, str]:
    """Returns the fields of ours that go back to the provider whose they are."""
    said = ours(metadata)
    fields: dict[str, str] = {}
    for name in ("signature", "encrypted"):
        provider, value = unwrap(text) if isinstance(text := said.get(name), str) else (None, "")
        if provider is not None:
            fields |= {name: value, "provider": provider}
    if fields and isinstance(item_id := said.get("itemId"), str):
        fields["item_id"] = item_id
    return fields
