"""An endpoint of Chat Completions that says what a test wrote down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.config.protocols import Protocol
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.upstream import Outcome, Reply, Upstream, outcome
from worker.providers.provider import Provider

Read = Callable[..., Awaitable[Outcome]]


@pytest.fixture
def read(
    upstream: Upstream, adapter: Callable[[Protocol, str], Provider], ask: Callable[..., GenerationRequest]
) -> Read:
    """Serves these pieces and gives what the adapter makes of them."""
    provider = adapter("openai-chat", upstream.url)

    async def serve(*pieces: bytes, **reply: Any) -> Outcome:
        upstream.reply = Reply(pieces, **reply)
        return await outcome(provider, ask())

    return serve
