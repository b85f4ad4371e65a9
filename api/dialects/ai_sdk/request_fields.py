"""What becomes of each field of a request. `DefaultChatTransport` sends four; its `body` adds what an app chooses."""

from shared.request.generation_request import GenerationRequest

SENT = frozenset({"id", "messages", "trigger", "messageId"})
"""What every `useChat` sends. The last two say which of its messages is made anew, and change no answer."""

READ = frozenset({"system", "tools", "toolChoice", "tool_choice"})
"""What is looked at here."""

MAPPED = {
    "maxOutputTokens": "max_tokens",
    "topP": "top_p",
    "topK": "top_k",
    "stopSequences": "stop",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "onInterrupt": "on_interrupt",
    "reasoningEffort": "reasoning_effort",
}
"""The AI SDK's words for fields of ours ("Settings")."""

OTHERS = frozenset({"stream", "previous", "conversation"})
"""Fields of ours that say nothing here: a chat's answer is a stream, its messages repeat all before, and its id is its
conversation."""

SAME = frozenset(GenerationRequest.model_fields) - READ - OTHERS - {"messages"}
"""Fields of ours."""
