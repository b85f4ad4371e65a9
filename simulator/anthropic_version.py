"""What each version of Anthropic's API refuses (platform.claude.com: "Versions", "Migrating to API version …")."""

from collections.abc import Iterator
from typing import Any, Final

from simulator.request import RequestRefusedError

OLD: Final = "2023-06-01"
NEW: Final = "2026-10-21"
_REMOVED: Final = ("temperature", "top_p", "top_k")


def check_version(headers: dict[bytes, bytes], body: dict[str, Any]) -> None:
    """Raises RequestRefusedError (400) without a version, for an unknown one, and for what a new one does not take."""
    if b"anthropic-version" not in headers:
        raise RequestRefusedError(400, "anthropic-version: header is required")
    version = headers[b"anthropic-version"].decode("latin-1")
    if version not in (OLD, NEW):
        raise RequestRefusedError(400, f'anthropic-version: "{version}" is not a valid version')
    if version == NEW:
        _check_new(body)


def _check_new(body: dict[str, Any]) -> None:
    for name in _REMOVED:
        if name in body:
            raise RequestRefusedError(400, f"{name}: Extra inputs are not permitted", param=name)
    messages = body.get("messages")
    for n, message in enumerate(messages if isinstance(messages, list) else ()):
        content = message.get("content") if isinstance(message, dict) else None
        where = f"messages.{n}.content"
        if isinstance(content, list) and message.get("role") == "assistant":
            if any(isinstance(block, dict) and block.get("type") == "document" for block in content):
                raise RequestRefusedError(400, f"{where}: document blocks are not permitted in assistant messages")
        elif isinstance(content, list) and any(block.get("citations") for block in _texts(content)):
            raise RequestRefusedError(400, f"{where}: citations are not permitted in user messages")


def _texts(content: list[Any]) -> Iterator[dict[str, Any]]:
    """Blocks of text of a user's message: its own, those of search results, and those of a tool's."""
    for block in content:
        if not isinstance(block, dict):
            continue
        if block.get("type") == "text":
            yield block
        elif block.get("type") in ("search_result", "tool_result") and isinstance(block.get("content"), list):
            yield from _texts(block["content"])
