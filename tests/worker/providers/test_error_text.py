"""Wordings of "too long" and "wrong key" as services and servers have them, and what only looks like one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from worker.providers.error_text import says_too_long, says_wrong_key

TOO_LONG = {
    "OpenAI Chat": "This model's maximum context length is 8192 tokens. However, your messages resulted in 8227 "
    "tokens. Please reduce the length of the messages.",
    "OpenAI Responses": "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "Azure": "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 509178 tokens.",
    "Anthropic": "prompt is too long: 213462 tokens > 200000 maximum",
    "Anthropic, with the answer": "input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000, "
    "decrease input length or `max_tokens` and try again",
    "Anthropic over a gateway": "Request size exceeds model context window",
    "Claude over LiteLLM": "litellm.BadRequestError: AnthropicException - prompt is too long: 9 tokens > 8 maximum",
    "Google": "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
    "Vertex": "Unable to submit request because the input token count is 1200000 but model only supports up to "
    "1048576.",
    "xAI": "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "Kimi": "Invalid request: Your request exceeded model token limit: 262144 (requested: 291351)",
    "DashScope": "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]",
    "vLLM 0.6": "This model's maximum context length is 32768 tokens. However, you requested 41648 tokens "
    "(37552 in the "
    "messages, 4096 in the completion). Please reduce the length of the messages or completion.",
    "vLLM 0.10": "The decoder prompt (length 5951) is longer than the maximum model length of 4096. Make sure that "
    "`max_model_len` is no smaller than the number of text tokens.",
    "vLLM, images": "The prompt (total length 25938) is too long to fit into the model (context length 4096).",
    "vLLM, characters": "This model's maximum context length is 32768 tokens. However, you requested 4096 "
    "output tokens "
    "and your prompt contains 200000 characters (more than 130688 characters).",
    "vLLM, offline words": "Input prompt (5000 tokens) is too long and exceeds limit of 4096",
    "vLLM, answer and prompt": "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's "
    "maximum context "
    "length is 8192 tokens and your request has 100 input tokens (8192 > 8192 - 100).",
    "SGLang": "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
    "SGLang, with the answer": "Requested token count exceeds the model's maximum context length of 4096 tokens. You "
    "requested a total of 5000 tokens: 4000 tokens from the input messages and 1000 tokens for the completion.",
    "SGLang, older": "Input length (5000 tokens) exceeds the maximum allowed length (4095 tokens). Use a "
    "shorter input.",
    "llama.cpp": "the request exceeds the available context size, try increasing it",
    "llama.cpp, newer": "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
    "llama.cpp, while it answers": "Context size has been exceeded.",
    "llama-cpp-python": "Requested tokens (5000) exceed context window of 4096",
    "LM Studio": "Trying to keep the first 6000 tokens when context the overflows. However, the model is loaded with "
    "context length of only 4096 tokens, which is not enough.",
    "LM Studio, older": "The number of tokens to keep from the initial prompt is greater than the context length.",
    "Ollama": "prompt too long; exceeded max context length by 904 tokens",
    "Ollama, older": "the input length exceeds the context length",
    "GitHub Copilot": "prompt token count of 136000 exceeds the limit of 128000",
    "GitHub Models": "Request body too large for gpt-4o model. Max size: 8000 tokens.",
    "Mistral": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "Cohere": "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.",
    "Cohere, Chat": "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs.",
    "Groq": "Please reduce the length of the messages or completion.",
    "Cerebras": "Please reduce the length of the messages or completion. Current length is 42328 while limit is 40000",
    "Together": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 "
    "`inputs` tokens",
    "TGI": "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",
    "Fireworks": "The prompt is too long: 264613, model maximum context length: 262141",
    "Bedrock": "Input is too long for requested model.",
    "Bedrock, exception": "ValidationException: Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
    "Databricks": "Bad request: rpc error: code = InvalidArgument desc = prompt token count (140000) cannot "
    "exceed 128000.",
    "OpenRouter": "This endpoint's maximum context length is 32768 tokens. However, you requested about 42832 tokens.",
    "Poolside": "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
    "Cloudflare": "AiError: The estimated number of input and maximum output tokens (40000) exceeded this model "
    "context "
    "window limit (32768).",
    "MiniMax": "invalid params, context window exceeds limit (2013)",
    "Zhipu": "Prompt exceeds max length",
    "Zhipu, Chinese": "Prompt 超长",
    "Volcengine": "Total tokens of image and text exceed max message tokens",
    "Baidu": "Prompt tokens too long",
    "DS4": "Prompt has 5000 tokens, but the configured context size is 4096 tokens",
    "Triton": "Prompt length (5000) exceeds maximum input length (4096).",
    "AI21": "Prompt has too many tokens",
    "Vercel": "Tokens in request more than max tokens allowed",
    "SiliconFlow": "length of prompt_tokens (140000) must be less than max_seq_len (131072).",
    "Snowflake": "max tokens of 128000 exceeded",
    "watsonx": "the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model",
    "a local server": "Context limit is 49152 tokens; prompt=51402",
    "a gateway": "Request too long: 5000 input tokens over the limit of 4096",
    "another gateway": "The number of tokens in the input exceeds the maximum of the model",
    "a third": "The conversation exceeds the model's maximum context",
    "Chinese": "输入长度超过模型上限",
    "LiteLLM": "litellm.ContextWindowExceededError: ContextWindowExceededError: OpenAIException - too much",
    "a code within": "Error code: 400 - {'error': {'code': 'context_length_exceeded'}}",
    "lines": "prompt\n  is too long:\n 9 tokens > 8 maximum",
}


@pytest.mark.parametrize("text", TOO_LONG.values(), ids=TOO_LONG)
@pytest.mark.parametrize("change", [str, str.upper, "400 Bad Request: {}".format], ids=["", "upper", "gateway"])
def test_too_long(text: str, change: Callable[[str], str]) -> None:
    assert says_too_long(change(text))


@pytest.mark.parametrize(
    "text",
    [
        # Limits of a minute, which waiting mends.
        "Rate limit reached for gpt-4 in organization org-1 on tokens per min (TPM): Limit 10000, Requested 12000.",
        "Request too large for model `llama` on tokens per minute (TPM): Limit 6000, Requested 9000, please "
        "reduce your "
        "message size and try again.",
        "This request would exceed your organization's rate limit of 40,000 input tokens per minute. Please reduce the "
        "prompt length or the maximum tokens requested.",
        "Too many tokens, please wait before trying again.",
        "ThrottlingException: Too many tokens per day, please wait before trying again.",
        "Token limit exceeded, please try again later.",
        "Rate limit exceeded: input token count exceeds the limit",
        "You exceeded your current quota. Quota exceeded for metric: input_token_count, limit: 250000",
        # Limits of the answer.
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you "
        "provided 100000.",
        "max_completion_tokens is too large: 1298829. This model supports at most 1048576",
        "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5",
        "Range of max_tokens should be [1, 8192]",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        "max_tokens exceeds the limit of 8192",
        "max_tokens (10000) cannot exceed 8192. Please reduce the length of max output tokens generated.",
        "too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model",
        "The maximum tokens you requested exceeds the model limit of 4096. Try again with a lower value.",
        "The requested output token limit exceeds the model token limit",
        "Unable to submit request because it has a maxOutputTokens value of 100000 but the supported range is 1 "
        "to 65537",
        "`max_tokens` must be greater than `thinking.budget_tokens`.",
        # Limits of bytes, items and characters.
        "Request exceeds the maximum allowed number of bytes.",
        "Request payload size exceeds the limit: 20971520 bytes.",
        "Request too large (max 32 MB). Try with a smaller file.",
        "413 Request Entity Too Large",
        "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 6000000 bytes > 5242880 bytes",
        "At least one of the image dimensions exceed max allowed size: 8000 pixels",
        "Image input exceeds the limit of 10 images",
        "Invalid 'input': string too long. Expected a string with maximum length 10485760, but got a longer one.",
        "Invalid 'tools': array too long. Expected an array with maximum length 128, but got 130 instead.",
        "Tool argument validation failed: input length exceeds 1000 characters",
        # Others.
        "messages: text content blocks must be non-empty",
        "This model does not support the context window beta",
        "Your credit balance is too low to access the API.",
        "Invalid value: 'tokens'. Supported values are: 'text' and 'image_url'.",
        "context_management: Extra inputs are not permitted",
        "",
    ],
)
def test_another_limit(text: str) -> None:
    assert not says_too_long(text)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Incorrect API key provided: na***ys. You can obtain an API key from https://console.x.ai.", True),
        ("API key not valid. Please pass a valid API key.", True),
        ("API Key not found. Please pass a valid API key.", True),
        ("API key expired. Please renew the API key.", True),
        ("Invalid API Key", True),
        ("invalid api_key", True),
        ("The API key is invalid", True),
        ("The API key may not use this model", False),
        ("Invalid value for 'messages[0].role'", False),
        ("Invalid token count", False),
        ("the key of a tool is invalid", False),
    ],
)
def test_a_wrong_key(text: str, wrong: bool) -> None:
    assert says_wrong_key(text) is wrong
