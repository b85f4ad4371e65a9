"""Which addresses are OpenAI's own."""

from __future__ import annotations

import pytest

from shared.config.openai_hosts import is_openai


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("https://api.openai.com/v1", True),
        ("https://API.openai.com", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://acme.openai.azure.com/openai/v1", True),
        ("https://acme.services.ai.azure.com/models?api-version=2024-05-01-preview", False),
        ("https://api.openai.com.evil.test/v1", False),
        ("https://openrouter.ai/api/v1?host=api.openai.com", False),
        ("http://127.0.0.1:9/v1", False),
    ],
)
def test_who_is_openai(address: str, own: bool) -> None:
    assert is_openai(address) is own
