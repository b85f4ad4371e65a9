"""What becomes of each field of a request (API reference: "Create a model response"; Open Responses of 2026-04-24).

A provider of the same protocol gets what Midstream has no word for as it is. For any other provider such a field is
ignored where the answer is the same without it, and refused where it is not.
"""

MAPPED = frozenset(
    {
        "background", "conversation", "frequency_penalty", "include", "input", "instructions", "max_output_tokens",
        "metadata", "model", "parallel_tool_calls", "presence_penalty", "previous_response_id", "prompt_cache_key",
        "reasoning", "safety_identifier", "service_tier", "store", "stream", "temperature", "text", "tool_choice",
        "tools", "top_logprobs", "top_p", "truncation", "user",
    }
)  # fmt: skip
"""Fields that a generation has too, or that say how it is answered."""

IGNORED = {
    "stream_options": "Only asks for padding against those who measure the sizes of events. None is sent.",
}
"""Fields that change nothing here, and why."""

IGNORED_ELSEWHERE = {
    "background_options": "Says how long OpenAI may take in the background. The answer is the same without.",
    "client_metadata": "Names the session and the turn of Codex CLI, for OpenAI's own records. No model sees it.",
    "max_tool_calls": "Bounds the calls of OpenAI's own tools, of which no other provider has any.",
    "prompt_cache_options": "Says what OpenAI's cache keeps of the prompt. The answer is the same without.",
    "prompt_cache_retention": "Says how long OpenAI's cache keeps the prompt. The answer is the same without.",
}
"""Fields that a provider of another protocol does not get, and why the answer is the same without them."""

REFUSED_ELSEWHERE = {
    "access_programs": "is a programme of OpenAI's",
    "context_management": "has OpenAI shorten the conversation",
    "image": "has OpenAI compress images",
    "moderation": "has OpenAI judge what is asked and said",
}
"""Fields that only a provider of the same protocol can honour, and what they are."""

REFUSED = {
    "prompt": "cannot be honoured: prompts are not kept; send instructions and input",
}
"""Fields that nobody can honour here, and what to do instead."""

OWN = frozenset(
    {
        "fallback",
        "on_interrupt",
        "on_unwatched",
        "idle_timeout",
        "deadline",
        "ttl",
        "cache",
        "extra",
        "reasoning_budget",
    }
)
"""Midstream's own fields, which are taken as they are."""

SAME = (
    "frequency_penalty", "metadata", "parallel_tool_calls", "presence_penalty", "prompt_cache_key", "safety_identifier",
    "service_tier", "temperature", "top_logprobs", "top_p", "user",
)  # fmt: skip
"""Fields that have the same name and meaning in a generation."""

ECHOED = (
    "background", "frequency_penalty", "instructions", "max_output_tokens", "max_tool_calls", "metadata",
    "parallel_tool_calls", "presence_penalty", "previous_response_id", "prompt_cache_key", "prompt_cache_retention",
    "safety_identifier", "service_tier", "store", "temperature", "top_logprobs", "top_p", "truncation", "user",
)  # fmt: skip
"""Fields that a response repeats as they are; `reasoning`, `text`, `tools` and `tool_choice` in their full shape."""

INCLUDED = {
    "reasoning.encrypted_content": "Is there in any case.",
    "message.output_text.logprobs": "Asks for logprobs.",
}
"""Values of `include` that are honoured with any provider."""

INCLUDED_OF_TOOLS = frozenset(
    {
        "code_interpreter_call.outputs", "computer_call_output.output.image_url", "file_search_call.results",
        "message.input_image.image_url", "web_search_call.action.sources", "web_search_call.results",
    }
)  # fmt: skip
"""Values of `include` that say more of OpenAI's own tools, or of the input; there is nothing of it elsewhere."""
