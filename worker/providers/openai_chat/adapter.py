"""OpenAI Chat Completions, and every endpoint that speaks it (API reference: "Create chat completion")."""

from collections.abc import AsyncGenerator

import httpx2
from openai import APIStatusError

from shared.config.provider_settings import ProviderSettings
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside
from shared.request.generation_request import GenerationRequest
from shared.request.request_json import encode
from worker.providers.call_ids import rule_of
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.labels import RefusedLabels
from worker.providers.openai_chat.reader import ChatReader
from worker.providers.openai_chat.request import body, prefill
from worker.providers.openai_client import connect, is_official, post
from worker.providers.prefill import Prefix, prefix, rest
from worker.providers.provider import ProviderEvent
from worker.providers.refusals import Refusals
from worker.providers.rewording import Rewording
from worker.providers.stream import follow


class OpenAIChatAdapter:
    """One Chat Completions endpoint."""

    def __init__(self, name: str, settings: ProviderSettings, times: CallTimes = CALL_TIMES) -> None:
        self.name = name
        self.idle_timeout = settings.idle_timeout
        self._settings = settings
        self._uncounted = Refusals(name, "stream_options")
        self._labels = RefusedLabels(name)
        self._times = times
        self._client = connect(settings, times)
        self._official = is_official(self._client)

    def continues(self, request: GenerationRequest, model: str, so_far: Snapshot) -> bool:
        """Implements `Provider.continues`."""
        return self._prefix(request, model, so_far) is not None

    def _prefix(self, request: GenerationRequest, model: str, so_far: Snapshot) -> Prefix | None:
        # OpenAI's own models answer it anew, whatever the settings say.
        if self._settings.prefill == "none" or self._official:
            return None
        return prefix(request, model, so_far, reasoning=self._settings.prefill == "deepseek")

    def stream(
        self, request: GenerationRequest, model: str, so_far: Snapshot | None = None
    ) -> AsyncGenerator[list[ProviderEvent], None]:
        """Implements `Provider.stream`."""
        begun = None if so_far is None else self._prefix(request, model, so_far)
        words = Rewording(self.name, "openai-chat", rule_of(self._settings, model, official=self._official))
        answer = follow(
            self.name,
            lambda: self._send(request, model, begun, words),
            ChatReader(self.name),
            self._times,
            reword=words.back,
        )
        return answer if begun is None else rest(answer, begun, repeats=self._settings.prefill == "mistral")

    async def _send(
        self, request: GenerationRequest, model: str, begun: Prefix | None, words: Rewording
    ) -> httpx2.Response:
        path = "/chat/completions"
        if begun is not None and self._settings.prefill == "deepseek":
            path = self._beta + path
        uncounted = model in self._uncounted
        first = asked = self._labels.sent(request, model)
        while True:
            settings = self._settings.model_copy(update={"stream_options": False}) if uncounted else self._settings
            try:
                response = await self._post(path, await self._content(asked, model, begun, words, settings))
            except APIStatusError as error:
                fewer = self._labels.without_blamed(asked, error)
                blamed = settings.stream_options and self._uncounted.blamed_in(error)
                blamed = blamed and "stream_options" not in request.extra.get(self.name, {})
                if not blamed and fewer is asked:
                    raise
                uncounted, asked = uncounted or blamed, fewer
            else:
                if uncounted and model not in self._uncounted:
                    self._uncounted.learn(model, request)
                self._labels.learn(model, first, asked)
                return response

    async def _content(
        self,
        request: GenerationRequest,
        model: str,
        begun: Prefix | None,
        words: Rewording,
        settings: ProviderSettings,
    ) -> bytes:
        def made() -> bytes:
            fields = body(words.sent(request), model, settings, official=self._official)
            if begun is not None:
                prefill(fields, begun, settings)
            return encode(request.with_extra(self.name, fields))

        return await aside(request.size(), made)

    @property
    def _beta(self) -> str:
        """DeepSeek's root for prefixes ("Chat Prefix Completion (Beta)"), beside the usual one, with or without v1."""
        root = str(self._client.base_url).rstrip("/")
        return f"{root.removesuffix('/v1').removesuffix('/beta')}/beta"

    async def _post(self, path: str, content: bytes) -> httpx2.Response:
        # Not `chat.completions.create`: that walks through its parameters type by type, which holds the event loop for
        # many milliseconds when the conversation is long, and for half of one when it is short (bench/dispatch.py).
        return await post(self._client, path, content)

    async def cancel(self, request: GenerationRequest, response_id: str) -> None:
        """Implements `Provider.cancel`: no answer outlives its connection here."""

    async def aclose(self) -> None:
        """Implements `Provider.aclose`."""
        await self._client.close()
