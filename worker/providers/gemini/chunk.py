"""What a Gemini stream is made of (API reference: `GenerateContentResponse`): the fields that we read."""

from typing import Any, Self

from msgspec import Struct

from shared.log.events import Usage
from worker.providers.gemini.modalities import Modalities

CITING_FIELDS = {
    "citation_metadata": "citationMetadata",
    "grounding_metadata": "groundingMetadata",
    "url_context_metadata": "urlContextMetadata",
}
"""Fields of a candidate that say where its text comes from, and their names in the protocol."""

KEPT_FIELDS = {
    "finish_message": "finishMessage",
    "safety_ratings": "safetyRatings",
    "avg_logprobs": "avgLogprobs",
    "logprobs_result": "logprobsResult",
    "continuation_token": "continuationToken",
}
"""Fields of a candidate that have no place in our events, and are kept as they are."""

RUNNING_FIELDS = frozenset({"safetyRatings", "avgLogprobs"})
"""Kept fields that say something of all that was said so far (Vertex), so that the first and the last are enough."""

NAMING_FIELDS = frozenset({"responseId", "modelVersion", "createTime"})
"""Fields of a chunk that say nothing by themselves."""

READ_FIELDS = NAMING_FIELDS | {"candidates", "promptFeedback", "usageMetadata", "error"}

UNSPECIFIED_BLOCK_REASONS = frozenset({"BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED", "0", "null"})
"""Block reasons that are none, as a prompt that is taken may have one."""

COUNT_FIELDS = frozenset(
    {
        "promptTokenCount",
        "cachedContentTokenCount",
        "toolUsePromptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "totalTokenCount",
    }
)
"""Counts that are read, and their sum."""


class Piece(Struct, gc=False, rename="camel"):
    """What the protocol calls a part: some text, or something whole."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: dict[str, Any] | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    tool_call: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None
    inline_data: dict[str, Any] | None = None
    file_data: dict[str, Any] | None = None


class Content(Struct, gc=False):
    """What a chunk adds to an answer."""

    parts: list[Piece] | None = None


class Candidate(Struct, gc=False, rename="camel"):
    """One of the answers."""

    content: Content | None = None
    index: int | None = None
    finish_reason: str | None = None
    citation_metadata: Any = None
    grounding_metadata: Any = None
    url_context_metadata: Any = None
    finish_message: Any = None
    safety_ratings: Any = None
    avg_logprobs: Any = None
    logprobs_result: Any = None
    continuation_token: Any = None


class Counts(Struct, gc=False, rename="camel"):
    """Tokens so far. `prompt_token_count` includes the cached ones; no other count includes another."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None

    def update(self, later: Self) -> None:
        """Takes later counts over; they are cumulative, and one that is missing has not changed."""
        for field in self.__struct_fields__:
            if (value := getattr(later, field)) is not None:
                setattr(self, field, value)

    @property
    def input_tokens(self) -> int:
        """By our rules: what the provider's own tools found is input too."""
        return (self.prompt_token_count or 0) + (self.tool_use_prompt_token_count or 0)

    def usage(self, modalities: Modalities) -> Usage:
        """Returns all of them by our rules: thoughts are output."""
        thoughts = self.thoughts_token_count or 0
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=(self.candidates_token_count or 0) + thoughts,
            cached_tokens=self.cached_content_token_count or 0,
            reasoning_tokens=thoughts,
            audio_input_tokens=modalities.audio_input,
            audio_output_tokens=modalities.audio_output,
        )


class Feedback(Struct, gc=False, rename="camel"):
    """What the provider thinks of the prompt; there only where it refuses it."""

    block_reason: str | None = None


class GeminiChunk(Struct, gc=False, rename="camel"):
    """One event of the stream."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: Any = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None
