"""Requests that are refused in one provider's words."""

import json

import pytest

from tests.simulator.quirks.asked import ALL, LOREM, Asker

WORDS = {
    "too-long-openai": (400, "maximum context length is 128000"),
    "too-long-xai": (400, "maximum prompt length is 131072"),
    "too-long-kimi": (400, "exceeded model token limit"),
    "too-long-qwen": (400, "Range of input length should be"),
    "too-long-vllm": (400, "longer than the maximum model length"),
    "too-long-sglang": (400, "longer than the model's context length"),
    "too-long-ollama": (400, "exceeded max context length"),
    "too-long-claude": (400, "exceed context limit"),
    "too-long-copilot": (400, "exceeds the limit of 128000"),
    "too-long-github": (413, "Request body too large for this model"),
    "too-long-cloudflare": (413, "exceeded this model context window limit"),
    "wrong-key-xai": (400, "Incorrect API key provided"),
    "status-424": (424, "Failed Dependency"),
    "parameter-refused": (400, "Unsupported value"),
    "parameter-path": (400, "tools.80.custom.input_schema: "),
}


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("quirk", "expected"), WORDS.items())
async def test_status_and_words(ask: Asker, protocol: str, stream: bool, quirk: str, expected: tuple[int, str]) -> None:
    odd = await ask(protocol, LOREM, quirk, stream=stream)
    assert (odd.status, odd.content_type) == (expected[0], "application/json")
    assert expected[1] in str(json.loads(odd.body))


async def test_codes_and_parameters_where_the_protocol_has_them(ask: Asker) -> None:
    async def error(quirk: str) -> dict[str, str]:
        found: dict[str, str] = json.loads((await ask("openai_chat", LOREM, quirk)).body)["error"]
        return found

    assert (await error("too-long-openai"))["code"] == "context_length_exceeded"
    assert (await error("too-long-copilot"))["code"] == "model_max_prompt_tokens_exceeded"
    assert (await error("too-long-github"))["code"] == "tokens_limit_reached"
    assert (await error("too-long-kimi"))["code"] is None
    assert (await error("parameter-refused"))["param"] == "reasoning_effort"
