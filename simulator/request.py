"""What a client asked for, whatever the protocol, and how a request is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.tool_choice import AUTO, ToolChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The fields of a request that change the answer."""

    model: str
    stream: bool
    last_user: str
    """Text of the last user message."""
    prompt_tokens: int
    """Counted as one token for four characters of all messages, at least 1."""
    max_tokens: int | None
    tools: tuple[str, ...]
    """Names of the tools offered, in order."""
    tool_choice: ToolChoice = AUTO
    after_tool: bool = False
    """Whether the conversation ends in a tool's result, which the answer follows."""
    include_usage: bool = True
    background: bool = False
    """Whether the run goes on when the connection dies (Responses)."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What an answer repeats of its request, in the protocol's own form (Responses)."""
    logprobs: int | None = None
    """How many alternatives each token of text is to have beside its logprob; None: no logprobs are wanted."""
    include: tuple[str, ...] = ()
    """What else the answer is to have (Responses)."""
    prefix: str = ""
    """The beginning of the answer, which is to go on from there."""


class RequestRefusedError(Exception):
    """The request is answered with this HTTP status and the protocol's error document."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: str | None = None,
    ):
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after


def text_of(content: object) -> str:
    """The text of a message's `content`: a string, or a list of parts of which those with text count."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def messages_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The checked `messages`. Raises `RequestRefusedError` (400) where they are missing or of another shape."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestRefusedError(400, "messages: a list of at least one message is required", param="messages")
    for n, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise RequestRefusedError(400, f"messages.{n}: an object with a role is required", param=f"messages.{n}")
    return messages


def last_user_text(messages: list[dict[str, Any]]) -> str:
    users = [message for message in messages if message["role"] == "user"]
    return text_of(users[-1].get("content")) if users else ""


def count_tokens(texts: list[str]) -> int:
    return max(1, sum(len(text) for text in texts) // 4)


def token_limit(body: dict[str, Any], *names: str) -> int | None:
    """The first of the named limits that is set. Raises `RequestRefusedError` (400) unless it is a positive integer."""
    for name in names:
        limit = body.get(name)
        if limit is None:
            continue
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise RequestRefusedError(400, f"{name}: must be an integer of at least 1", param=name)
        return limit
    return None


def model_of(body: dict[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise RequestRefusedError(400, "model: a non-empty string is required", param="model")
    return model


def stream_of(body: dict[str, Any]) -> bool:
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise RequestRefusedError(400, "stream: must be true or false", param="stream")
    return bool(stream)
