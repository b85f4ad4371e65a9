"""A request of OpenAI Responses as a generation's (API reference: "Create a model response")."""

from collections.abc import Mapping
from typing import Any

from api.dialects.dialect_request import DialectRequest
from api.dialects.openai_responses.conversation import Conversation
from api.dialects.openai_responses.fields import (
    IGNORED,
    IGNORED_ELSEWHERE,
    INCLUDED,
    INCLUDED_OF_TOOLS,
    MAPPED,
    OWN,
    REFUSED,
    REFUSED_ELSEWHERE,
    SAME,
)
from api.dialects.openai_responses.pointers import Pointers, refused, wrong
from api.dialects.openai_responses.repeated import repeated
from api.dialects.openai_responses.tools import Tools
from shared.config.protocols import Protocol

_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh"})


def conversation_of(body: Mapping[str, Any]) -> str | None:
    """Returns the conversation from whose newest response a body goes on; None where it names a response, or none.

    OpenAI has only one of the two in a request; here a response that is named wins. Raises ProblemError 400.
    """
    if body.get("conversation") is None or body.get("previous_response_id") is not None:
        return None
    return conversation_named(body)


def conversation_named(body: Mapping[str, Any]) -> str:
    """Returns the conversation that a body names: by its id, or an object that has that. Raises ProblemError 400."""
    named = body["conversation"]
    name = named.get("id") if isinstance(named, dict) and named.keys() == {"id"} else named
    if not isinstance(name, str):
        raise wrong("/conversation", 'must be the id of a conversation, or {"id": …}')
    return name


def read(body: dict[str, Any], *, provider: str, protocol: Protocol) -> DialectRequest:
    """Returns the request as a generation has it; `provider` will be asked, and speaks `protocol`.

    Raises ProblemError 400 for what cannot be honoured. A null counts as absent.
    """
    given = {name: value for name, value in body.items() if value is not None}
    return _Reading(given, provider, protocol).read()


