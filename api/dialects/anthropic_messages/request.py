"""From a body of Messages to a request of ours (API reference: "Create a Message").

Both versions of the API are taken, 2023-06-01 and 2026-10-21: what the newer one refuses (sampling, citations in a
user's text, documents in an answer) is refused by the provider that cannot do it, and not by the version.
"""

from collections.abc import Mapping
from typing import Any

from api.dialects.anthropic_messages.checks import REQUIRED, a_list, an_object, cannot, only, within, wrong, yes_or_no
from api.dialects.anthropic_messages.conversation import Conversation
from api.dialects.anthropic_messages.fields import (
    IGNORED,
    MAPPED,
    OURS,
    PASSED_OR_IGNORED,
    PASSED_OR_REFUSED,
    REFUSED,
    REFUSED_AS,
    only_clears,
)
from api.dialects.anthropic_messages.places import Places
from api.dialects.anthropic_messages.thinking import read_thinking
from api.dialects.anthropic_messages.tools import read_tools
from api.dialects.dialect_request import DialectRequest
from shared.config.protocols import Protocol

_AS_THEY_ARE = ("model", "max_tokens", "temperature", "top_p", "top_k")
_TIERS: dict[Protocol, dict[str, str]] = {
    "openai-chat": {"auto": "auto", "standard_only": "default"},
    "openai-responses": {"auto": "auto", "standard_only": "default"},
}
"""Anthropic's words for the tier in others'."""
_OWN_TIERS = ("auto", "standard_only")
"""Anthropic's words, which a provider of the same protocol gets from our request's field."""


def read(body: dict[str, Any], *, provider: str, protocol: Protocol) -> DialectRequest:
    """Returns the request in a body, for this provider. Raises ProblemError for what cannot be honoured."""
    body = {name: value for name, value in body.items() if value is not None}
    return _Reading(body, provider, protocol).request()


def fields_of(headers: Mapping[str, str]) -> dict[str, Any]:
    """Returns what of the beta the headers say that a request uses, as the field that SDKs have for it."""
    betas = [one.strip() for one in headers.get("anthropic-beta", "").split(",")]
    return {"betas": named} if (named := [one for one in betas if one]) else {}


class _Reading:
    def __init__(self, body: dict[str, Any], provider: str, protocol: Protocol) -> None:
        self._body = body
        self._provider, self._protocol = provider, protocol
        self._same = protocol == "anthropic"
        self._places = Places()
        self._passed: dict[str, Any] = {}
        """What the provider gets as it is."""
        self._ignored: set[str] = set()

    def request(self) -> DialectRequest:
        """Returns the request. Raises ProblemError."""
        body = self._body
        for name in ("model", "max_tokens", "messages"):
            if name not in body:
                raise wrong(within("", name), REQUIRED)
        self._sort()
        native: dict[str, Any] = {name: body[name] for name in _AS_THEY_ARE if name in body}
        conversation = Conversation(self._places, protocol_is_same=self._same)
        if "system" in body:
            conversation.begin(body["system"])
        conversation.read(body["messages"])
        native["messages"] = conversation.messages
        self._ignored |= conversation.ignored
        self._rest(native)
        read_tools(body, native, self._passed, self._places, conversation.tool_changes, same=self._same)
        read_thinking(body, native, self._passed, self._places, conversation.effort, same=self._same)
        native |= {name: body[name] for name in OURS if name in body}
        if self._passed:
            native["extra"] = self._extra()
        stream = yes_or_no(body, "stream", "")
        return DialectRequest(native, stream=stream, ignored=tuple(sorted(self._ignored)), pointer=self._places.pointer)

    def _sort(self) -> None:
        """Passes on, ignores or refuses the fields that no request of ours has. Raises ProblemError."""
        for name, value in self._body.items():
            if name in MAPPED or name in OURS:
                continue
            if name in REFUSED:
                raise cannot(within("", name), REFUSED[name], REFUSED_AS.get(name, "invalid_request"))
            if name in IGNORED:
                self._ignored.add(name)
            elif self._same:
                self._passed[name] = value
            elif name in PASSED_OR_IGNORED or (name == "context_management" and only_clears(value)):
                self._ignored.add(name)
            elif name in PASSED_OR_REFUSED:
                raise cannot(within("", name), PASSED_OR_REFUSED[name])
            else:
                raise wrong(within("", name), "is not a known field; leave it out")

    def _rest(self, native: dict[str, Any]) -> None:
        """Adds the fields that have another name in our request. Raises ProblemError."""
        body = self._body
        if "stop_sequences" in body:
            native["stop"] = a_list(body["stop_sequences"], "/stop_sequences")
            self._places.add("/stop", "/stop_sequences")
        if "metadata" in body:
            metadata = an_object(body["metadata"], "/metadata")
            only(metadata, ("user_id",), "/metadata")
            if "user_id" in metadata:
                native["user"] = metadata["user_id"]
                self._places.add("/user", "/metadata/user_id")
        if "service_tier" in body:
            self._tier(native)

    def _tier(self, native: dict[str, Any]) -> None:
        tier = self._body["service_tier"]
        if not self._same and isinstance(tier, str):
            tier = _TIERS.get(self._protocol, {}).get(tier)
        if self._same and tier not in _OWN_TIERS:
            # One that our adapter has no word for is for the provider to take or refuse.
            self._passed["service_tier"] = tier
        elif tier is None:
            self._ignored.add("service_tier")
        else:
            native["service_tier"] = tier

    def _extra(self) -> dict[str, Any]:
        """Returns what goes to the provider as it is, beside what the caller has for it there already."""
        given = an_object(self._body.get("extra", {}), "/extra")
        place = within("/extra", self._provider)
        own = an_object(given.get(self._provider, {}), place)
        for name in self._passed:
            self._places.add(within(place, name), within("", name))
        return given | {self._provider: self._passed | own}
