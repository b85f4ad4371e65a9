"""What an error's text says, where its code does not: that the request is too long, or that the key is wrong.

The text is only looked at. It may repeat the prompt, so none of it goes any further.
"""

import re

_MAX_CHARS = 8_000
"""Characters of a text that are looked at: what it says is at its beginning, and a prompt it repeats may be long."""

_CONTEXT = r"(?:context[ _-]?(?:length|window|size|limit|budget)|n_ctx|max_(?:seq|model|input)_len)"
_EXCESS = (
    r"(?:exceed|surpass|longer|too (?:long|large|big|small)|maximum|\bmax\b|greater|larger|less than|overflow|only"
    r"|beyond|not enough)"
)
_INPUT = r"(?:prompt|input|request|requested|conversation|messages|history)"
_COUNT = r"(?:\W{0,3}[\d,]+(?: tokens?)?\W{0,2})?"

_TOO_LONG = {
    "OpenAI, Azure, DeepSeek, vLLM, SGLang, OpenRouter, Cloudflare: maximum context length is …": (
        rf"{_EXCESS}.{{0,60}}{_CONTEXT}"
    ),
    "MiniMax, LM Studio, Together, Anthropic: context window exceeds": (
        rf"{_CONTEXT}(?:.{{0,60}}{_EXCESS}| is [\d,]+)|exceeds? (?:the )?(?:model.s )?(?:max(?:imum)? )?context\b"
    ),
    "Anthropic, Bedrock, Fireworks, Ollama, Baidu, newer vLLM: prompt is too long": (
        rf"\b{_INPUT}(?: tokens?| text)?(?: length)?(?: \([^)]{{0,40}}\))? (?:(?:is|are|was) )?too long"
    ),
    "xAI, vLLM, Triton, Poolside: maximum prompt length is …": (
        r"\bmax(?:imum)?(?: allowed)? (?:prompt|model|input|sequence|request) length"
    ),
    "SGLang: exceeds the maximum allowed length (4096 tokens)": r"maximum allowed length \([\d,]+ tokens\)",
    "Google, Azure, Copilot, Volcengine, Databricks, Bedrock: input token count exceeds": (
        rf"\b(?:{_INPUT}|total) tokens?\b[^.]{{0,60}}(?:exceed|greater than|larger than|only supports)"
    ),
    "Triton, Zhipu, Poolside: prompt length exceeds": (
        rf"\b(?:prompt|input|conversation)(?: text)?(?: length)?{_COUNT} (?:would )?"
        r"(?:exceeds?|exceeded|is (?:greater|larger|longer) than)\b(?!.{0,40}characters)"
        r".{0,60}(?:tokens?|length|context)"
    ),
    "Kimi: exceeded model token limit": (
        r"exceed(?:s|ed)? (?:the )?(?:model(?:.s)? )?(?:max(?:imum)? )?(?:token limit|tokens? allowed)"
    ),
    "Novita: token limit exceeded": r"(?<!output )token limit exceeded",
    "Vercel, Snowflake: tokens in request more than max tokens allowed": (
        r"tokens in (?:the |your )?(?:prompt|input|request|messages).{0,40}(?:more than|exceed|greater|larger)"
        r"|max tokens of [\d,]+ exceeded"
    ),
    "Cohere: too many tokens: total number of tokens in the prompt": (
        r"too many tokens: (?:total number|size limit|minimal context)"
    ),
    "AI21: prompt has too many tokens": rf"\b{_INPUT} (?:has|have|contains?) too many tokens|too many input tokens",
    "Groq, Cerebras, OpenAI: reduce the length of the messages": (
        rf"reduce (?:the )?(?:length of )?(?:the |your )?{_INPUT}\b"
    ),
    "DashScope: range of input length should be": r"range of input length should be",
    "Hugging Face TGI, Together: inputs must have less than 4096 tokens": (
        r"\binputs\W{1,2}must have less than [\d,]+ tokens|\binputs\W{1,2}tokens \+ \W?max_new_tokens\W? must be"
    ),
    "DS4: prompt has 5000 tokens, but the configured context size is": r"tokens?, but .{0,30}context",
    "GitHub Models: Request body too large for gpt-4o model. Max size: 8000 tokens": r"max size: [\d,]+ tokens",
    "OpenRouter, LiteLLM and others: a code within the text": (
        r"context_?(?:length|window)_?exceeded|exceed_context_size|max_prompt_tokens_exceeded|tokens_limit_reached"
        r"|(?:prompt|input)_too_long"
    ),
    "Zhipu: Prompt 超长": r"(?:prompt|输入|上下文|提示词).{0,12}(?:超长|过长|超过|超出|超限)",
}
"""Whose wording it is, and its pattern. The wordings are from the services' documentation, the servers' source and
public bug reports of those who use them."""

_TOO_LONG_PATTERN = re.compile("|".join(_TOO_LONG.values()), re.IGNORECASE)

_OTHER_LIMIT = re.compile(
    r"rate.?limit|per.?(?:min|minute|second|hour|day)\b|\b[TR]P[MDS]\b|too many requests|throttl|try again later|quota"
    r"|\bbytes\b|\d ?(?:[KMG]i?B|megabytes)\b",
    re.IGNORECASE,
)
"""A limit on tokens a minute, or on bytes: neither says that the request is too long for the model."""

_OUTPUT = re.compile(r"max_?(?:completion_|output_|new_)?tokens|(?:output|completion) tokens?", re.IGNORECASE)
_NOT_OUTPUT = re.compile(r"context|prompt|input|messages", re.IGNORECASE)

_WRONG_KEY = re.compile(
    r"\b(?:incorrect|invalid|wrong|expired|missing|no) api.?key|api.?key (?:\S+ )?(?:is |was |has )?"
    r"(?:not valid|invalid|incorrect|not found|expired|missing|wrong)",
    re.IGNORECASE,
)


def says_too_long(text: str) -> bool:
    """Says whether an error's text means that the request does not fit into the model's context.

    A limit of the answer alone (`max_tokens`), of tokens a minute or of bytes is another error.
    """
    head = " ".join(text[:_MAX_CHARS].split())
    if _TOO_LONG_PATTERN.search(head) is None or _OTHER_LIMIT.search(head) is not None:
        return False
    return _OUTPUT.search(head) is None or _NOT_OUTPUT.search(head) is not None


def says_wrong_key(text: str) -> bool:
    """Says whether an error's text means that the key is wrong: xAI and Google answer that with 400."""
    return _WRONG_KEY.search(text[:_MAX_CHARS]) is not None
