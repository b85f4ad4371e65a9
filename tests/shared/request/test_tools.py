"""Tools, and their calls."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.request.tools import ToolCall


def test_a_signature_is_somebodys() -> None:
    call = {"id": "a", "function": {"name": "rain", "arguments": "{}"}, "signature": "c2ln"}
    with pytest.raises(ValidationError, match="needs provider"):
        ToolCall.model_validate(call)
    assert ToolCall.model_validate({**call, "provider": "gemini"}).signature == "c2ln"
