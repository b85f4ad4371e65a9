"""Google Gemini (API reference: "Generating content", `models.streamGenerateContent`).

Without Google's SDK: a request is one POST with the key in a header, and the SDK weighs more than all the rest of a
worker (docs/decisions/0016-gemini-without-its-sdk.md). The tests hold what is sent and read against the SDK.
"""

from collections.abc import AsyncGenerator
from urllib.parse import quote

import httpx2

from shared.config.provider_settings import ProviderSettings
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside
from shared.request.generation_request import GenerationRequest
from shared.request.request_json import encode
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.error_layers import body_of
from worker.providers.errors import from_status
from worker.providers.gemini.reader import GeminiReader
from worker.providers.gemini.request import body
from worker.providers.http_client import http_client
from worker.providers.provider import ProviderEvent
from worker.providers.rewording import Rewording
from worker.providers.stream import follow

API_VERSION = "v1beta"
"""Not `v1`: this one has the newest features and names like `gemini-flash-latest`, and the servers that imitate the
service know it."""

_COLLECTIONS = ("models", "tunedModels")


class GeminiAdapter:
    """One Gemini endpoint."""

    def __init__(self, name: str, settings: ProviderSettings, times: CallTimes = CALL_TIMES) -> None:
        self.name = name
        self.idle_timeout = settings.idle_timeout
        self._times = times
        self._http = http_client(settings.address, times)
        self._root = f"{settings.root.rstrip('/')}/{API_VERSION}"
        # API reference, "Authentication": the key goes in a header, where no access log has it.
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": "midstream",
            **settings.key_headers,
        }

    def continues(self, request: GenerationRequest, model: str, so_far: Snapshot) -> bool:
        """Implements `Provider.continues`."""
        return False

    def stream(
        self, request: GenerationRequest, model: str, so_far: Snapshot | None = None
    ) -> AsyncGenerator[list[ProviderEvent], None]:
        """Implements `Provider.stream`."""
        words = Rewording(self.name, "gemini", None)
        return follow(
            self.name,
            lambda: self._send(request, model, words),
            GeminiReader(self.name),
            self._times,
            reword=words.back,
        )

    async def _send(self, request: GenerationRequest, model: str, words: Rewording) -> httpx2.Response:
        url = f"{self._root}/{resource(model)}:streamGenerateContent?alt=sse"
        content = await aside(
            request.size(), lambda: encode(request.with_extra(self.name, body(words.sent(request), model)))
        )
        sent = self._http.build_request(
            "POST", url, headers=self._headers, content=content, timeout=self._times.timeout
        )
        response = await self._http.send(sent, stream=True)
        if response.is_success:
            return response
        raise from_status(self.name, response.status_code, response.headers, body_of(response.content))

    async def cancel(self, request: GenerationRequest, response_id: str) -> None:
        """Implements `Provider.cancel`: no answer outlives its connection here."""

    async def aclose(self) -> None:
        """Implements `Provider.aclose`."""
        await self._http.aclose()


def resource(model: str) -> str:
    """Returns a model's resource name as a path (API reference: "Models") that cannot lead to another address."""
    collection, _, name = model.partition("/")
    if collection not in _COLLECTIONS or not name:
        collection, name = "models", model
    return f"{collection}/{quote(name, safe='')}"
