"""What the dialect says beside a log's events: nothing that a client would take for an end."""

from __future__ import annotations

from api.dialects.ai_sdk.events import AiSdkDialect
from tests.api.dialects.ai_sdk.logs import ID, SUBJECT


def test_what_is_not_said_breaks_the_stream() -> None:
    dialect = AiSdkDialect()
    assert dialect.drain == dialect.reset("trimmed") == dialect.queued(ID, 1) == dialect.opening() == b""
    assert dialect.heartbeat.startswith(b":")
    assert dialect.ending == b"data: [DONE]\n\n"
    assert dialect.framer(SUBJECT).epoch == 1
