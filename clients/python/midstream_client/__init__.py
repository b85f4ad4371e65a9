"""A client of Midstream: LLM answers that survive reloads, lost networks and restarts.

    client = Client("http://127.0.0.1:8000", key="…")
    follower = client.create({"model": "openai/gpt-5", "messages": [{"role": "user", "content": "Hello"}]})
    for event in follower:
        print(follower.text)

`AsyncClient` is the same with `async`. Lost connections are rejoined: each event comes exactly once.
"""

from midstream_client.answer import Answer, Superseded
from midstream_client.async_client import AsyncClient, AsyncConversation, AsyncFollower
from midstream_client.client import Client, Conversation, Follower
from midstream_client.conversation_following import Turn
from midstream_client.errors import (
    ClientError,
    DeniedError,
    GoneError,
    NotFoundError,
    NotMidstreamError,
    RefusedError,
    UnreachableError,
)
from midstream_client.event import TERMINAL_TYPES, Event
from midstream_client.retry_budget import RetryBudget

__all__ = [
    "TERMINAL_TYPES",
    "Answer",
    "AsyncClient",
    "AsyncConversation",
    "AsyncFollower",
    "Client",
    "ClientError",
    "Conversation",
    "DeniedError",
    "Event",
    "Follower",
    "GoneError",
    "NotFoundError",
    "NotMidstreamError",
    "RefusedError",
    "RetryBudget",
    "Superseded",
    "Turn",
    "UnreachableError",
]
