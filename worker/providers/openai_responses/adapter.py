"""OpenAI Responses, and every endpoint that speaks it (API reference: "Create a model response").

Where a request asks to `continue`, the answer runs in the provider's background (guide "Background mode"): it outlives
its connection, and another attempt reads on after the last event that the log has.
"""

import logging
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

import httpx2
from openai import APIError, APIStatusError, AsyncStream

from shared.config.provider_settings import ProviderSettings
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside
from shared.request.generation_request import GenerationRequest
from shared.request.request_json import encode
from worker.providers.call_ids import rule_of
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.labels import RefusedLabels
from worker.providers.openai_client import connect, post
from worker.providers.openai_responses.reader import ResponsesReader
from worker.providers.openai_responses.request import body
from worker.providers.provider import ProviderEvent
from worker.providers.refusals import Refusals
from worker.providers.rewording import Rewording
from worker.providers.stream import follow

logger = logging.getLogger("midstream.worker")

CANCEL_TIMEOUT_S = 5.0
"""Seconds for the request that ends an answer in the background."""


class OpenAIResponsesAdapter:
    """One Responses endpoint."""

    def __init__(self, name: str, settings: ProviderSettings, times: CallTimes = CALL_TIMES) -> None:
        self.name = name
        self.idle_timeout = settings.idle_timeout
        self._settings = settings
        self._background = settings.background
        self._direct = Refusals(name, "background")
        """Models that do not run in the background."""
        self._plain = Refusals(name, "encrypted", "encrypted_content")
        """Models that have no encrypted reasoning, and refuse to be asked for it."""
        self._labels = RefusedLabels(name)
        self._times = times
        self._client = connect(settings, times)

    def continues(self, request: GenerationRequest, model: str, so_far: Snapshot) -> bool:
        """Implements `Provider.continues`.

        An answer can go on where it runs in the background, and what broke off can be found again.
        """
        known = so_far.response_id is not None and so_far.sequence_number is not None
        return known and self._outlives(request, model) and all(part.ended or part.item_id for part in so_far.parts)

    def stream(
        self, request: GenerationRequest, model: str, so_far: Snapshot | None = None
    ) -> AsyncGenerator[list[ProviderEvent], None]:
        """Implements `Provider.stream`."""
        words = Rewording(self.name, "openai-responses", rule_of(self._settings, model))
        reader = ResponsesReader(self.name, so_far)
        if so_far is not None and so_far.response_id is not None:
            response_id, after = so_far.response_id, so_far.sequence_number

            async def send() -> httpx2.Response:
                await aside(request.size(), words.sent, request)  # as the request that it answers was
                return await self._attach(response_id, after)
        else:
            reader = ResponsesReader(self.name)

            async def send() -> httpx2.Response:
                return await self._send(request, model, words)

        return follow(self.name, send, reader, self._times, reword=words.back)

    async def cancel(self, request: GenerationRequest, response_id: str) -> None:
        """Implements `Provider.cancel` (API reference: "Cancel a response")."""
        if not self._may_outlive(request):
            return
        path = f"/responses/{quote(response_id, safe='')}/cancel"
        try:
            await self._client.post(path, cast_to=object, options={"timeout": CANCEL_TIMEOUT_S})
        except (APIError, httpx2.HTTPError) as error:
            # Its text may repeat the prompt. What has ended by itself is refused too.
            logger.info("%s: an answer in the background was not cancelled (%s)", self.name, type(error).__name__)

    def _may_outlive(self, request: GenerationRequest) -> bool:
        return self._background and request.on_interrupt == "continue" and request.background is not False

    def _outlives(self, request: GenerationRequest, model: str) -> bool:
        return self._may_outlive(request) and model not in self._direct

    async def _send(self, request: GenerationRequest, model: str, words: Rewording) -> httpx2.Response:
        background, encrypted = self._outlives(request, model), model not in self._plain
        without: list[Refusals] = []
        first = asked = self._labels.sent(request, model)
        while True:
            content = await self._content(asked, model, words, background=background, encrypted=encrypted)
            try:
                # Not `responses.create`, which walks through its parameters type by type (bench/dispatch.py).
                response = await post(self._client, "/responses", content)
            except APIStatusError as error:
                if background and self._direct.blamed_in(error):
                    background = False
                    without.append(self._direct)
                elif encrypted and not background and self._plain.blamed_in(error):
                    encrypted = False
                    without.append(self._plain)
                elif (fewer := self._labels.without_blamed(asked, error)) is not asked:
                    asked = fewer
                else:
                    raise
            else:
                for refused in without:
                    refused.learn(model, request)
                self._labels.learn(model, first, asked)
                return response

    async def _content(
        self, request: GenerationRequest, model: str, words: Rewording, *, background: bool, encrypted: bool
    ) -> bytes:
        def made() -> bytes:
            asked = body(words.sent(request), model, background=background, encrypted=encrypted)
            return encode(request.with_extra(self.name, asked))

        return await aside(request.size(), made)

    async def _attach(self, response_id: str, after: int | None) -> httpx2.Response:
        """Returns what follows an event of an answer that runs or has run (API reference: "Get a model response")."""
        answer: Any = await self._client.get(
            f"/responses/{quote(response_id, safe='')}",
            cast_to=httpx2.Response,  # see `post`
            options={"params": {"stream": "true", "starting_after": after}},
            stream=True,
            stream_cls=AsyncStream[object],
        )
        response: httpx2.Response = answer
        return response

    async def aclose(self) -> None:
        """Implements `Provider.aclose`."""
        await self._client.close()
