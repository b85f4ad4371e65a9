"""What a Responses endpoint is sent: the answer, the rest of one, and the end of one that goes on by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.config.provider_settings import ProviderSettings
from shared.log.events import Response
from shared.log.snapshots import PartSoFar, Snapshot
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.openai_responses.responses_stream import RICH, Script, output_text
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.openai_responses.adapter import OpenAIResponsesAdapter
from worker.providers.provider import ProviderError

Ask = Callable[..., GenerationRequest]


def endpoint(upstream: Upstream, **fields: Any) -> OpenAIResponsesAdapter:
    settings = ProviderSettings(protocol="openai-responses", base_url=f"{upstream.url}/v1", **fields)
    return OpenAIResponsesAdapter("acme", settings)


def begun(**fields: Any) -> Snapshot:
    snapshot = Snapshot()
    snapshot.response_id, snapshot.sequence_number = "resp_1", 5
    for name, value in fields.items():
        setattr(snapshot, name, value)
    return snapshot


async def test_the_request_on_the_wire(upstream: Upstream, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", "k-123")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    provider = endpoint(upstream, api_key_env="ACME_KEY")
    upstream.reply = Reply([RICH])
    extra = {"acme": {"service_tier": "flex", "include": ["web_search_call.action.sources"]}, "other": {"no": 1}}
    assert (await outcome(provider, ask(extra=extra), "gpt-x")).error is None
    await provider.aclose()
    (call,) = upstream.calls
    assert (call.target, call.headers["authorization"]) == ("/v1/responses", "Bearer k-123")
    assert "openai-organization" not in call.headers
    assert call.body == {
        "model": "gpt-x",
        "input": [{"type": "message", "role": "user", "content": "Why is the sky blue?"}],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content", "web_search_call.action.sources"],
        "service_tier": "flex",
    }


async def test_to_continue_it_runs_in_the_background(upstream: Upstream, ask: Ask) -> None:
    provider = endpoint(upstream)
    upstream.reply = Reply([RICH])
    assert (await outcome(provider, ask(on_interrupt="continue"))).error is None
    await provider.aclose()
    body = upstream.calls[0].body
    assert (body["background"], body["store"], body["stream"]) == (True, True, True)


@pytest.mark.parametrize(
    ("request_fields", "settings", "state", "expected"),
    [
        ({"on_interrupt": "continue"}, {}, {}, True),
        ({"on_interrupt": "restart"}, {}, {}, False),
        ({"on_interrupt": "continue"}, {"background": False}, {}, False),
        ({"on_interrupt": "continue"}, {}, {"response_id": None}, False),
        ({"on_interrupt": "continue"}, {}, {"sequence_number": None}, False),
        ({"on_interrupt": "continue"}, {}, {"sequence_number": 0}, True),
        ({"on_interrupt": "continue"}, {}, {"parts": [PartSoFar("text", item_id="m"), PartSoFar("text")]}, False),
        ({"on_interrupt": "continue"}, {}, {"parts": [PartSoFar("text", ended=True)]}, True),
    ],
)
def test_where_it_can_go_on(
    ask: Ask, request_fields: Any, settings: Any, state: dict[str, Any], expected: bool
) -> None:
    provider = OpenAIResponsesAdapter("acme", ProviderSettings(protocol="openai-responses", **settings))
    assert provider.continues(ask(**request_fields), "m", begun(**state)) is expected


async def test_the_rest_of_an_answer(upstream: Upstream, ask: Ask) -> None:
    script = Script().begin().message(output_text("abcdef")).end()
    part = PartSoFar("text", item_id="msg_1", pieces=["abcdef"])
    so_far = begun(response_id="resp/1?", parts=[part])
    headers = {"content-type": "text/event-stream", "x-request-id": "req_2"}
    upstream.reply = Reply([script.after(5)], headers=headers)
    provider = endpoint(upstream)
    events = [e async for batch in provider.stream(ask(on_interrupt="continue"), "m", so_far) for e in batch]
    await provider.aclose()
    (call,) = upstream.calls
    assert call.target == "/v1/responses/resp%2F1%3F?stream=true&starting_after=5"
    assert call.body is None
    assert events[0] == Response(response_id="resp/1?", request_id="req_2", sequence_number=6)
    assert [event.type for event in events] == ["response", "part", "part_end", "completed"]


async def test_an_answer_that_is_no_longer_there(upstream: Upstream, ask: Ask) -> None:
    error = {"error": {"message": "Response with id 'resp_1' not found.", "type": "invalid_request_error"}}
    headers = {"content-type": "application/json"}
    upstream.reply = Reply([json.dumps(error).encode()], status=404, headers=headers)
    provider = endpoint(upstream)
    with pytest.raises(ProviderError) as caught:
        await anext(provider.stream(ask(on_interrupt="continue"), "m", begun()))
    await provider.aclose()
    assert (caught.value.code, caught.value.retryable) == ("not_found", False)


async def test_cancel(upstream: Upstream, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    provider = endpoint(upstream)
    upstream.reply = Reply([b"{}"], headers={"content-type": "application/json"})
    await provider.cancel(ask(), "resp_1")
    assert upstream.calls == []  # closing its connection has ended it
    await provider.cancel(ask(on_interrupt="continue"), "resp_1")
    assert [call.target for call in upstream.calls] == ["/v1/responses/resp_1/cancel"]
    caplog.set_level("INFO")
    upstream.reply = Reply([b'{"error":{"message":"SECRET"}}'], status=400)
    await provider.cancel(ask(on_interrupt="continue"), "resp_1")
    await upstream.stop()
    await provider.cancel(ask(on_interrupt="continue"), "resp_1")
    await provider.aclose()
    assert "not cancelled (BadRequestError)" in caplog.text
    assert "not cancelled (APIConnectionError)" in caplog.text
    assert "SECRET" not in caplog.text


def refuses(field: str, words: str) -> Callable[[Any], Reply]:
    """A server that does not know a field."""

    def answer(body: Any) -> Reply:
        if not body.get(field):
            return Reply([RICH])
        error = {"error": {"message": words, "type": "invalid_request_error", "param": field}}
        return Reply([json.dumps(error).encode()], status=400, headers={"content-type": "application/json"})

    return answer


async def test_a_server_without_a_background(upstream: Upstream, ask: Ask) -> None:
    provider = endpoint(upstream)
    request = ask(on_interrupt="continue")
    upstream.answer = refuses("background", "Unknown parameter: 'background'.")
    for _ in range(2):
        assert (await outcome(provider, request)).error is None
    await provider.aclose()
    assert [call.body["store"] for call in upstream.calls] == [True, False, False]
    assert not provider.continues(request, "m", begun())


async def test_a_model_without_reasoning(upstream: Upstream, ask: Ask) -> None:
    provider = endpoint(upstream)
    upstream.answer = refuses("include", "Encrypted content is not supported with this model.")
    for model in ("plain", "plain"):
        assert (await outcome(provider, ask(), model)).error is None
    upstream.answer = None
    upstream.reply = Reply([RICH])
    assert (await outcome(provider, ask(), "thinker")).error is None
    await provider.aclose()
    assert ["include" in call.body for call in upstream.calls] == [True, False, False, True]


async def test_another_refusal_is_one(upstream: Upstream, ask: Ask) -> None:
    provider = endpoint(upstream)
    upstream.answer = refuses("input", "No.")
    assert (await outcome(provider, ask())).failure.code == "bad_request"
    await provider.aclose()
    assert len(upstream.calls) == 1


def picky(*unknown: str, words: str = "Unknown parameter: '{}'.") -> Callable[[Any], Reply]:
    """A server that takes all but these fields, and repeats the first of those."""

    def answer(body: Any) -> Reply:
        found = [name for name in unknown if name in body]
        if not found:
            return Reply([RICH])
        error = {"error": {"message": words.format(found[0]), "type": "invalid_request_error", "param": found[0]}}
        return Reply([json.dumps(error).encode()], status=400, headers={"content-type": "application/json"})

    return answer


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"background_color": 1}, "Unknown parameter: '{}'."),
        ({"encrypted_note": 1}, "Unknown parameter: '{}'."),
        ({"my-background": 1}, "Unknown parameter: '{}'."),
        ({"odd": "background"}, "'{}' must not be 'background' nor encrypted"),
        ({"odd": 1}, "Unknown parameter: '{}' beside background and encrypted_content"),
    ],
)
@pytest.mark.parametrize("choice", ["continue", "restart"])
async def test_a_refused_request_changes_nothing_for_others(
    upstream: Upstream, ask: Ask, extra: dict[str, Any], words: str, choice: str
) -> None:
    provider = endpoint(upstream)
    upstream.answer = picky(*extra, words=words)
    mine = ask(on_interrupt=choice, extra={provider.name: extra})
    assert (await outcome(provider, mine)).failure.code == "bad_request"
    assert (await outcome(provider, ask(on_interrupt="continue"))).error is None
    assert upstream.calls[-1].body["background"] is True
    assert (await outcome(provider, ask())).error is None
    assert "include" in upstream.calls[-1].body
    await provider.aclose()


async def test_what_may_be_due_to_an_extra_of_ones_own_is_not_learned(upstream: Upstream, ask: Ask) -> None:
    provider = endpoint(upstream)

    def answer(body: Any) -> Reply:
        return refuses("background", "background: not with this tier")(body if "tier" in body else {})

    upstream.answer = answer
    assert (await outcome(provider, ask(on_interrupt="continue", extra={provider.name: {"tier": 1}}))).error is None
    assert (await outcome(provider, ask(on_interrupt="continue"))).error is None
    assert [call.body.get("background", False) for call in upstream.calls] == [True, False, True]
    await provider.aclose()


async def test_reasoning_that_cannot_be_read_changes_nothing_for_others(upstream: Upstream, ask: Ask) -> None:
    provider = endpoint(upstream)
    words = "The encrypted content gAAA could not be verified."
    upstream.reply = Reply(
        [json.dumps({"error": {"message": words, "code": "invalid_encrypted_content"}}).encode()],
        status=400,
        headers={"content-type": "application/json"},
    )
    assert (await outcome(provider, ask())).failure.code == "bad_request"
    upstream.reply = Reply([RICH])
    assert (await outcome(provider, ask())).error is None
    assert "include" in upstream.calls[-1].body
    await provider.aclose()


async def test_one_model_without_a_background_is_no_other(upstream: Upstream, ask: Ask) -> None:
    provider = endpoint(upstream)
    request = ask(on_interrupt="continue")
    upstream.answer = refuses("background", "Unknown parameter: 'background'.")
    assert (await outcome(provider, request, "plain")).error is None
    assert not provider.continues(request, "plain", begun())
    assert provider.continues(request, "other", begun())
    await provider.aclose()
