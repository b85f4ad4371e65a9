"""What a request says about itself, on its way to endpoints that may refuse it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.config.protocols import Protocol
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.openai_chat.test_reader import RICH as CHAT
from tests.worker.providers.openai_responses.responses_stream import RICH as RESPONSES
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.labels import LABELS, openai_labels, shortened, tier_named
from worker.providers.provider import Provider

Ask = Callable[..., GenerationRequest]

ANSWERS: dict[Protocol, bytes] = {"openai-chat": CHAT, "openai-responses": RESPONSES}
ALL = {"user": "u", "prompt_cache_key": "k", "safety_identifier": "s", "service_tier": "flex"}


def refuses(answer: bytes, *names: str) -> Callable[[dict[str, Any]], Reply]:
    """Answers without fields of these names only; of more it names the first, as Mistral does."""

    def reply(body: dict[str, Any]) -> Reply:
        found = next((name for name in names if name in body), None)
        if found is None:
            return Reply([answer])
        detail = [{"type": "extra_forbidden", "loc": ["body", found], "msg": "Extra inputs are not permitted"}]
        refusal = {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error"}
        return Reply([json.dumps(refusal).encode()], status=422, headers={"content-type": "application/json"})

    return reply


def given(upstream: Upstream) -> list[set[str]]:
    return [call.body.keys() & set(LABELS) for call in upstream.calls]


@pytest.mark.parametrize("protocol", ANSWERS)
async def test_what_is_refused_is_left_out_from_then_on(
    upstream: Upstream, adapter: Callable[[Protocol, str], Provider], ask: Ask, protocol: Protocol
) -> None:
    upstream.answer = refuses(ANSWERS[protocol], "safety_identifier", "user")
    provider = adapter(protocol, upstream.url)
    for _ in range(2):
        assert (await outcome(provider, ask(**ALL))).error is None
    rest = {"prompt_cache_key", "service_tier"}
    assert given(upstream) == [set(LABELS), {"user", *rest}, rest, rest]


@pytest.mark.parametrize("protocol", ANSWERS)
async def test_what_the_caller_says_in_the_endpoints_own_words_is_not_taken_back(
    upstream: Upstream, adapter: Callable[[Protocol, str], Provider], ask: Ask, protocol: Protocol
) -> None:
    upstream.answer = refuses(ANSWERS[protocol], "user")
    provider = adapter(protocol, upstream.url)
    assert (await outcome(provider, ask(user="u", extra={"acme": {"user": "v"}}))).failure.code == "bad_request"
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("protocol", ANSWERS)
async def test_another_refusal_is_one(
    upstream: Upstream, adapter: Callable[[Protocol, str], Provider], ask: Ask, protocol: Protocol
) -> None:
    upstream.answer = refuses(ANSWERS[protocol], "model")
    provider = adapter(protocol, upstream.url)
    assert (await outcome(provider, ask(**ALL))).failure.code == "bad_request"
    assert given(upstream) == [set(LABELS)]


async def test_both_an_option_and_a_label_may_be_refused(
    upstream: Upstream, adapter: Callable[[Protocol, str], Provider], ask: Ask
) -> None:
    upstream.answer = refuses(CHAT, "stream_options", "user")
    provider = adapter("openai-chat", upstream.url)
    for _ in range(2):
        assert (await outcome(provider, ask(user="u"))).error is None
    assert [{"stream_options", "user"} & call.body.keys() for call in upstream.calls] == [
        {"stream_options", "user"}, {"user"}, set(), set(),
    ]  # fmt: skip


def test_a_long_one_is_its_hash(ask: Ask) -> None:
    assert shortened("k" * 64, 64) == "k" * 64
    assert shortened("k" * 65, 64) == hashlib.sha256(b"k" * 65).hexdigest()
    assert shortened("\ud800" * 65, 64) != shortened("\ud801" * 65, 64)
    sent = openai_labels(ask(user="u" * 65, prompt_cache_key="k" * 65, safety_identifier="s" * 65))
    assert [len(value) for value in sent.values()] == [64, 64, 64]


@pytest.mark.parametrize(
    ("tier", "expected"), [("standard_only", "default"), ("standard", "default"), ("fast", "fast"), ("auto", "auto")]
)
def test_the_standard_tier_has_many_names(tier: str, expected: str) -> None:
    assert tier_named("default", tier) == expected
