"""Requests that are refused, in words or with a status that only one provider has."""

from typing import Any, Final

from simulator.quirks.quirk import ALL, Quirk, Refusal
from simulator.request import RequestRefusedError


def _quirk(
    name: str,
    says: str,
    message: str,
    status: int = 400,
    body: Any = None,
    *,
    code: str | None = None,
    param: str | None = None,
) -> Quirk:
    refused = RequestRefusedError(status, message, code=code, param=param)
    return Quirk(name, says, refusals=dict.fromkeys(ALL, Refusal(refused, body)))


def _too_long(who: str, says: str, message: str, code: str | None = None) -> Quirk:
    return _quirk(f"too-long-{who}", f"400: the request is too long, in the words of {says}.", message, code=code)


_CLOUDFLARE: Final = {
    "result": None,
    "success": False,
    "errors": [{"code": 5021, "message": "AiError: The estimated number of input and maximum output tokens (40000) "
                "exceeded this model context window limit (32768)."}],
    "messages": [],
}  # fmt: skip

QUIRKS: Final = (
    _too_long(
        "openai", "OpenAI", "This model's maximum context length is 128000 tokens.", code="context_length_exceeded"
    ),
    _too_long(
        "xai",
        "xAI",
        "This model's maximum prompt length is 131072 but the request contains 164000 tokens.",
    ),
    _too_long("kimi", "Kimi", "Invalid request: Your request exceeded model token limit: 131072"),
    _too_long("qwen", "Qwen", "Range of input length should be [1, 129024]"),
    _too_long("vllm", "vLLM", "The decoder prompt (length 5000) is longer than the maximum model length of 4096."),
    _too_long("sglang", "SGLang", "The input (5000 tokens) is longer than the model's context length (4096 tokens)."),
    _too_long("ollama", "Ollama", "prompt too long; exceeded max context length by 904 tokens"),
    _too_long("claude", "Claude", "input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000"),
    _too_long(
        "copilot",
        "GitHub Copilot",
        "prompt token count of 136000 exceeds the limit of 128000",
        code="model_max_prompt_tokens_exceeded",
    ),
    _quirk(
        "too-long-github",
        "413 with `tokens_limit_reached` (GitHub Models).",
        "Request body too large for this model. Max size: 8000 tokens.",
        413,
        code="tokens_limit_reached",
    ),
    _quirk("too-long-cloudflare", "413 with a list of `errors` (Cloudflare Workers AI).", "", 413, _CLOUDFLARE),
    _quirk(
        "wrong-key-xai",
        "400 for a wrong key (xAI).",
        "",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Incorrect API key provided: sk***. You can obtain an API key from https://console.x.ai.",
        },
    ),
    _quirk("status-424", "424 Failed Dependency, which passes (gateways).", "Failed Dependency", 424),
    _quirk(
        "parameter-refused",
        "400 that names the parameter in `param` (OpenAI).",
        "Unsupported value.",
        param="reasoning_effort",
    ),
    _quirk(
        "parameter-path",
        "400 whose message begins with the parameter's path (Anthropic).",
        "tools.80.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12.",
    ),
)
