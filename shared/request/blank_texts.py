"""Messages and texts without anything to read, which some providers refuse and we leave out, and what that leaves last.

Anthropic: "text content blocks must be non-empty" and "must contain non-whitespace text"; Gemini refuses empty parts
(API reference: `Content`). An answer at the end is the beginning of the next one: Claude goes on from it, or refuses it
(API reference: "Errors", "Prefill not supported"); what was meant as a question must not become that unseen.
"""

from collections.abc import Callable, Iterator

from shared.request.generation_request import GenerationRequest
from shared.request.message_parts import ResultPart, TextPart
from shared.request.messages import AssistantMessage, Message, SystemMessage, ToolMessage
from shared.request.unsupported import Unsupported

FAILED_RESULT = "Error"
"""What a failed tool's result says where it says nothing: Anthropic refuses an empty one ("content cannot be empty if
`is_error` is true"), and where no field says that it failed, its text has to."""

HasText = Callable[[str], bool]


def has_text(text: str) -> bool:
    """Says whether there is more than white space."""
    return bool(text) and not text.isspace()


def result_of(message: ToolMessage) -> str | list[ResultPart]:
    """Returns what a tool's result says; of a failed one that says nothing, that it failed."""
    content = message.content
    texts = [content] if isinstance(content, str) else [part.text for part in content if isinstance(part, TextPart)]
    only_text = isinstance(content, str) or len(texts) == len(content)
    return FAILED_RESULT if message.is_error and only_text and not any(map(has_text, texts)) else content


def nothing_said(request: GenerationRequest, counts: HasText) -> Iterator[Unsupported]:
    """Yields the messages where all that would be sent is nothing, or an answer where a blank question follows it.

    What comes before a request that goes on from another is not known until it runs.
    """
    if request.previous is not None:
        return
    blank: int | None = None
    for at in range(len(request.messages) - 1, -1, -1):
        message = request.messages[at]
        if isinstance(message, SystemMessage):
            continue
        if not _says_something(message, counts):
            blank = at if blank is None else blank
            continue
        if blank is not None and isinstance(message, AssistantMessage):
            yield Unsupported(f"/messages/{blank}/content", "is blank, and the answer before it would be the last word")
        return
    yield Unsupported("/messages", "this provider needs a message that is neither system nor empty")


def ends_with_answer(request: GenerationRequest, counts: HasText) -> int | None:
    """Returns the place of an answer that nothing follows; None where something does."""
    for at in range(len(request.messages) - 1, -1, -1):
        message = request.messages[at]
        if not isinstance(message, SystemMessage) and _says_something(message, counts):
            return at if isinstance(message, AssistantMessage) else None
    return None


def _says_something(message: Message, counts: HasText) -> bool:
    if isinstance(message, ToolMessage):
        return True
    if isinstance(message, AssistantMessage) and (counts(message.refusal or "") or message.tool_calls):
        return True
    content = message.content or ""
    if isinstance(content, str):
        return counts(content)
    return any(not isinstance(part, TextPart) or counts(part.text) for part in content)
