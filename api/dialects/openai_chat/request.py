"""A request of Chat Completions (API reference: "Create chat completion") as a GenerationRequest has it."""

from typing import Any

from api.dialects.dialect_request import DialectRequest
from api.dialects.openai_chat import request_fields as fields
from api.dialects.openai_chat.messages import BREAKPOINT, Messages
from api.dialects.openai_chat.tools import Tools
from api.problems.problem import FieldError, ProblemError
from shared.config.protocols import Protocol
from shared.request.generation_request import RESERVED_FIELDS

PROTOCOL: Protocol = "openai-chat"


def read(body: dict[str, Any], *, provider: str, protocol: Protocol) -> DialectRequest:
    """Returns what a body asks of this provider. Raises ProblemError 400 for what cannot be honoured."""
    reading = _Reading({name: value for name, value in body.items() if value is not None}, provider, protocol)
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
        stream=reading.stream,
        echo=reading.echo,
        ignored=tuple(reading.ignored),
        pointer=reading.pointer,
    )


class _Reading:
    def __init__(self, body: dict[str, Any], provider: str, protocol: Protocol) -> None:
        self.errors: list[FieldError] = []
        self.ignored: list[str] = []
        self.native: dict[str, Any] = {}
        self.echo: dict[str, Any] = {}
        self._body, self._provider, self._same_protocol = body, provider, protocol == PROTOCOL
        self._passed: dict[str, Any] = {}
        """What only the provider knows."""
        self._moved: dict[str, str] = {}
        """Places in the body, by the place in a request of ours that has another pointer."""
        self.stream = self._stream()
        self._looks()
        for name, value in body.items():
            self._field(name, value)
        self._parts()
        self._pass()

    def pointer(self, native: str) -> str:
        """Returns where in the body a place in a request of ours stands."""
        found = [place for place in self._moved if native == place or native.startswith(place + "/")]
        if not found:
            return native
        longest = max(found, key=len)
        return self._moved[longest] + native[len(longest) :]

    def _refuse(self, pointer: str, message: str) -> None:
        self.errors.append(FieldError(pointer=pointer, message=message))

    def _stream(self) -> bool:
        stream = self._body.get("stream", False)
        if not isinstance(stream, bool):
            self._refuse("/stream", "must be true or false")
            return False
        options = self._body.get("stream_options", {})
        if not isinstance(options, dict):
            self._refuse("/stream_options", "must be an object; put its fields into { }")
            return stream
        for name, value in options.items():
            if name not in ("include_usage", "include_obfuscation"):
                self._refuse(f"/stream_options/{name}", "is not known here; leave it out")
            elif not (value is None or isinstance(value, bool)):
                self._refuse(f"/stream_options/{name}", "must be true or false")
        if options.get("include_obfuscation") is not None:
            self.ignored.append("stream_options.include_obfuscation")
        if stream:
            self.echo["include_usage"] = options.get("include_usage") is True
        return stream

    def _looks(self) -> None:
        """Looks at what says how it is answered."""
        if (count := self._body.get("n", 1)) != 1 or isinstance(count, bool):
            self._refuse("/n", "must be 1: one answer is made of a request; send the request several times")
        if self._body.get("modalities", ["text"]) != ["text"]:
            self._refuse("/modalities", 'must be ["text"]: an answer is text; leave it out')

    def _field(self, name: str, value: Any) -> None:
        if name in ("messages", "tools", "tool_choice", "extra") or name in fields.READ:
            return
        if name in fields.MAPPED:
            self.native[fields.MAPPED[name]] = value
            self._moved[f"/{fields.MAPPED[name]}"] = f"/{name}"
        elif isinstance(value, str) and (nearest := fields.NEAREST.get((name, value))) is not None:
            (self._passed if self._same_protocol else self.native)[name] = value if self._same_protocol else nearest
        elif name in fields.SAME:
            if self._same_protocol or name not in fields.NEUTRAL or value != fields.NEUTRAL[name]:
                self.native.setdefault(name, value)
        elif name in fields.REFUSED:
            self._refuse(f"/{name}", fields.REFUSED[name])
        elif self._same_protocol and name not in RESERVED_FIELDS:
            self._passed[name] = value
        elif name in fields.IGNORED:
            self.ignored.append(name)
        else:
            self._refuse(f"/{name}", fields.REFUSED_ELSEWHERE.get(name, "is not known here; leave it out"))

    def _parts(self) -> None:
        if isinstance(given := self._body.get("messages"), list):
            messages = Messages(given)
            self.native["messages"] = messages.native
            self.errors += messages.errors
            self._moved |= messages.moved
            if messages.passed_over:
                self.ignored.append(f"messages.content.{BREAKPOINT}")
        elif given is not None:
            self.native["messages"] = given
        tools = Tools(self._body.get("tools"), self._body.get("tool_choice"), same_protocol=self._same_protocol)
        self.native |= tools.native
        self.errors += tools.errors
        self._passed |= tools.extra
        for ours, place in enumerate(tools.places):
            if ours != place:
                self._moved[f"/tools/{ours}"] = f"/tools/{place}"

    def _pass(self) -> None:
        """Puts what only the provider knows beside what the caller has for it."""
        extra = self._body.get("extra")
        if self._passed and (extra is None or isinstance(extra, dict)):
            own = (extra or {}).get(self._provider)
            extra = (extra or {}) | {self._provider: self._passed | (own if isinstance(own, dict) else {})}
            for name in self._passed:
                self._moved[f"/extra/{self._provider}/{name}"] = f"/{name}"
        if extra is not None:
            self.native["extra"] = extra
