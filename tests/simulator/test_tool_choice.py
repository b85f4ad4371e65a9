from typing import Any

import pytest

from simulator.tool_choice import AUTO, ToolChoice, calling_config, tool_choice


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        (None, AUTO),
        ("auto", AUTO),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("required", "f")),
        ({"type": "function", "name": "f"}, ToolChoice("required", "f")),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "tool", "name": "f"}, ToolChoice("required", "f")),
        ({"type": "none"}, ToolChoice("none")),
        ({"type": "auto", "name": "f"}, AUTO),
        (7, AUTO),
        ([], AUTO),
        ({}, AUTO),
        ("other", AUTO),
        ({"type": []}, AUTO),
        ({"type": "function", "function": {"name": 7}}, ToolChoice("required")),
    ],
)
def test_the_words_of_chat_responses_and_messages(given: Any, choice: ToolChoice) -> None:
    assert tool_choice(given) == choice


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        (None, AUTO),
        ({"mode": "AUTO"}, AUTO),
        ({"mode": "VALIDATED"}, AUTO),
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": "ANY"}, ToolChoice("required")),
        ({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}, ToolChoice("required", "f")),
        (7, AUTO),
        ([], AUTO),
        ({}, AUTO),
        ({"mode": []}, AUTO),
        ({"mode": "ANY", "allowedFunctionNames": 7}, ToolChoice("required")),
    ],
)
def test_the_words_of_gemini(given: Any, choice: ToolChoice) -> None:
    assert calling_config({"functionCallingConfig": given}) == choice
    assert calling_config(given) == AUTO
