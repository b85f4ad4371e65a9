"""What a Chat Completions answer is called: its id and model, and the configuration and tier that served it."""

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from shared.log.events import Response
from worker.providers.openai_chat.chunk import ChatChunk

MAX_NAME_CHARS = 256
"""Characters of what an answer's configuration and tier are called."""


class Names:
    """The names so far. The first chunk that has one counts, as some have another id in each; of tiers the last too."""

    def __init__(self) -> None:
        self.known = Response()
        self._tier: object = None

    def read(self, chunk: ChatChunk, request_id: str | UnsetType) -> Response | None:
        """Returns the names, where a chunk has new ones."""
        known = self.known
        if chunk.service_tier is not None:
            self._tier = chunk.service_tier
        if (
            known.response_id
            and known.model
            and (known.system_fingerprint or not chunk.system_fingerprint)
            and (known.service_tier or not chunk.service_tier)
        ):
            return None
        latest = Response(
            response_id=known.response_id or chunk.id or UNSET,
            model=known.model or chunk.model or UNSET,
            request_id=request_id or (chunk.x_groq and chunk.x_groq.id) or known.request_id,
            system_fingerprint=known.system_fingerprint or _word(chunk.system_fingerprint),
            service_tier=known.service_tier or _word(chunk.service_tier),
        )
        if latest == known:
            return None
        self.known = latest
        return replace(latest)

    def last(self) -> Response | None:
        """Returns the names once more where another tier served the answer in the end."""
        tier = _word(self._tier)
        if not tier or tier == self.known.service_tier:
            return None
        self.known = replace(self.known, service_tier=tier)
        return replace(self.known)


def _word(value: object) -> str | UnsetType:
    """Returns a name; UNSET where it is none, or too long to be one."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARS else UNSET
