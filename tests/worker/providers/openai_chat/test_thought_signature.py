"""Signatures of calls over compatible endpoints of Gemini: kept in the events, and sent back where they came from."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from shared.request.tools import ToolCall
from tests.worker.providers.conftest import Adapter
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.openai_chat.thought_signature import Signature, is_taken, read, write

Ask = Callable[..., GenerationRequest]
GOOGLE = {"google": {"thought_signature": "c2ln"}}
VERTEX = {"vertex": {"thought_signature": "c2ln"}}


def call(**fields: Any) -> dict[str, Any]:
    return {"id": "a", "type": "function", "function": {"name": "rain", "arguments": "{}"}, **fields}


def chunks(*deltas: dict[str, Any]) -> bytes:
    said = [*((delta, None) for delta in deltas), ({}, "tool_calls")]
    lines = [{"choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in said]
    return b"".join(b"data: %s\n\n" % json.dumps(line).encode() for line in lines)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (GOOGLE, Signature("c2ln", "extra_content/google")),
        (VERTEX, Signature("c2ln", "extra_content/vertex")),
        ({"google": {"thought_signature": "c2ln", "more": 1}}, None),
        ({"google": {"thought_signature": 5}}, None),
        ({"google": {"thought_signature": ""}}, None),
        ({"google": {}}, None),
        (GOOGLE | VERTEX, None),
        ({"google": "c2ln"}, None),
        ("c2ln", None),
        (None, None),
    ],
)
def test_what_is_a_signature(extra: object, expected: Signature | None) -> None:
    assert read(extra) == expected


@pytest.mark.parametrize("extra", [GOOGLE, VERTEX])
async def test_a_signature_is_there_and_back(upstream: Upstream, adapter: Adapter, ask: Ask, extra: Any) -> None:
    provider = adapter("openai-chat", upstream.url)
    # With the call, with a later fragment of it, and none.
    upstream.reply = Reply(
        [
            chunks(
                {"tool_calls": [{"index": 0, **call(), "extra_content": extra}]},
                {"tool_calls": [{"index": 1, **call(id="b", function={"name": "wind", "arguments": "{"})}]},
                {"tool_calls": [{"index": 1, "function": {"arguments": "}"}, "extra_content": extra}]},
                {"tool_calls": [{"index": 2, **call(id="c")}]},
            )
        ]
    )
    got = await outcome(provider, ask())
    assert got.raw() == []
    (maker,) = extra
    kept = {"signature": "c2ln", "provider": f"extra_content/{maker}"}
    said = [{name: part.get(name) for name in kept} for part in got.parts()]
    assert said == [kept, kept, {"signature": None, "provider": None}]
    for entry in (call(**kept, part=0), call(extra_content=extra), call(extra_content=extra, signature=None)):
        await outcome(provider, ask(messages=[{"role": "assistant", "tool_calls": [entry]}]))
        (message,) = upstream.calls[-1].body["messages"]
        assert message == {"role": "assistant", "content": None, "tool_calls": [call(extra_content=extra)]}


async def test_what_is_more_than_a_signature_is_kept(upstream: Upstream, adapter: Adapter, ask: Ask) -> None:
    more = {"google": {"thought_signature": "c2ln", "tokens": 3}}
    upstream.reply = Reply([chunks({"tool_calls": [{"index": 0, **call(), "extra_content": more}]})])
    got = await outcome(adapter("openai-chat", upstream.url), ask())
    assert got.raw() == [{"delta": {"tool_calls": [{"index": 0, "extra_content": more}]}}]
    assert "signature" not in got.parts()[0]


@pytest.mark.parametrize(
    ("settings", "official", "taken"),
    [
        ({"protocol": "openai-chat"}, True, False),
        (
            {"protocol": "openai-chat", "base_url": "https://generativelanguage.googleapis.com/v1beta/openai"},
            False,
            True,
        ),
        ({"protocol": "openai-chat", "base_url": "http://127.0.0.1:9/v1"}, False, True),
        ({"preset": "openrouter"}, False, True),
        ({"preset": "litellm"}, False, True),
        ({"preset": "mistral"}, False, False),
        ({"preset": "groq"}, False, False),
    ],
)
def test_who_is_sent_one(settings: dict[str, Any], official: bool, taken: bool) -> None:
    assert is_taken(ProviderSettings.model_validate(settings), official=official) is taken


def test_a_signature_of_another_kind_is_not_sent() -> None:
    assert write(ToolCall.model_validate(call(signature="c2ln", provider="gemini"))) == {}
    assert write(ToolCall.model_validate(call())) == {}
