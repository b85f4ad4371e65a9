"""OpenAI's SDK as it asks an endpoint, for both of its protocols."""

from __future__ import annotations

from openai import APIStatusError, AsyncOpenAI

from shared.provider_settings import ProviderSettings
from worker.providers.stream import TIMEOUT, http_client

_REFUSALS = (400, 422)


def connect(settings: ProviderSettings) -> AsyncOpenAI:
    """A client for this endpoint, which tries nothing again by itself."""
    client = AsyncOpenAI(
        api_key=settings.api_key(),
        base_url=settings.address,
        max_retries=0,
        timeout=TIMEOUT,
        http_client=http_client(settings.address),
    )
    if not is_official(client):
        # The SDK takes these from the environment for any address; they are nobody else's business.
        client.organization = client.project = None
    return client


def is_official(client: AsyncOpenAI) -> bool:
    """Whether it asks OpenAI itself, there or at Azure."""
    host = client.base_url.host
    return host == "api.openai.com" or host.endswith((".api.openai.com", ".openai.azure.com"))


def blames(error: APIStatusError, field: str) -> bool:
    """Whether the endpoint refused the request because of a field; its words for that are its own."""
    return error.status_code in _REFUSALS and field in str(error.body).lower()
