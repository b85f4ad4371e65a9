"""One owner's requests change nothing for the next owner's: no circuit, no way of asking, no cookie."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.running import Event, Running, parsed
from tests.mended.upstream import DONE, Script, Sent, Upstream, answer, chunk, counted, named

ALICE, BOB = ({"Authorization": f"Bearer key-of-{name}-0123456789"} for name in ("alice", "bob"))
MESSAGES = [{"role": "user", "content": "hi"}]
SLOW = Script([0.4, chunk({"content": "slow"}), chunk({}, "stop"), counted(1, 1), DONE])


def refusal(message: str, status: int = 400) -> Script:
    error = {"error": {"message": message, "type": "invalid_request_error"}}
    return Script([json.dumps(error).encode()], status, "application/json")


def responses(sent: Sent) -> Script:
    """OpenAI's Responses, which repeats the name of a field that it does not know."""
    known = {"model", "input", "stream", "store", "background", "include"}
    if unknown := sorted(sent.body.keys() - known):
        return refusal(f"Unknown parameter: '{unknown[0]}' (of background, encrypted_content and others).")
    if "gAAA" in json.dumps(sent.body):
        return refusal("The encrypted content gAAA could not be verified.")
    item = {"id": "m1", "type": "message", "role": "assistant", "content": []}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    ended = {"id": "r1", "model": "m", "status": "completed", "output": [], "usage": usage}
    return Script(
        [
            named("response.created", sequence_number=0, response={"id": "r1", "model": "m"}),
            named("response.output_item.added", sequence_number=1, output_index=0, item=item),
            named("response.output_text.delta", sequence_number=2, item_id="m1", output_index=0, delta="ok"),
            named("response.completed", sequence_number=3, response=ended),
        ]
    )


def flagged(sent: Sent) -> Script:
    """A router that has no provider for a tool, and none for what its moderation flags."""
    if "tools" in sent.body:
        return refusal("No endpoints found that support tool use.", 404)
    if "bad" in json.dumps(sent.body["messages"]):
        return refusal("The input was flagged.", 403)
    return SLOW if "tier" not in sent.body else refusal("no capacity in this tier", 429)


def baking(_: Sent) -> Script:
    whole = answer()
    return Script(whole.body, headers={"set-cookie": "session=secret; Path=/"})


@pytest.fixture(scope="module")
def upstream(serve_shared: Serve) -> Upstream:
    return serve_shared(
        {"slow": SLOW, "router": flagged, "cookies": baking, "gpt-5": responses, "dead": Script((), 500)}
    )


@pytest.fixture(scope="module")
def running(start_shared: Start, upstream: Upstream) -> Running:
    keys = ",".join(f"{name}:key-of-{name}-0123456789" for name in ("alice", "bob"))
    env = {"MIDSTREAM_API_KEYS": keys, "MIDSTREAM_RETRIES": "0", "MIDSTREAM_MAX_ATTEMPTS": "1"}
    toml = upstream.toml() + upstream.toml("resp", protocol="openai-responses")
    return start_shared(toml=toml, env=env)


def ended(running: Running, owner: dict[str, str], model: str, **more: Any) -> list[Event]:
    """The events of a generation of this owner, to the end."""
    body = {"model": model, "messages": MESSAGES, **more}
    headers = {**owner, "Accept": "text/event-stream"}
    raw = running.call("POST", "/v1/generations", body, headers).raw.decode()
    return list(parsed(raw))


def asked_first(running: Running, model: str) -> str:
    """The model that answers Alice, who names another one as fallback."""
    events = ended(running, ALICE, model, fallback=["simulator/echo"])
    assert events[-1].event == "completed", events[-1]
    return [str(event.data["model"]) for event in events if event.event == "attempt"][-1]


IMPATIENT: dict[str, Any] = {"idle_timeout": 0.05}
TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.mended("front-11")
@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("slow", IMPATIENT),
        ("router", {"tools": [TOOL]}),
        ("router", {"messages": [{"role": "user", "content": "bad"}]}),
        ("router", {"extra": {"loc": {"tier": "flex"}}}),
    ],
)
def test_what_one_caused_for_himself_opens_no_circuit(running: Running, model: str, more: dict[str, Any]) -> None:
    for _ in range(6):
        assert ended(running, BOB, f"loc/{model}", **more)[-1].event == "failed"
    assert asked_first(running, f"loc/{model}") == f"loc/{model}"


@pytest.mark.mended("front-11", guard=True)
def test_a_model_that_fails_is_still_skipped(running: Running) -> None:
    for _ in range(6):
        ended(running, BOB, "loc/dead")
    assert asked_first(running, "loc/dead") == "simulator/echo"
    assert "circuit of loc/dead opened" in running.output()


@pytest.mark.mended("front-11")
@pytest.mark.parametrize(
    "more",
    [
        {"on_interrupt": "continue", "extra": {"resp": {"background_color": 1}}},
        {"extra": {"resp": {"encrypted_note": 1}}},
        {"on_interrupt": "continue", "extra": {"resp": {"odd": 1}}},
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": "x",
                    "reasoning": [{"encrypted": "gAAA", "item_id": "rs_1", "provider": "openai"}],
                },
                *MESSAGES,
            ]
        },
    ],
)
def test_what_one_was_refused_changes_nothing_for_others(
    running: Running, upstream: Upstream, more: dict[str, Any]
) -> None:
    assert ended(running, BOB, "resp/gpt-5", **more)[-1].event == "failed"
    assert ended(running, ALICE, "resp/gpt-5", on_interrupt="continue")[-1].event == "completed"
    assert upstream.sent["gpt-5"][-1].body.get("background") is True
    assert ended(running, ALICE, "resp/gpt-5")[-1].event == "completed"
    assert "reasoning.encrypted_content" in upstream.sent["gpt-5"][-1].body.get("include", [])


@pytest.mark.mended("front-11")
def test_a_cookie_of_one_is_not_sent_with_the_next(running: Running, upstream: Upstream) -> None:
    for owner in (ALICE, BOB, ALICE):
        assert ended(running, owner, "loc/cookies")[-1].event == "completed"
    assert ["cookie" in sent.headers for sent in upstream.sent["cookies"]] == [False] * 3
