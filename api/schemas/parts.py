"""What an answer consists of, put together: its parts, their tool calls parsed, and the JSON document that it is."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from shared import strict_json
from shared.log.events import Completed, PartKind
from shared.log.snapshots import PartSoFar, Snapshot


class PartAnswer(BaseModel):
    """One part, put together. Fields below `complete` are there only where the provider said something for them."""

    kind: PartKind
    text: str | None = Field(
        default=None, description="What it says; null for a tool call and a file, which have fields of their own."
    )
    call_id: str | None = None
    name: str | None = None
    arguments: Any = Field(default=None, description="Of a complete tool call, parsed: an object, nearly always.")
    complete: bool = Field(description="Whether the part has ended.")
    part: int | None = Field(
        default=None,
        description="While it runs: the `part` by which events of the present attempt speak of it; null for one of an "
        "earlier attempt, which only a `part` with `resumes` can go on with. Absent after the end.",
    )
    arguments_text: str | None = Field(
        default=None, description="The arguments as they came, where they cannot be parsed, or not yet."
    )
    arguments_error: str | None = Field(default=None, description="Why the arguments cannot be parsed.")
    executor: Literal["client", "provider"] | None = Field(default=None, description="Who runs the tool.")
    summary: bool | None = Field(default=None, description="Whether reasoning is the provider's summary of it.")
    item_id: str | None = Field(default=None, description="The provider's own id of it.")
    signature: str | None = Field(default=None, description="Opaque; of use to `provider` only.")
    encrypted: str | None = Field(default=None, description="Opaque reasoning; of use to `provider` only.")
    provider: str | None = Field(default=None, description="Whom `signature` and `encrypted` are of.")
    media_type: str | None = None
    url: str | None = Field(default=None, description="Where a file is that was not sent along.")
    data: str | None = Field(default=None, description="A file's content in Base64 (RFC 4648).")
    size: int | None = Field(default=None, description="Bytes of a file's content.")
    is_error: bool | None = Field(default=None, description="Whether a tool's result says that the tool failed.")
    result_type: str | None = Field(
        default=None, description="The provider's own type of a tool's result, such as `web_search_tool_result`."
    )
    annotations: list[dict[str, Any]] | None = Field(default=None, description="Citations, as the provider gave them.")
    annotation_protocol: str | None = Field(
        default=None, description="The protocol whose shape `annotations` have, such as `openai-responses`."
    )
    logprobs: list[Any] | None = Field(
        default=None,
        description="Of the tokens, where they were asked for and came, as OpenAI Chat has them: `token`, `logprob`, "
        "`bytes`, `top_logprobs`.",
    )


def fields_of(part: PartSoFar, *, over: bool) -> dict[str, Any]:
    """Returns the fields of PartAnswer; with `over`, what has not ended yet never will."""
    own: dict[str, Any] = {
        "kind": part.kind,
        "complete": part.ended,
        "call_id": part.call_id,
        "name": part.name,
        "text": None,
        "arguments": None,
    }
    if not over:
        own["part"] = part.place
    text = part.text
    if part.kind == "tool_call":
        own |= _arguments(text, ended=part.ended, over=over)
    elif part.kind == "file":
        # Every four characters are three bytes, but for what `=` fills up.
        own |= {"data": text, "size": len(text) // 4 * 3 - text[-2:].count("=")} if text else {}
    else:
        own["text"] = text
    others = {
        "executor": part.executor,
        "summary": part.summary,
        "item_id": part.item_id,
        "signature": part.signature,
        "encrypted": part.encrypted,
        "provider": part.provider,
        "media_type": part.media_type,
        "url": part.url,
        "is_error": part.is_error,
        "result_type": part.result_type,
        "annotations": part.annotations or None,
        "annotation_protocol": part.annotation_protocol,
        "logprobs": part.logprobs,
    }
    return own | {name: value for name, value in others.items() if value is not None}


def _arguments(text: str, *, ended: bool, over: bool) -> dict[str, Any]:
    """Returns a tool call's arguments. No text at all is how some providers say that there are none."""
    if ended:
        value, error = strict_json.read(text or "{}")
        return {"arguments_text": text, "arguments_error": error} if error else {"arguments": value}
    return {"arguments_text": text} | ({"arguments_error": "broke off before its end"} if over else {})


def document(said: Snapshot) -> strict_json.JsonReading:
    """Returns the JSON document that an ended answer is, or why it is none."""
    if not isinstance(said.end, Completed):
        return strict_json.JsonReading(None, "the answer broke off before its end")
    if not said.text:
        refused = any(part.kind == "refusal" for part in said.parts)
        return strict_json.JsonReading(None, "the model refused; see the refusal" if refused else "there is no text")
    reading = strict_json.read(said.text)
    if said.end.finish_reason == "stop":
        return reading
    # An object or a list shows its own end; a number may lack its last digits.
    if reading.error is None and isinstance(reading.value, dict | list):
        return reading
    flaw = f"{reading.error or 'may be cut'}; the answer ended for the reason {said.end.finish_reason}"
    return strict_json.JsonReading(None, flaw)
