"""The adapters of this process, by the name that a model's prefix gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.settings import Protocol, ProviderSettings
from worker.providers.anthropic import Anthropic
from worker.providers.openai_chat import OpenAIChat
from worker.providers.provider import Provider

ADAPTERS: dict[Protocol, Callable[[str, ProviderSettings], Provider]] = {
    "openai-chat": OpenAIChat,
    "anthropic": Anthropic,
}


class Registry:
    """One adapter, and so one connection pool, for each endpoint; made when it is first used."""

    def __init__(self, endpoints: Mapping[str, ProviderSettings]) -> None:
        self._endpoints = endpoints
        self._made: dict[str, Provider] = {}

    def get(self, name: str) -> Provider:
        """The adapter of this endpoint. Raises KeyError where no endpoint has the name."""
        provider = self._made.get(name)
        if provider is None:
            settings = self._endpoints[name]
            provider = self._made[name] = ADAPTERS[settings.protocol](name, settings)
        return provider

    async def aclose(self) -> None:
        """Close every adapter's connections."""
        while self._made:
            _, provider = self._made.popitem()
            await provider.aclose()
