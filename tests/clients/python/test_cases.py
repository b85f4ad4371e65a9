"""Both drivers do what the table of cases says, which the JavaScript client's suite reads too."""

from __future__ import annotations

import time
from typing import Any

import anyio
import httpx2
import pytest

from midstream_client import AsyncClient, AsyncConversation, AsyncFollower, Client, ClientError, Conversation, Event
from midstream_client import Follower as SyncFollower
from tests.clients.python.script import Case, Script, Time, cases

Follower = AsyncFollower | SyncFollower | AsyncConversation | Conversation
URL = "http://midstream.test"
CASES = [pytest.param(case, id=case["name"]) for case in cases()]


def begun(client: Client | AsyncClient, do: dict[str, Any]) -> Follower:
    match do["call"]:
        case "create":
            return client.create(do["body"])
        case "follow":
            return client.follow(do["id"], after=do.get("after"))
        case "conversation":
            return client.conversation(do["id"], after=do.get("after"))
    raise AssertionError(do)


def judge(case: Case, follower: Follower, events: list[Event], error: ClientError | None, waits: list[float]) -> None:
    want = case["want"]
    assert [{"type": event.type, "id": event.id, "data": event.data} for event in events] == want["events"]
    said = None if error is None else {"status": error.status, "code": error.code}
    assert said == want.get("error")
    assert len(waits) == len(want["waits"])
    for wait, (least, most) in zip(waits, want["waits"], strict=True):
        assert least <= wait <= most
    if isinstance(follower, Conversation | AsyncConversation):
        turns = [{"id": turn.id, "text": turn.answer.text, "state": turn.answer.state} for turn in follower.turns]
        assert turns == want["generations"]
        return
    assert follower.text == want.get("text", follower.text)
    assert follower.state == want.get("state", follower.state)
    wanted = want.get("parts", [{}] * len(follower.parts))
    assert len(follower.parts) == len(wanted)
    for part, fields in zip(follower.parts, wanted, strict=True):
        assert {name: part.get(name) for name in fields} == fields


@pytest.mark.parametrize("case", CASES)
def test_the_client_for_threads(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Time()
    monkeypatch.setattr(time, "sleep", clock.sleep)
    script = Script(case["server"], clock)
    events: list[Event] = []
    failure: ClientError | None = None
    with httpx2.Client(transport=script) as http:
        follower = begun(Client(URL, retries=clock.budget, http=http), case["do"])
        assert isinstance(follower, SyncFollower | Conversation)
        try:
            events.extend(follower)
        except ClientError as error:
            failure = error
    script.finish()
    judge(case, follower, events, failure, clock.waits)


@pytest.mark.parametrize("case", CASES)
async def test_the_async_client(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Time()
    monkeypatch.setattr(anyio, "sleep", clock.asleep)
    script = Script(case["server"], clock)
    events: list[Event] = []
    failure: ClientError | None = None
    async with httpx2.AsyncClient(transport=script) as http:
        follower = begun(AsyncClient(URL, retries=clock.budget, http=http), case["do"])
        assert isinstance(follower, AsyncFollower | AsyncConversation)
        try:
            async for event in follower:
                events.append(event)
        except ClientError as error:
            failure = error
    script.finish()
    judge(case, follower, events, failure, clock.waits)


def test_the_table_says_something() -> None:
    assert len(CASES) > 30
    assert {case["do"]["call"] for case in cases()} == {"create", "follow", "conversation"}
