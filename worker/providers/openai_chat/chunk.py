"""One chunk of a Chat Completions stream (API reference: `chat.completion.chunk`), and what its imitators add.

Fields that are not declared here make the strict decoder refuse the chunk; `unknown` then finds them, so that nothing
is lost and the usual chunk costs no more for it.
"""

from typing import Any

from msgspec import Struct, json

from worker.providers.finish_reasons import MEANINGS
from worker.providers.lenient_json import decode

PROTOCOL = "openai-chat"


class Function(Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """A called function; `arguments` is a fragment of JSON text, or (Ollama) the whole value."""

    name: str | None = None
    arguments: Any = None


class ToolCallDelta(Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """A tool call or a fragment of one."""

    index: int | None = None
    id: str | None = None
    type: Any = None
    function: Function | None = None
    extra_content: Any = None
    """Sent by Gemini's compatible endpoints: the call's signature."""
    name: str | None = None
    """With `arguments`, where there is no `function` around them."""
    arguments: Any = None


class ChunkDelta(Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """What a chunk adds to the message, or a whole message."""

    role: Any = None
    content: str | list[Any] | None = None
    """Text; a list of typed chunks at Mistral and Databricks, whose models think in them."""
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_text: Any = None
    """Sent by GitHub Copilot."""
    reasoning_opaque: Any = None
    """Sent by GitHub Copilot: what it wants back."""
    thinking: Any = None
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
    token_id: Any = None
    """Sent by Together: the number of the token that is in `content`."""
    usage: Any = None
    error: Any = None

    @property
    def thinks(self) -> bool:
        """Says whether there is reasoning beside the content."""
        return bool(
            self.reasoning_content
            or self.reasoning
            or self.reasoning_details
            or self.thinking_blocks
            or self.reasoning_text
            or self.thinking
            or self.reasoning_opaque
        )

    @property
    def calls_twice(self) -> bool:
        """Says whether `function_call` has a call of `tool_calls` once more, as gateways send it for older clients."""
        if self.function_call is None:
            return False
        names = [call.function.name for call in self.tool_calls or () if call.function is not None]
        return bool(names) and (not self.function_call.name or self.function_call.name in names)

    def specific(self) -> dict[str, Any]:
        """Returns what only `provider_specific_fields` says."""
        fields = self.provider_specific_fields
        if not isinstance(fields, dict):
            return {}
        return {n: value for n, value in fields.items() if value is not None and value != getattr(self, n, None)}


class Choice(Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """One of the answers; we ask for one."""

    index: int | None = None
    delta: ChunkDelta | None = None
    message: ChunkDelta | None = None
    """In place of `delta`, or beside it: the whole message, or what there is of it."""
    text: Any = None
    """Sent by Together, with the content of `delta`; the place of the text in answers of the older kind."""
    finish_reason: str | None = None
    usage: Any = None
    """Sent by Moonshot."""
    error: Any = None
    """Sent by OpenRouter."""
    seed: Any = None
    logprobs: Any = None
    native_finish_reason: Any = None
    stop_reason: Any = None
    """Sent by vLLM: the stop sequence, or the number of the token, that ended the answer."""
    matched_stop: Any = None
    """Sent by SGLang: the same."""
    token_ids: Any = None
    content_filter_results: Any = None

    @property
    def is_plain(self) -> bool:
        """Says whether it has nothing but what it adds, and a finish reason."""
        return (
            self.message is self.text is self.usage is self.error is self.logprobs is self.native_finish_reason
            is self.stop_reason is self.matched_stop is self.token_ids is self.content_filter_results is None
        )  # fmt: skip

    def tokens(self) -> dict[str, Any]:
        """Returns what is said of each token, which whoever asked for it wants in full."""
        if self.logprobs is self.token_ids is None:
            return {}
        return {n: value for n in ("logprobs", "token_ids") if (value := getattr(self, n)) is not None}

    def about(self) -> dict[str, Any]:
        """Returns what is said of the choice and has no place in our events."""
        if self.native_finish_reason is self.stop_reason is self.matched_stop is None:
            return {"content_filter_results": self.content_filter_results} if self.content_filter_results else {}
        said = {
            "native_finish_reason": self.native_finish_reason,
            "stop_reason": self.stop_reason,
            "matched_stop": self.matched_stop,
            "content_filter_results": self.content_filter_results or None,
        }
        stop = self.stop
        return {name: value for name, value in said.items() if value is not None and value != stop}

    @property
    def stop(self) -> str | None:
        """The stop sequence that ended it. A number is that of a token; a finish reason of any protocol is none."""
        for given in (self.stop_reason, self.matched_stop):
            if isinstance(given, str) and given and given not in MEANINGS:
                return given
        return None

    @property
    def said(self) -> ChunkDelta | None:
        """What it adds: `delta`, or a text that stands in its place."""
        delta, text = self.delta, self.text
        if isinstance(text, str) and text and (delta is None or delta.content is None) and self.message is None:
            if delta is None:
                return ChunkDelta(content=text)
            if not (delta.thinks or delta.tool_calls or delta.function_call or delta.refusal):
                delta.content = text
        return delta


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
    timings: Any = None
    """Sent by llama.cpp."""
    citations: Any = None
    """Sent by Perplexity and xAI."""
    search_results: Any = None
    """Sent by Perplexity."""
    x_groq: Groq | None = None

    def about(self) -> dict[str, Any]:
        """Returns what is said of the answer and has no place in our events."""
        if self.provider is self.timings is self.citations is self.search_results is None:
            return {}
        names = ("provider", "timings", "citations", "search_results")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

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
    if not about:
        return chunk, said, about
    for choice in about.pop("choices", ()):
        if isinstance(choice, dict):
            choice.pop("index", None)
            for field in ("message", "delta"):
                left = choice.pop(field, None)
                if isinstance(left, dict):
                    said |= left
                elif isinstance(left, str) and field == "delta" and (only := _only(chunk)) is not None:
                    only.delta = ChunkDelta(content=left)
                elif left:
                    about[field] = left
            about |= choice
    if isinstance(word := said.get("content"), bool) and (only := _only(chunk)) is not None:
        # A gateway that reads each piece as JSON: the model said the word.
        del said["content"]
        if (delta := only.delta or only.message) is not None:
            delta.content = str(word).lower()
    return chunk, said, about


def _only(chunk: ChatChunk) -> Choice | None:
    return chunk.choices[0] if chunk.choices is not None and len(chunk.choices) == 1 else None
