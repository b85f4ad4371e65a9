"""One chunk of a Chat Completions stream (API reference: `chat.completion.chunk`), and what its imitators add.

Fields that are not declared here make the strict decoder refuse the chunk; `unknown` then finds them, so that nothing
is lost and the usual chunk costs no more for it.
"""

from typing import Any

from msgspec import Struct, json

from worker.providers.lenient_json import decode


class Function(Struct, gc=False, forbid_unknown_fields=True):
    """A called function; `arguments` is a fragment of JSON text, or (Ollama) the whole value."""

    name: str | None = None
    arguments: Any = None


class ToolCallDelta(Struct, gc=False, forbid_unknown_fields=True):
    """A tool call or a fragment of one."""

    index: int | None = None
    id: str | None = None
    type: Any = None
    function: Function | None = None


class ChunkDelta(Struct, gc=False, forbid_unknown_fields=True):
    """What a chunk adds to the message."""

    role: Any = None
    content: str | list[Any] | None = None
    """Text; a list of typed chunks at Mistral, whose models think in them."""
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: list[Any] | None = None
    """Sent by OpenRouter."""
    thinking_blocks: list[Any] | None = None
    """Sent by LiteLLM beside `reasoning_content`: Anthropic's blocks with their signatures."""
    provider_specific_fields: Any = None
    """Sent by LiteLLM, much of it said in other fields too."""
    refusal: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    function_call: Function | None = None
    annotations: list[Any] | None = None
    audio: dict[str, Any] | None = None
    images: list[Any] | None = None
    """Sent by OpenRouter and LiteLLM."""

    def specific(self) -> dict[str, Any]:
        """Returns what only `provider_specific_fields` says."""
        fields = self.provider_specific_fields
        if not isinstance(fields, dict):
            return {}
        return {n: value for n, value in fields.items() if value is not None and value != getattr(self, n, None)}


class Choice(Struct, gc=False, forbid_unknown_fields=True):
    """One of the answers; we ask for one."""

    index: int | None = None
    delta: ChunkDelta | None = None
    finish_reason: str | None = None
    logprobs: Any = None
    native_finish_reason: Any = None
    stop_reason: Any = None
    token_ids: Any = None
    content_filter_results: Any = None

    def about(self) -> dict[str, Any]:
        """Returns what is said of the choice and has no place in our events."""
        if self.logprobs is self.native_finish_reason is self.stop_reason is self.token_ids is None:
            return {"content_filter_results": self.content_filter_results} if self.content_filter_results else {}
        said = {
            "logprobs": self.logprobs,
            "native_finish_reason": self.native_finish_reason,
            "stop_reason": self.stop_reason,
            "token_ids": self.token_ids,
            "content_filter_results": self.content_filter_results or None,
        }
        return {name: value for name, value in said.items() if value is not None}


class Groq(Struct, gc=False):
    """`x_groq`: the request's id, and the usage in the last chunk."""

    id: str | None = None
    usage: Any = None
    error: Any = None


class ChatChunk(Struct, gc=False, forbid_unknown_fields=True):
    """A chunk. What OpenAI repeats with every chunk about itself (`created`, `p`, …) is not part of the answer."""

    id: str | None = None
    object: Any = None
    created: Any = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: Any = None
    error: Any = None
    system_fingerprint: Any = None
    service_tier: Any = None
    obfuscation: Any = None
    p: Any = None
    provider: Any = None
    x_groq: Groq | None = None

    def about(self) -> dict[str, Any]:
        """Returns what is said of the answer and has no place in our events."""
        return {} if self.provider is None else {"provider": self.provider}

    def failure(self) -> Any:
        """Returns the error that the answer ends with; None where it goes on."""
        return self.error if self.error is not None or self.x_groq is None else self.x_groq.error

    def counted(self) -> Any:
        """Returns the usage so far."""
        return self.usage if self.usage is not None or self.x_groq is None else self.x_groq.usage


_chunks = json.Decoder(ChatChunk)


def read_chunk(name: str, data: bytes) -> tuple[ChatChunk, dict[str, Any], dict[str, Any]]:
    """Returns a chunk, with what it says that we do not know: of the message (`delta` and below), and about it.

    Raises ProviderError `invalid_response` for what is no chunk.
    """
    chunk, about = decode(name, _chunks, data)
    said: dict[str, Any] = {}
    for choice in about.pop("choices", ()) if about else ():
        if isinstance(choice, dict):
            choice.pop("index", None)
            if isinstance(delta := choice.pop("delta", None), dict):
                said |= delta
            about |= choice
    return chunk, said, about
