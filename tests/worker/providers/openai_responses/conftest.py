"""What the adapter makes of a script, over real HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.request.generation_request import GenerationRequest
from tests.worker.providers.conftest import Adapter
from tests.worker.providers.openai_responses.responses_stream import Script
from tests.worker.providers.upstream import End, Outcome, Reply, Upstream, outcome

Read = Callable[..., Awaitable[Outcome]]


@pytest.fixture
def read(upstream: Upstream, adapter: Adapter, ask: Callable[..., GenerationRequest]) -> Read:
    """Serves a script, or bytes, and gives what the adapter makes of it."""
    provider = adapter("openai-responses", upstream.url)

    async def serve(script: Script | bytes, end: End = "complete", **reply: Any) -> Outcome:
        upstream.reply = Reply([script if isinstance(script, bytes) else script.body], end, **reply)
        return await outcome(provider, ask())

    return serve
