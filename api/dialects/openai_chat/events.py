"""OpenAI Chat Completions as a dialect (API reference: "Streaming events", `chat.completion.chunk`).

Each event is one `data:` line. There are no `id:` and no `retry:` lines, on which openai-python up to 3.57 raises.
"""

from api.dialects.openai_chat.framer import NAME, ChatFramer
from api.viewing.dialect import ResetReason, Subject
from shared.record import DialectName


class OpenAIChatDialect:
    """OpenAI Chat Completions."""

    name: DialectName = NAME
    heartbeat = b": \n"
    """A comment, without a blank line: that would end a block, which some clients give as an empty event."""
    drain = b""
    """A stream that ends without its last chunk must break off: some clients take any clean end for whole."""
    ending = b"data: [DONE]\n\n"

    def framer(self, subject: Subject) -> ChatFramer:
        """Implements `Dialect.framer`."""
        return ChatFramer(subject)

    def opening(self) -> bytes:
        """Implements `Dialect.opening`: a stream begins with its first event."""
        return b""

    def queued(self, generation_id: str, position: int | None) -> bytes:
        """Implements `Dialect.queued`: Chat has no word for it."""
        return b""

    def reset(self, reason: ResetReason) -> bytes:
        """Implements `Dialect.reset`: Chat has no word for it."""
        return b""
