"""The adapters of this process, by the name that a model's prefix gives."""

from collections.abc import Callable, Mapping

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.process.gc_tuning import loading
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.provider import Provider

# Those that have an SDK load it, most of a second's work, and so only where an endpoint speaks its protocol.


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
    """One adapter, and so one connection pool, for each endpoint; made at once: the first takes a fifth of a second."""

    def __init__(self, endpoints: Mapping[str, ProviderSettings], times: CallTimes = CALL_TIMES) -> None:
        self.endpoints = endpoints
        with loading():
            self._adapters = {
                name: ADAPTER_OF_PROTOCOL[settings.protocol](name, settings, times)
                for name, settings in endpoints.items()
            }

    def get(self, name: str) -> Provider:
        """Returns the adapter of this endpoint. Raises KeyError where no endpoint has the name."""
        return self._adapters[name]

    async def aclose(self) -> None:
        """Closes every adapter's connections."""
        for provider in self._adapters.values():
            await provider.aclose()
