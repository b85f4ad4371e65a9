"""A POST of `useChat` as a GenerationRequest has it (AI SDK: "Transport", `HttpChatTransport` of its package `ai`)."""

from typing import Any

from api.dialects.ai_sdk import request_fields as fields
from api.dialects.ai_sdk.messages import Messages
from api.dialects.ai_sdk.tools import tools_of
from api.dialects.dialect_request import DialectRequest
from api.dialects.names import read_name
from api.problems.problem import FieldError, ProblemError
from shared.config.protocols import Protocol


def read(body: dict[str, Any], *, provider: str, protocol: Protocol) -> DialectRequest:
    """Returns what a body asks for. Raises ProblemError 400 for what cannot be honoured."""
    reading = _Reading({name: value for name, value in body.items() if value is not None})
    if reading.errors:
        raise ProblemError(
            400,
            "unsupported_field",
            "The request cannot be honoured",
            "Change what is named and send the request again.",
            errors=reading.errors,
        )
    return DialectRequest(
        native=reading.native,
        stream=True,
        echo=reading.echo,
        pointer=reading.pointer,
        previous=reading.previous,
    )


class _Reading:
    def __init__(self, body: dict[str, Any]) -> None:
        self.errors: list[FieldError] = []
        self.native: dict[str, Any] = {}
        self.echo: dict[str, Any] = {}
        self.previous: str | None = None
        self._body = body
        self._moved: dict[str, str] = {"/conversation": "/id"}
        """Places in the body, by the place in a request of ours that has another pointer."""
        for name, value in body.items():
            self._field(name, value)
        self._chat()
        self._messages()
        self._tools()

    def pointer(self, native: str) -> str:
        """Returns where in the body a place in a request of ours stands."""
        found = [place for place in self._moved if native == place or native.startswith(place + "/")]
        if not found:
            return native
        longest = max(found, key=len)
        return self._moved[longest] + native[len(longest) :]

    def _refuse(self, pointer: str, message: str) -> None:
        self.errors.append(FieldError(pointer=pointer, message=message))

    def _field(self, name: str, value: Any) -> None:
        if name in fields.SENT or name in fields.READ:
            return
        if name in fields.MAPPED:
            self.native[fields.MAPPED[name]] = [value] if name == "stopSequences" and isinstance(value, str) else value
            self._moved[f"/{fields.MAPPED[name]}"] = f"/{name}"
        elif name in fields.SAME:
            self.native[name] = value
        else:
            self._refuse(f"/{name}", "is not known here; leave it out of the transport's body")

    def _chat(self) -> None:
        if "id" not in self._body:
            self._refuse("/id", "is required: it is the chat's id, by which its stream is resumed")
        else:
            self.native["conversation"] = self._body["id"]

    def _messages(self) -> None:
        given = self._body.get("messages")
        if not isinstance(given, list):
            self._refuse("/messages", "must be a list of the chat's messages")
            return
        messages = Messages(given, self._body.get("system"))
        self.errors += messages.errors
        self._moved |= messages.moved
        self.native["messages"] = messages.native
        if calls := _call_ids(given):
            self.echo["calls"] = calls
        answers = [one for one in given if isinstance(one, dict) and one.get("role") == "assistant"]
        if answers:
            self.previous = _generation_of(answers[-1])
        if answers and given[-1] is answers[-1] and isinstance(given[-1].get("id"), str):
            self.echo["message"] = given[-1]["id"]
            if isinstance(parts := given[-1].get("parts"), list):
                self.echo["earlier"] = [part for part in parts if isinstance(part, dict)]
            if isinstance(metadata := given[-1].get("metadata"), dict):
                self.echo["metadata"] = metadata

    def _tools(self) -> None:
        choice = self._body.get("toolChoice", self._body.get("tool_choice"))
        if "tools" in self._body:
            tools = tools_of(self._body["tools"])
            if tools is None:
                self._refuse("/tools", "must be tools by their names, or a list of functions as Chat has them")
            else:
                self.native["tools"] = tools.native
                self._moved |= tools.moved
        if choice is not None:
            match choice:
                case {"type": "tool", "toolName": str(name)}:
                    choice = {"type": "function", "function": {"name": name}}
            self.native["tool_choice"] = choice
            if "toolChoice" in self._body:
                self._moved["/tool_choice"] = "/toolChoice"


def _call_ids(messages: list[Any]) -> list[str]:
    """Returns the ids of the calls in a chat, each once."""
    lists = (message.get("parts") for message in messages if isinstance(message, dict))
    parts = (part for parts in lists if isinstance(parts, list) for part in parts if isinstance(part, dict))
    ids = (part.get("toolCallId") for part in parts)
    return list(dict.fromkeys(id for id in ids if isinstance(id, str)))


def _generation_of(message: dict[str, Any]) -> str | None:
    """Returns the generation that an answer came from last: its metadata names it, else its own id."""
    metadata = message.get("metadata")
    for said in (metadata.get("generation") if isinstance(metadata, dict) else None, message.get("id")):
        if isinstance(said, str) and (name := read_name(said)) is not None:
            return name.id
    return None
