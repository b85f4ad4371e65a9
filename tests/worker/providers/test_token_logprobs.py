"""Logprobs: those of three protocols in one shape, each with the text whose tokens they are of."""

from __future__ import annotations

from typing import Any

import pytest

from shared.config.protocols import Protocol
from shared.log.events import Delta, Part, PartKind
from tests.worker.providers.conftest import Adapter
from tests.worker.providers.upstream import outcome
from worker.providers.provider import ProviderEvent
from worker.providers.token_logprobs import give, read_logprobs

ENTRY: dict[str, Any] = {"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": []}
WANTED: dict[Protocol, dict[str, Any]] = {
    "openai-chat": {"logprobs": True, "top_logprobs": 2},
    "openai-responses": {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    "gemini": {"generationConfig": {"responseLogprobs": True, "logprobs": 2}},
}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ([ENTRY], [ENTRY]),
        # Of Responses, whose entries have no bytes, and whose alternatives may be missing.
        (
            [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -2}]}],
            [
                {
                    "token": "a", "logprob": -0.5, "bytes": None,
                    "top_logprobs": [{"token": "b", "logprob": -2, "bytes": None}],
                }
            ],
        ),
        (
            [{"token": "", "logprob": 0, "bytes": [240], "x": {"y": 1}}],
            [{**ENTRY, "token": "", "logprob": 0, "bytes": [240]}],
        ),
        ([{**ENTRY, "bytes": "a", "top_logprobs": [1, {"token": "b"}]}], [{**ENTRY, "bytes": None}]),
        ([], None),
        (None, None),
        ({"content": []}, None),
        ([ENTRY, "a"], None),
        ([{"token": "a"}], None),
        ([{"token": 1, "logprob": -1}], None),
        ([{"token": "a", "logprob": True}], None),
    ],
)  # fmt: skip
def test_one_shape(given: object, read: Any) -> None:
    assert read_logprobs(given) == read


def said(*kinds: PartKind) -> list[ProviderEvent]:
    return [Part(part=0, kind="text"), *(Delta(part=0, kind=kind, delta="x") for kind in kinds)]


@pytest.mark.parametrize(
    ("kinds", "place"),
    [
        (("text",), 0),
        (("reasoning", "text"), 1),
        (("reasoning",), 0),
        (("tool_call", "text"), 1),
        (("text", "text"), None),
        (("tool_call",), None),
        ((), None),
    ],
)
def test_tokens_go_to_the_delta_that_says_them(kinds: tuple[PartKind, ...], place: int | None) -> None:
    events = said(*kinds)
    assert give([ENTRY], events, "text", "reasoning") is (place is not None)
    weighed = [event for event in events if isinstance(event, Delta) and event.logprobs]
    assert weighed == ([] if place is None else [events[1 + place]])


def test_what_has_logprobs_gets_no_others() -> None:
    events = said("text")
    assert give([ENTRY], events, "text")
    assert not give([ENTRY], events, "text")


@pytest.mark.parametrize("protocol", WANTED)
async def test_each_delta_has_those_of_its_tokens(
    protocol: Protocol, simulator: str, adapter: Adapter, ask: Any
) -> None:
    request = ask(extra={"acme": WANTED[protocol]})
    got = await outcome(adapter(protocol, simulator), request, "lorem?deltas=9&rate=0")
    deltas = [event for event in got.events if isinstance(event, Delta)]
    assert [delta.delta for delta in deltas] == [
        "".join(one["token"] for one in delta.logprobs or ()) for delta in deltas
    ]
    assert len(deltas) == 9
    assert got.raw() == []
    for delta in deltas:
        assert delta.logprobs
        (entry,) = delta.logprobs
        assert entry.keys() == {"token", "logprob", "bytes", "top_logprobs"}
        assert entry["bytes"] == (None if protocol == "gemini" else list(delta.delta.encode()))
        assert entry["logprob"] <= 0
        assert [one["token"] for one in entry["top_logprobs"]] == [entry["token"], f"{entry['token']}'"]
        assert entry["top_logprobs"][0] == {name: entry[name] for name in ("token", "logprob", "bytes")}


@pytest.mark.parametrize("protocol", WANTED)
async def test_who_does_not_ask_gets_none(protocol: Protocol, simulator: str, adapter: Adapter, ask: Any) -> None:
    got = await outcome(adapter(protocol, simulator), ask(), "lorem?deltas=3&rate=0")
    assert not any(event.logprobs for event in got.events if isinstance(event, Delta))
