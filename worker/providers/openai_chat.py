"""OpenAI Chat Completions, and every endpoint that speaks it (API reference: "Create chat completion")."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
from openai import AsyncOpenAI, AsyncStream

from shared.requests import AssistantMessage, GenerationRequest, Message, SystemMessage
from shared.settings import ProviderSettings
from worker.providers.openai_chat_reader import ChatReader
from worker.providers.provider import ProviderEvent
from worker.providers.stream import TIMEOUT, follow, http_client

_SAME = (
    "tools", "tool_choice", "parallel_tool_calls", "response_format", "temperature", "top_p", "stop", "seed",
    "frequency_penalty", "presence_penalty", "reasoning_effort",
)  # fmt: skip
"""Fields that are the same in our requests and in the protocol."""


class OpenAIChat:
    """One Chat Completions endpoint."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self._client = AsyncOpenAI(
            api_key=settings.api_key(),
            base_url=settings.base_url,
            max_retries=0,
            timeout=TIMEOUT,
            http_client=http_client(),
        )
        host = self._client.base_url.host
        self._official = host == "api.openai.com" or host.endswith((".api.openai.com", ".openai.azure.com"))
        if not self._official:
            # The SDK takes these from the environment for any address; they are nobody else's business.
            self._client.organization = self._client.project = None

    def stream(self, request: GenerationRequest, model: str) -> AsyncGenerator[list[ProviderEvent], None]:
        """See `Provider.stream`."""
        return follow(self.name, lambda: self._send(request, model), ChatReader(self.name))

    async def _send(self, request: GenerationRequest, model: str) -> httpx2.Response:
        # Not `chat.completions.create`: that walks through its parameters type by type, which holds the event loop for
        # many milliseconds when the conversation is long, and for half of one when it is short (bench/dispatch.py).
        fields = body(request, model, official=self._official)
        answer = await self._client.post(
            "/chat/completions", cast_to=object, body=fields, stream=True, stream_cls=AsyncStream[object]
        )
        return answer.response

    async def aclose(self) -> None:
        """See `Provider.aclose`."""
        await self._client.close()


def body(request: GenerationRequest, model: str, *, official: bool) -> dict[str, Any]:
    """The request as the protocol has it.

    OpenAI's own endpoints want `max_completion_tokens`, as reasoning models refuse `max_tokens`, and know the
    role `developer`; compatible ones know `max_tokens` and `system`, which all have had from the start.
    """
    fields = request.given(*_SAME)
    if request.max_tokens is not None:
        fields["max_completion_tokens" if official else "max_tokens"] = request.max_tokens
    return {
        "model": model,
        "messages": [_message(message, official) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        **fields,
    }


def _message(message: Message, official: bool) -> dict[str, Any]:
    fields = message.model_dump(exclude_none=True)
    if isinstance(message, SystemMessage) and not official:
        fields["role"] = "system"
    if isinstance(message, AssistantMessage):
        # Some endpoints fail on a message of tool calls alone unless its content is null.
        fields.setdefault("content", None)
    return fields
