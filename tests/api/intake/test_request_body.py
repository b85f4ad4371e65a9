"""What is kept of a request is the same whether it was written at once or in steps."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from api.intake.model_names import ServedModels
from api.intake.request_body import ReadRequest, canonical, take
from api.problems.problem import ProblemError
from shared.config.settings import Settings
from shared.record import Shown, shown_of
from shared.request.generation_request import GenerationRequest

SYSTEM = {"role": "system", "content": "Be brief."}
USER: dict[str, Any] = {
    "role": "user",
    "content": [{"type": "text", "text": 'é"\n'}, {"type": "text", "text": ""}],
    "name": "n",
}
CALLED: dict[str, Any] = {
    "role": "assistant",
    "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
}
LARGE = {
    "role": "user",
    "content": [{"type": "text", "text": 'é"\n\u0001\u2028 \U0001f600' * 40_000}, *USER["content"]],
}
MANY = {**USER, "content": USER["content"] * 5_000}
ANSWERED = {
    "role": "assistant",
    "content": "x" * 70_000,
    "refusal": "no",
    "reasoning": [{"text": "t", "summary": True, "signature": "s", "provider": "p"}],
    "tool_calls": [*CALLED["tool_calls"], {"id": "d", "function": {"name": "f", "arguments": '{"a":1.50}'}}],
}
RESULT = {"role": "tool", "content": [{"type": "text", "text": "y" * 70_000}], "tool_call_id": "c"}
OTHER = {"role": "tool", "content": "z", "tool_call_id": "d"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"a": [1e16, 1.0, 1e-7, 10**30, None, True]}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}


@pytest.mark.parametrize(
    "messages",
    [
        [USER],
        [SYSTEM, USER],
        [SYSTEM, USER, CALLED, RESULT] * 3,
        [LARGE],
        [MANY],
        [SYSTEM, ANSWERED, RESULT, OTHER, USER],
        [ANSWERED, USER, OTHER, RESULT],
    ],
)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 1},
        {"tools": []},
        {"tools": [TOOL, TOOL], "extra": {"simulator": {"x": [1e16]}}},
        {"metadata": {"a": "b"}, "response_format": SCHEMA, "idle_timeout": 3},
    ],
)
def test_it_is_written_as_at_once(messages: list[Any], fields: dict[str, Any]) -> None:
    served = ServedModels.by(Settings(simulator_url="http://127.0.0.1:9"))
    body = msgspec.json.encode({"model": "simulator/lorem", "messages": messages, **fields})
    request, stored, shown, fingerprint, asked, *_ = take(body, served, 100_000)
    assert asked == b""
    at_once = request.model_dump_json(exclude_defaults=True).encode()
    assert stored == canonical(request) == at_once
    assert GenerationRequest.model_validate_json(stored) == request
    assert fingerprint == hashlib.sha256(at_once).hexdigest()
    assert msgspec.json.decode(shown, type=Shown) == shown_of(stored)


def test_a_dumped_request_is_the_one_that_it_means() -> None:
    """So that it may be repeated with the same key, and share an answer."""
    served = ServedModels.by(Settings(simulator_url="http://127.0.0.1:9"))
    call = CALLED["tool_calls"][0]
    plain = {
        "model": "simulator/lorem",
        "messages": [SYSTEM, CALLED, {**RESULT, "content": "y"}, {**USER, "content": "?"}],
    }
    dumped = {
        "model": "simulator/lorem", "tools": [], "metadata": None,
        "messages": [
            SYSTEM,
            {**CALLED, "content": None, "audio": None, "tool_calls": [{**call, "index": 0, "type": "function"}]},
            {**USER, "content": "?", "id": "1"},
            {**RESULT, "content": "y", "name": "f"},
        ],
    }  # fmt: skip
    first, second = (take(msgspec.json.encode(body), served, 100_000) for body in (plain, dumped))
    assert first == second


class TestPrevious:
    def taken(self, previous: object, *messages: dict[str, Any]) -> ReadRequest:
        served = ServedModels.by(Settings(simulator_url="http://127.0.0.1:9"))
        body = {"model": "simulator/lorem", "messages": messages or [USER | {"content": "?"}], "previous": previous}
        return take(msgspec.json.encode(body), served, 100_000)

    def test_any_dialect_s_name_is_the_id(self) -> None:
        tail = "a" * 32
        names = [f"gen_{tail}", f"chatcmpl-{tail}", f"chatcmpl-{tail}-3", f"resp_{tail}", f"msg_{tail}"]
        taken = [self.taken(name) for name in names]
        assert {one.request.previous for one in taken} == {f"gen_{tail}"}
        assert len({one.fingerprint for one in taken}) == 1
        assert taken[0].fingerprint != self.taken(None).fingerprint != self.taken("gen_" + "b" * 32).fingerprint

    @pytest.mark.parametrize("name", ["", "gen_", "gen_" + "A" * 32, "x" * 65, 7])
    def test_what_is_none_is_named(self, name: object) -> None:
        with pytest.raises(ProblemError) as caught:
            self.taken(name)
        assert [error.pointer for error in caught.value.errors] == ["/previous"]

    def test_messages_stay_as_they_are_until_all_are_known(self) -> None:
        messages = [USER | {"content": "?"}, RESULT | {"tool_call_id": "of another", "content": "y"}]
        request = self.taken("gen_" + "a" * 32, *messages).request
        assert [message.role for message in request.messages] == ["user", "tool"]
        with pytest.raises(ProblemError) as caught:
            self.taken("gen_" + "a" * 32, CALLED, USER | {"content": "?"})
        assert [error.pointer for error in caught.value.errors] == ["/messages/0/tool_calls/0"]
