"""Which version of the API a Messages request is of (platform.claude.com: "Migrating to API version 2026-10-21"), and
what of its beta it uses ("Beta headers")."""

import re
from collections.abc import Iterator
from typing import Any

from shared.request.claude_models import API_VERSION_WITHOUT_SAMPLING, SAMPLING_FIELDS

VERSION_WITH_SAMPLING = "2023-06-01"
"""The version before, which every model, gateway and compatible endpoint knows."""

_BETA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAX_BETAS = 64
_NESTING = 8
"""Lists of blocks within one another that are looked through; the protocol has three."""


def version_of(body: dict[str, Any]) -> str:
    """Returns the newest version that takes this body.

    What 2026-10-21 refuses with 400: sampling, at any value, on every model; a document directly in an assistant's
    message; citations of a text in a user's message, directly or inside of a search result.
    """
    if any(name in body for name in SAMPLING_FIELDS):
        return VERSION_WITH_SAMPLING
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, dict):
            continue
        blocks = list(_blocks(message.get("content"), depth=1 if message.get("role") == "assistant" else _NESTING))
        refused = _is_document if message.get("role") == "assistant" else _is_cited
        if any(refused(block) for block in blocks):
            return VERSION_WITH_SAMPLING
    return API_VERSION_WITHOUT_SAMPLING


def betas_of(body: dict[str, Any]) -> str:
    """Takes `betas`, as Anthropic's SDKs call them, out of a body; returns the header that they are, or nothing."""
    betas = body.get("betas")
    if not isinstance(betas, list) or not all(isinstance(one, str) and _BETA.fullmatch(one) for one in betas):
        return ""
    del body["betas"]
    return ",".join(betas[:_MAX_BETAS])


def _blocks(content: object, depth: int) -> Iterator[dict[str, Any]]:
    """Yields the blocks of a message, and of blocks in it, to a depth."""
    for block in content if isinstance(content, list) and depth else ():
        if isinstance(block, dict):
            yield block
            yield from _blocks(block.get("content"), depth - 1)


def _is_document(block: dict[str, Any]) -> bool:
    return block.get("type") == "document"


def _is_cited(block: dict[str, Any]) -> bool:
    return block.get("type") == "text" and bool(block.get("citations"))