class _Reading:
    def __init__(self, given: dict[str, Any], provider: str, protocol: Protocol) -> None:
        self._given = given
        self._provider = provider
        self._own_protocol = protocol == "openai-responses"
        self._pointers = Pointers()
        self._native: dict[str, Any] = {}
        self._extra: dict[str, Any] = {}
        """What only this provider gets."""
        self._echo: dict[str, Any] = {}
        self._ignored: list[str] = []
        self._conversation = Conversation(protocol, self._pointers)

    def read(self) -> DialectRequest:
        given, native = self._given, self._native
        if given.get("background") is True and given.get("store") is False:
            raise refused("/background", "needs store: what is not stored cannot be asked for later")
        for name in ("background", "store", "stream"):
            if not isinstance(given.get(name, False), bool):
                raise wrong(f"/{name}", "must be true or false")
        for name in given.keys() - MAPPED - OWN:
            self._other(name)
        native |= {name: given[name] for name in (*SAME, *sorted(OWN)) if name in given}
        self._penalties()
        self._say()
        self._tools()
        self._text(given.get("text"))
        self._reason(given.get("reasoning"))
        self._include()
        if self._extra:
            self._add_extra()
        self._echo |= repeated(given)
        return DialectRequest(
            native=native,
            stream=given.get("stream", False),
            background=given.get("background", False),
            echo=self._echo,
            ignored=(*self._ignored, *self._conversation.ignored),
            pointer=self._pointers,
        )

    def _other(self, name: str) -> None:
        """Takes a field that no generation has."""
        if name in REFUSED:
            raise refused(f"/{name}", REFUSED[name])
        if name in IGNORED:
            self._ignored.append(name)
        elif self._own_protocol:
            self._extra[name] = self._given[name]
        elif name in IGNORED_ELSEWHERE:
            if name == "prompt_cache_options" and _member(self._given[name], "prewarm"):
                raise refused(f"/{name}/prewarm", "cannot be honoured by this provider; leave it out")
            self._ignored.append(name)
        elif name == "image" and _member(self._given[name], "context_compression") in (None, "auto"):
            self._ignored.append(name)
        elif name in REFUSED_ELSEWHERE:
            why = f"{REFUSED_ELSEWHERE[name]}, and can be honoured by a provider of protocol openai-responses only"
            raise refused(f"/{name}", why)
        else:
            raise refused(f"/{name}", "is not a field of this request; leave it out")

    def _penalties(self) -> None:
        """Leaves out penalties of 0, which clients of Open Responses send, and which say nothing."""
        for name in ("frequency_penalty", "presence_penalty"):
            if self._native.get(name) == 0:
                del self._native[name]

    def _say(self) -> None:
        given, conversation = self._given, self._conversation
        if "instructions" in given:
            conversation.instruct(given["instructions"])
        if "input" in given:
            conversation.take(given["input"])
        elif "previous_response_id" not in given:
            raise wrong("/input", "is missing")
        self._native["messages"] = conversation.messages
        if "previous_response_id" in given:
            self._native["previous"] = given["previous_response_id"]
        if "conversation" in given:
            name = conversation_named(given)
            self._native["conversation"] = name
            self._echo["conversation"] = {"id": name}
        if "max_output_tokens" in given:
            self._native["max_tokens"] = given["max_output_tokens"]
        truncation = given.get("truncation", "disabled")
        if truncation == "auto" and self._own_protocol:
            self._extra["truncation"] = truncation
        elif truncation != "disabled":
            raise refused("/truncation", "can be disabled only: what is too long for the model is refused by it")
        if "model" in given:
            self._native["model"] = given["model"]

    def _tools(self) -> None:
        given = self._given
        tools = Tools(own_protocol=self._own_protocol, pointers=self._pointers)
        if "tools" in given:
            tools.take(given["tools"])
        if "tool_choice" in given:
            tools.choose(given["tool_choice"])
        if tools.native:
            self._native["tools"] = tools.native
        if tools.choice is not None:
            self._native["tool_choice"] = tools.choice
        self._extra |= tools.extra
        self._echo |= tools.echo

    def _text(self, text: Any) -> None:
        """Takes the form of the text, and how long it is to be."""
        if text is None:
            return
        if not isinstance(text, dict):
            raise wrong("/text", "must be an object")
        text = {name: value for name, value in text.items() if value is not None}
        shown = {"format": {"type": "text"}, **text}
        form = text.pop("format", {"type": "text"})
        if not isinstance(form, dict):
            raise wrong("/text/format", "must be an object")
        form = {name: value for name, value in form.items() if value is not None}
        if form.get("type") == "json_schema":
            fields = {name: value for name, value in form.items() if name != "type"}
            self._native["response_format"] = {"type": "json_schema", "json_schema": fields}
            shown["format"] = {"description": None, "strict": False, **form}
        elif form != {"type": "text"}:
            self._native["response_format"] = form
        if "verbosity" in text:
            self._native["verbosity"] = text.pop("verbosity")
        self._rest("text", text)
        self._echo["text"] = shown

    def _reason(self, reasoning: Any) -> None:
        """Takes how much is to be reasoned. How it is told is OpenAI's to choose; any other tells what it has."""
        if reasoning is None:
            return
        if not isinstance(reasoning, dict):
            raise wrong("/reasoning", "must be an object")
        reasoning = {name: value for name, value in reasoning.items() if value is not None}
        effort = reasoning.get("effort")
        if not isinstance(reasoning.get("summary", ""), str):
            raise wrong("/reasoning/summary", "must be a string")
        if effort is not None and (effort in _EFFORTS if isinstance(effort, str) else True):
            self._native["reasoning_effort"] = effort
        elif effort is not None and not self._own_protocol:
            self._native["reasoning_effort"] = effort  # the validation names it
        rest = reasoning.keys() - {"effort"}
        if self._own_protocol and (rest or "reasoning_effort" not in self._native):
            self._extra["reasoning"] = reasoning
        elif rest:
            self._ignored += [f"reasoning.{name}" for name in sorted(rest & {"summary", "generate_summary"})]
            self._rest("reasoning", {name: reasoning[name] for name in rest - {"summary", "generate_summary"}})
        self._echo["reasoning"] = {"effort": effort, "summary": reasoning.get("summary")}

    def _rest(self, field: str, rest: dict[str, Any]) -> None:
        """Takes members of a field that no generation has."""
        if rest and not self._own_protocol:
            raise refused(f"/{field}/{min(rest)}", "is not a field that this provider knows; leave it out")
        if rest:
            self._extra[field] = {**self._given[field]}

    def _include(self) -> None:
        given, wanted = self._given, self._given.get("include", [])
        if not isinstance(wanted, list):
            raise wrong("/include", "must be a list")
        if "message.output_text.logprobs" in wanted or given.get("top_logprobs"):
            self._native["logprobs"] = True
        others = [value for value in wanted if not (isinstance(value, str) and value in INCLUDED)]
        if others and self._own_protocol:
            self._extra["include"] = others
        for at, value in enumerate(wanted):
            if value in others and not self._own_protocol:
                if not (isinstance(value, str) and value in INCLUDED_OF_TOOLS):
                    raise refused(f"/include/{at}", "is nothing that can be included; leave it out")
                self._ignored.append(f"include.{value}")
        if self._native.get("top_logprobs") == 0:
            del self._native["top_logprobs"]

    def _add_extra(self) -> None:
        """Adds what only this provider gets to what the caller gives it by `extra`, which counts more."""
        for name in self._extra:
            self._pointers.put(f"/extra/{self._provider}/{name}", f"/{name}")
        extra = self._native.get("extra")
        if extra is None:
            self._native["extra"] = {self._provider: self._extra}
        elif isinstance(extra, dict) and isinstance(own := extra.get(self._provider, {}), dict):
            self._native["extra"] = {**extra, self._provider: {**self._extra, **own}}


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
