"""The adapters of this process, by the name that a model's prefix gives."""

import asyncio
from collections.abc import Callable, Mapping

from shared.config.protocols import PROTOCOLS, Protocol
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


LATER = frozenset(facts.simulator for protocol, facts in PROTOCOLS.items() if protocol != "openai-chat")
"""Endpoints that come with the simulator, and that few who run it ask: made when they are first asked for."""


class Registry:
    """One adapter, and so one connection pool, for each endpoint; made at once, but for the LATER ones.

    An SDK takes a second or three to load and 25 to 45 MB. To load it beside streams is to stop them for a fifth of a
    second at a time, so what was configured is loaded before the first of them.
    """

    def __init__(self, endpoints: Mapping[str, ProviderSettings], times: CallTimes = CALL_TIMES) -> None:
        self.endpoints = endpoints
        self._times = times
        self._making = asyncio.Lock()
        self._adapters = {name: self._made(name) for name in endpoints if name not in LATER}

    async def get(self, name: str) -> Provider:
        """Returns the adapter of this endpoint. Raises KeyError where no endpoint has the name."""
        if name in LATER and name in self.endpoints and name not in self._adapters:
            async with self._making:
                if name not in self._adapters:
                    self._adapters[name] = await in_thread(self._made, name)
        return self._adapters[name]

    def _made(self, name: str) -> Provider:
        settings = self.endpoints[name]
        return ADAPTER_OF_PROTOCOL[settings.protocol](name, settings, self._times)

    async def aclose(self) -> None:
        """Closes every adapter's connections."""
        for provider in self._adapters.values():
            await provider.aclose()
