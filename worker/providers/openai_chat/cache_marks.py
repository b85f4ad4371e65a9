"""Marks of a cached prompt (`cache_control`), for the endpoints that pass them on to Claude and others.

OpenRouter's guide "Prompt Caching" has them on parts of a content, its `ChatFunctionToolFunction` on tools; LiteLLM's
page "Prompt Caching" on both. They change the cost only: no other endpoint gets a field that it may not know.
"""

from typing import Any

from shared.config.provider_settings import ProviderSettings

_PASS_ON = ("openrouter", "litellm")


def are_taken(endpoint: ProviderSettings) -> bool:
    """Says whether an endpoint takes marks."""
    return endpoint.reasoning in _PASS_ON if endpoint.cache_control is None else endpoint.cache_control


def put_in_place(message: dict[str, Any], *, taken: bool) -> dict[str, Any]:
    """Takes the marks out of a message that is to be sent, or, where they are taken, puts the whole message's on its
    last part; returns the message."""
    mark = message.pop("cache_control", None)
    content = message.get("content")
    if not taken:
        for part in content if isinstance(content, list) else ():
            part.pop("cache_control", None)
    elif mark is not None and content:
        if isinstance(content, str):
            content = message["content"] = [{"type": "text", "text": content}]
        content[-1].setdefault("cache_control", mark)
    return message
