"""The messages of a conversation."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.request.messages import AssistantMessage


def test_an_answer_says_something() -> None:
    with pytest.raises(ValidationError, match="needs content, refusal or tool_calls"):
        AssistantMessage.model_validate({"role": "assistant", "reasoning": [{"text": "Hm."}], "tool_calls": []})
    assert AssistantMessage.model_validate({"role": "assistant", "content": []}).content == ""
    assert AssistantMessage.model_validate({"role": "assistant", "refusal": "No."}).content is None
