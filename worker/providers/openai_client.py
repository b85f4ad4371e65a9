"""Makes OpenAI's SDK ask an endpoint, for both of its protocols."""

from typing import Any

import httpx2
from openai import AsyncOpenAI, AsyncStream

from shared.config.openai_hosts import is_openai
from shared.config.provider_settings import ProviderSettings
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.environment_headers import without_ambient_headers
from worker.providers.http_client import http_client


def connect(settings: ProviderSettings, times: CallTimes = CALL_TIMES) -> AsyncOpenAI:
    """Makes a client for this endpoint, which tries nothing again by itself."""
    key = settings.key_headers
    with without_ambient_headers():
        client = AsyncOpenAI(
            api_key=settings.api_key(),
            base_url=settings.root,
            max_retries=0,
            timeout=times.timeout,
            http_client=http_client(settings.address, times, None if "authorization" in key else key),
        )
    if not is_official(client):
        # The SDK takes these from the environment for any address; they are nobody else's business.
        client.organization = client.project = None
    return client


def is_official(client: AsyncOpenAI) -> bool:
    """Says whether it asks OpenAI itself."""
    return is_openai(str(client.base_url))


async def post(client: AsyncOpenAI, path: str, content: bytes) -> httpx2.Response:
    """Sends a request whose body is this JSON; returns the open answer. Raises openai.APIError.

    The answer is httpx2's: the SDK's stream refers to itself, and would keep all that was sent until the collector
    looks.
    """
    answer: Any = await client.post(
        path, cast_to=httpx2.Response, content=content, stream=True, stream_cls=AsyncStream[object]
    )
    response: httpx2.Response = answer
    return response
