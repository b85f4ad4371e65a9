"""The message before anything was said."""

from __future__ import annotations

from api.dialects.anthropic_messages.message import message_of
from tests.api.dialects.anthropic_messages.conftest import SUBJECT, TAIL


def test_its_name_has_the_epoch_after_the_first() -> None:
    assert [message_of(SUBJECT, epoch)["id"] for epoch in (1, 3)] == [f"msg_{TAIL}", f"msg_{TAIL}-3"]
    assert message_of(SUBJECT)["model"] == "claude-haiku-4-5"
