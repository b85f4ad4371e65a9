"""Anthropic Messages (API reference: "Create a Message")."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
from anthropic import AsyncAnthropic, AsyncStream, Omit

from shared.config.provider_settings import ProviderSettings
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside
from shared.request.generation_request import GenerationRequest
from shared.request.request_json import encode
from worker.providers.anthropic.reader import MessagesReader
from worker.providers.anthropic.request import body, thinks
from worker.providers.anthropic.version import betas_of, version_of
from worker.providers.call_ids import rule_of
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.environment_headers import without_ambient_headers
from worker.providers.http_client import http_client
from worker.providers.prefill import Prefix, prefix, rest
from worker.providers.provider import ProviderEvent
from worker.providers.rewording import Rewording
from worker.providers.stream import follow


class AnthropicAdapter:
    """One Messages endpoint."""

    def __init__(self, name: str, settings: ProviderSettings, times: CallTimes = CALL_TIMES) -> None:
        self.name = name
        self.idle_timeout = settings.idle_timeout
        self._settings = settings
        self._times = times
        with without_ambient_headers():
            self._client = AsyncAnthropic(
                api_key=settings.api_key(),
                base_url=settings.root,
                max_retries=0,
                timeout=times.timeout,
                http_client=http_client(settings.address, times),
                # Its spans can carry prompts, by an environment variable of the SDK's own.
                open_telemetry=False,
            )

    def continues(self, request: GenerationRequest, model: str, so_far: Snapshot) -> bool:
        """Implements `Provider.continues`."""
        return self._prefix(request, model, so_far) is not None

    def _prefix(self, request: GenerationRequest, model: str, so_far: Snapshot) -> Prefix | None:
        """Returns what the answer goes on from, if any; thinking is refused together with it ("Extended thinking")."""
        if self._settings.prefill == "none" or thinks(request, model) or "thinking" in request.extra.get(self.name, {}):
            return None
        return prefix(request, model, so_far, reasoning=False)

    def stream(
        self, request: GenerationRequest, model: str, so_far: Snapshot | None = None
    ) -> AsyncGenerator[list[ProviderEvent], None]:
        """Implements `Provider.stream`."""
        begun = None if so_far is None else self._prefix(request, model, so_far)
        words = Rewording(self.name, "anthropic", rule_of(self._settings, model))
        answer = follow(
            self.name,
            lambda: self._send(request, model, begun, words),
            MessagesReader(self.name),
            self._times,
            reword=words.back,
        )
        return answer if begun is None else rest(answer, begun, repeats=False)

    async def _send(
        self, request: GenerationRequest, model: str, begun: Prefix | None, words: Rewording
    ) -> httpx2.Response:
        said, content = await aside(request.size(), self._content, request, model, begun, words)
        headers = {**said, **_credentials(self._settings)}
        # Not `messages.create`, which walks through its parameters type by type. The answer as httpx2 has it: the SDK's
        # stream would hold what was sent.
        answer: Any = await self._client.post(
            "/v1/messages",
            cast_to=httpx2.Response,
            content=content,
            options={"headers": headers},
            stream=True,
            stream_cls=AsyncStream[object],
        )
        response: httpx2.Response = answer
        return response

    def _content(
        self, request: GenerationRequest, model: str, begun: Prefix | None, words: Rewording
    ) -> tuple[dict[str, str], bytes]:
        """Returns the headers which say what of the protocol the request is in, and the request's JSON."""
        fields = body(words.sent(request), model, self._settings)
        if begun is not None:
            # "If the final message uses the assistant role, the response content will continue immediately from it."
            fields["messages"].append({"role": "assistant", "content": [{"type": "text", "text": begun.sent}]})
        fields = request.with_extra(self.name, fields)
        betas = betas_of(fields)
        version = self._settings.anthropic_version or version_of(fields)
        return {"anthropic-version": version} | ({"anthropic-beta": betas} if betas else {}), encode(fields)

    async def cancel(self, request: GenerationRequest, response_id: str) -> None:
        """Implements `Provider.cancel`: no answer outlives its connection here."""

    async def aclose(self) -> None:
        """Implements `Provider.aclose`."""
        await self._client.close()


def _credentials(settings: ProviderSettings) -> dict[str, str | Omit]:
    """Returns headers that send the key in the one header that is configured.

    The second major version of the SDK sends `Authorization`. Anthropic takes both; what imitates it often takes only
    what the first major version sent, which is therefore the default.
    """
    headers = settings.key_headers
    return {} if "authorization" in headers else {**headers, "Authorization": Omit()}
