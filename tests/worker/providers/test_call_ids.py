"""Ids of calls: made up like no other, and as each provider takes them."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers import call_ids
from worker.providers.call_ids import (
    MESSAGES_IDS,
    MISTRAL_IDS,
    OPENAI_CHAT_IDS,
    RESPONSES_IDS,
    IdRule,
    legal_ids,
    rule_of,
)
from worker.providers.provider import Provider

RULES = [MESSAGES_IDS, MISTRAL_IDS, OPENAI_CHAT_IDS, RESPONSES_IDS]


GATEWAY = {"protocol": "openai-chat", "base_url": "http://127.0.0.1:8000/v1"}


@pytest.mark.parametrize(
    ("settings", "model", "official", "rule"),
    [
        ({"protocol": "openai-chat"}, "m", True, OPENAI_CHAT_IDS),
        (GATEWAY, "m", False, None),
        (GATEWAY, "gemini-3-pro", False, None),
        (GATEWAY, "kimi-k3", False, None),
        ({"preset": "mistral"}, "m", False, MISTRAL_IDS),
        ({"preset": "mistral", "base_url": "http://127.0.0.1:8000/v1"}, "m", False, MISTRAL_IDS),
        ({"protocol": "openai-chat", "base_url": "https://codestral.mistral.ai/v1"}, "m", False, MISTRAL_IDS),
        # Behind a gateway, or served by oneself.
        (GATEWAY, "mistralai/Mistral-Small-3.2", False, MISTRAL_IDS),
        (GATEWAY, "Mixtral-8x7B", False, MISTRAL_IDS),
        (GATEWAY, "mistralai/devstral-2", False, MISTRAL_IDS),
        (GATEWAY, "anthropic/claude-sonnet-5", False, MESSAGES_IDS),
        (GATEWAY, "openai/gpt-5-mini", False, OPENAI_CHAT_IDS),
        (GATEWAY, "o4-mini", False, OPENAI_CHAT_IDS),
        (GATEWAY, "openai/gpt-oss-120b", False, None),
        ({"protocol": "openai-responses"}, "m", False, RESPONSES_IDS),
        ({"protocol": "anthropic"}, "m", False, MESSAGES_IDS),
        ({"protocol": "gemini"}, "m", False, None),
    ],
)
def test_who_takes_what(settings: dict[str, Any], model: str, official: bool, rule: IdRule | None) -> None:
    assert rule_of(ProviderSettings.model_validate(settings), model, official=official) is rule


@pytest.mark.parametrize(
    ("rule", "legal", "refused"),
    [
        (MESSAGES_IDS, ["toolu_1", "a-b", "x" * 65], ["functions.x:0", "a b", "call|fc", ""]),
        (MISTRAL_IDS, ["aB3xK9mP2"], ["call_0123", "aB3xK9mP", "aB3xK9mP22", "functions.x:0"]),
        (OPENAI_CHAT_IDS, ["functions.x:0", "c" * 40], ["c" * 41]),
        (RESPONSES_IDS, ["functions.x:0", "c" * 64, "a\nb"], ["c" * 65]),
    ],
)
def test_only_what_is_refused_is_replaced(rule: IdRule, legal: list[str], refused: list[str]) -> None:
    replaced = legal_ids([*legal, *refused], rule)
    assert [*replaced] == refused
    for stand_in in replaced.values():
        assert rule.legal.fullmatch(stand_in)
        assert len(stand_in) <= rule.chars


@pytest.mark.parametrize("rule", RULES)
@given(ids=st.lists(st.text(max_size=80), max_size=8))
def test_any_ids(rule: IdRule, ids: list[str]) -> None:
    replaced = legal_ids(ids, rule)
    assert all(rule.legal.fullmatch(one) for one in replaced.values())
    assert len({replaced.get(one, one) for one in ids}) == len({*ids})


def test_the_same_id_is_replaced_by_the_same_one_in_each_request() -> None:
    first = legal_ids(["functions.x:0"], MESSAGES_IDS)["functions.x:0"]
    assert re.fullmatch(r"functions_x_0-\w{8}", first)
    assert legal_ids(["a", "functions.y:1", "functions.x:0"], MESSAGES_IDS)["functions.x:0"] == first
    assert legal_ids([first, "functions.x:0"], MESSAGES_IDS)["functions.x:0"] != first


CHUNK = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[%s]},"finish_reason":null}]}\n\n'
NAMELESS: dict[Protocol, bytes] = {
    "openai-chat": CHUNK % b'{"index":0,"function":{"name":"f","arguments":"{}"}}'
    + CHUNK % b'{"index":1,"function":{"name":"f","arguments":"{}"}}'
    + b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n',
    "openai-responses": b"".join(
        b"data: %s\n\n" % json.dumps(event).encode()
        for event in [
            {"type": "response.created", "response": {}},
            *(
                {"type": "response.output_item.done", "output_index": at,
                 "item": {"type": "function_call", "name": "f", "arguments": "{}"}}
                for at in (0, 1)
            ),
            {"type": "response.completed", "response": {"status": "completed", "output": []}},
        ]
    ),
    "anthropic": b"".join(
        b"data: %s\n\n" % json.dumps(event).encode()
        for event in [
            {"type": "message_start", "message": {}},
            *(
                event
                for at in (0, 1)
                for event in (
                    {"type": "content_block_start", "index": at, "content_block": {"type": "tool_use", "name": "f"}},
                    {"type": "content_block_stop", "index": at},
                )
            ),
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
            {"type": "message_stop"},
        ]
    ),
    "gemini": b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}},{"functionCall":{"name":"f"}},'
    b'{"executableCode":{"code":"1"}},{"toolCall":{"toolType":"X"}}]},"finishReason":"STOP"}]}\n\n',
}  # fmt: skip


@pytest.mark.parametrize("protocol", NAMELESS)
async def test_ids_that_are_made_up_are_of_no_other_call_of_a_conversation(
    monkeypatch: pytest.MonkeyPatch,
    upstream: Upstream,
    adapter: Callable[..., Provider],
    ask: Callable[..., GenerationRequest],
    protocol: Protocol,
) -> None:
    monkeypatch.setattr(call_ids, "token_hex", secrets.token_hex)
    upstream.reply = Reply([NAMELESS[protocol]])
    provider = adapter(protocol, upstream.url)
    made = [part["call_id"] for _ in range(2) for part in (await outcome(provider, ask())).parts()]
    assert len({*made}) == len(made) >= 4
    assert all(re.fullmatch(r"call_[0-9a-f]{24}\d", one) for one in made)
    assert not legal_ids(made, MESSAGES_IDS) | legal_ids(made, OPENAI_CHAT_IDS)
