"""The AI SDK's UI message stream as a dialect (AI SDK: "Stream Protocols", version 1).

Each event is one `data:` line. A client begins every stream anew, from its `start`, and so there are no `id:` lines.
"""

from api.dialects.ai_sdk.framer import NAME, UiMessageFramer
from api.viewing.dialect import ResetReason, Subject
from shared.record import DialectName


class AiSdkDialect:
    """The UI message stream."""

    name: DialectName = NAME
    heartbeat = b": \n"
    """A comment, without a blank line."""
    drain = b""
    """A client takes a clean end for the answer's, and begins again after a broken connection only."""
    ending = b"data: [DONE]\n\n"

    def framer(self, subject: Subject) -> UiMessageFramer:
        """Implements `Dialect.framer`."""
        return UiMessageFramer(subject)

    def opening(self) -> bytes:
        """Implements `Dialect.opening`: a stream begins with its first event."""
        return b""

    def queued(self, generation_id: str, position: int | None) -> bytes:
        """Implements `Dialect.queued`: nothing is said of the line."""
        return b""

    def reset(self, reason: ResetReason) -> bytes:
        """Implements `Dialect.reset`: what was said cannot be taken back in a stream that version 6 reads."""
        return b""
