"""Google Gemini (API reference: "Generating content", `models.streamGenerateContent`).

The SDK authenticates and builds the request: address, version and headers, the key among them. Our own client sends it,
because the SDK's stream hands out typed chunks only, fails on SSE comments, and has one timeout for everything.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from urllib.parse import quote

import httpx2
import msgspec

from shared.provider_settings import ProviderSettings
from shared.requests import GenerationRequest
from shared.snapshots import Snapshot
from worker.providers.errors import from_status
from worker.providers.gemini_reader import GeminiReader
from worker.providers.gemini_request import body
from worker.providers.provider import ProviderError, ProviderEvent
from worker.providers.stream import TIMEOUT, follow, http_client

API_VERSION = "v1beta"
"""Not `v1`, the SDK's default: this one has the newest features and names like `gemini-flash-latest`, and the servers
that imitate the service know it."""

MAX_ERROR = 1_000_000
"""Bytes of an error document that are read."""

_COLLECTIONS = ("models", "tunedModels")


class Gemini:
    """One Gemini endpoint; making the first one loads the SDK, which takes most of a second."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        # Here, so that a worker without such an endpoint does not pay for it. Not in a thread at the first request: the
        # OpenAI SDK looks into `httpx` when it finds it loaded, and would find half of it.
        from google.genai import Client
        from google.genai.types import HttpOptions

        self.name = name
        self._http = http_client()
        options = HttpOptions(base_url=settings.base_url, api_version=API_VERSION, httpx_async_client=self._http)
        # Without `vertexai` an environment variable decides whose API it is.
        self._sdk = Client(vertexai=False, api_key=settings.api_key(), http_options=options)

    def continues(self, request: GenerationRequest, model: str, so_far: Snapshot) -> bool:
        """See `Provider.continues`."""
        return False

    def stream(
        self, request: GenerationRequest, model: str, so_far: Snapshot | None = None
    ) -> AsyncGenerator[list[ProviderEvent], None]:
        """See `Provider.stream`."""
        return follow(self.name, lambda: self._send(request, model), GeminiReader(self.name))

    async def _send(self, request: GenerationRequest, model: str) -> httpx2.Response:
        path = f"{resource(model)}:streamGenerateContent?alt=sse"
        built = self._sdk._api_client._build_request("post", path, {})
        content = msgspec.json.encode(request.with_extra(self.name, body(request, model)))
        sent = self._http.build_request("POST", built.url, headers=built.headers, content=content, timeout=TIMEOUT)
        response = await self._http.send(sent, stream=True)
        if response.status_code == 200:
            return response
        raise await self._refusal(response)

    async def _refusal(self, response: httpx2.Response) -> ProviderError:
        raw = b""
        try:
            async for piece in response.aiter_bytes():
                raw += piece
                if len(raw) > MAX_ERROR:
                    break
        finally:
            await response.aclose()
        try:
            document = json.loads(raw)
        except (ValueError, RecursionError):
            document = None
        # Some errors come as a list of one, as the unframed stream has it.
        error = document[0] if isinstance(document, list) and document else document
        return from_status(self.name, response.status_code, response.headers, error)

    async def cancel(self, request: GenerationRequest, response_id: str) -> None:
        """See `Provider.cancel`: no answer outlives its connection here."""

    async def aclose(self) -> None:
        """See `Provider.aclose`."""
        await self._http.aclose()
        self._sdk.close()


def resource(model: str) -> str:
    """A model's resource name as a path (API reference: "Models"); nothing in it can lead to another address."""
    collection, _, name = model.partition("/")
    if collection not in _COLLECTIONS or not name:
        collection, name = "models", model
    return f"{collection}/{quote(name, safe='')}"
