"""OpenAI Chat Completions, and every endpoint that speaks it (API reference: "Create chat completion")."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
from openai import APIStatusError, AsyncStream

from shared.provider_settings import ProviderSettings
from shared.requests import GenerationRequest
from shared.snapshots import Snapshot
from worker.providers.openai_chat_reader import ChatReader
from worker.providers.openai_chat_request import body, prefill
from worker.providers.openai_client import blames, connect, is_official
from worker.providers.prefill import Prefix, prefix, rest
from worker.providers.provider import ProviderEvent
from worker.providers.stream import follow


class OpenAIChat:
    """One Chat Completions endpoint."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self.idle_timeout = settings.idle_timeout
        self._settings = settings
        self._client = connect(settings)
        self._official = is_official(self._client)

    def continues(self, request: GenerationRequest, model: str, so_far: Snapshot) -> bool:
        """See `Provider.continues`."""
        return self._prefix(request, model, so_far) is not None

    def _prefix(self, request: GenerationRequest, model: str, so_far: Snapshot) -> Prefix | None:
        # OpenAI's own models answer it anew, whatever the settings say.
        if self._settings.prefill == "none" or self._official:
            return None
        return prefix(request, model, so_far, reasoning=self._settings.prefill == "deepseek")

    def stream(
        self, request: GenerationRequest, model: str, so_far: Snapshot | None = None
    ) -> AsyncGenerator[list[ProviderEvent], None]:
        """See `Provider.stream`."""
        begun = None if so_far is None else self._prefix(request, model, so_far)
        answer = follow(self.name, lambda: self._send(request, model, begun), ChatReader(self.name))
        return answer if begun is None else rest(answer, begun, repeats=self._settings.prefill == "mistral")

    async def _send(self, request: GenerationRequest, model: str, begun: Prefix | None) -> httpx2.Response:
        fields = body(request, model, self._settings, official=self._official)
        path = "/chat/completions"
        if begun is not None:
            prefill(fields, begun, self._settings)
            if self._settings.prefill == "deepseek":
                path = self._beta + path
        fields = request.with_extra(self.name, fields)
        try:
            return await self._post(path, fields)
        except APIStatusError as error:
            asked = request.extra.get(self.name, {})
            if "stream_options" not in fields.keys() - asked.keys() or not blames(error, "stream_options"):
                raise
        del fields["stream_options"]
        response = await self._post(path, fields)
        # From now on it is not asked first.
        self._settings = self._settings.model_copy(update={"stream_options": False})
        return response

    @property
    def _beta(self) -> str:
        """DeepSeek's root for prefixes ("Chat Prefix Completion (Beta)"), beside the usual one, with or without v1."""
        root = str(self._client.base_url).rstrip("/")
        return f"{root.removesuffix('/v1').removesuffix('/beta')}/beta"

    async def _post(self, path: str, fields: dict[str, Any]) -> httpx2.Response:
        # Not `chat.completions.create`: that walks through its parameters type by type, which holds the event loop for
        # many milliseconds when the conversation is long, and for half of one when it is short (bench/dispatch.py).
        answer = await self._client.post(path, cast_to=object, body=fields, stream=True, stream_cls=AsyncStream[object])
        return answer.response

    async def cancel(self, request: GenerationRequest, response_id: str) -> None:
        """See `Provider.cancel`: no answer outlives its connection here."""

    async def aclose(self) -> None:
        """See `Provider.aclose`."""
        await self._client.close()
