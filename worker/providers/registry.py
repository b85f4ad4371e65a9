"""The adapters of this process, by the name that a model's prefix gives."""

import asyncio
from collections.abc import Callable, Mapping

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.process.background_thread import in_thread
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.provider import Provider

# Those that have an SDK load it, a second or two of work, and so only where an endpoint speaks its protocol.


def _openai_chat(name: str, settings: ProviderSettings, times: CallTimes) -> Provider:
    from worker.providers.openai_chat.adapter import OpenAIChatAdapter

    return OpenAIChatAdapter(name, settings, times)


def _openai_responses(name: str, settings: ProviderSettings, times: CallTimes) -> Provider:
    from worker.providers.openai_responses.adapter import OpenAIResponsesAdapter

    return OpenAIResponsesAdapter(name, settings, times)


def _anthropic(name: str, settings: ProviderSettings, times: CallTimes) -> Provider:
    from worker.providers.anthropic.adapter import AnthropicAdapter

    return AnthropicAdapter(name, settings, times)


def _gemini(name: str, settings: ProviderSettings, times: CallTimes) -> Provider:
    from worker.providers.gemini.adapter import GeminiAdapter

    return GeminiAdapter(name, settings, times)


ADAPTER_OF_PROTOCOL: dict[Protocol, Callable[[str, ProviderSettings, CallTimes], Provider]] = {
    "openai-chat": _openai_chat,
    "openai-responses": _openai_responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
}


class Registry:
    """One adapter, and so one connection pool, for each endpoint; made when it is first asked for.

    An SDK takes a second or two to load and 20 to 45 MB: who does not ask its provider does not pay for it, and the
    streams of others go on meanwhile.
    """

    def __init__(self, endpoints: Mapping[str, ProviderSettings], times: CallTimes = CALL_TIMES) -> None:
        self.endpoints = endpoints
        self._times = times
        self._adapters: dict[str, Provider] = {}
        self._making = asyncio.Lock()

    async def get(self, name: str) -> Provider:
        """Returns the adapter of this endpoint. Raises KeyError where no endpoint has the name."""
        settings = self.endpoints[name]
        if name not in self._adapters:
            async with self._making:
                if name not in self._adapters:
                    make = ADAPTER_OF_PROTOCOL[settings.protocol]
                    self._adapters[name] = await in_thread(make, name, settings, self._times)
        return self._adapters[name]

    async def aclose(self) -> None:
        """Closes every adapter's connections."""
        for provider in self._adapters.values():
            await provider.aclose()
