"""An answer that broke off goes on by assistant prefix where the provider takes one, and starts over where not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.config.provider_settings import ProviderSettings
from shared.config.settings import Settings
from shared.log.entry import Entry
from shared.log.events import AnyEvent, Attempt, Cancelled, Completed, Delta, Failed, Part, PartEnd
from shared.log.guarded_log import Log
from shared.log.snapshots import Snapshot
from shared.storage.keys import GenerationKeys
from tests.worker.conftest import Midstream, working
from tests.worker.providers.upstream import Reply, Upstream

PREFIX = ["simulator", "simulator-anthropic"]
CONTINUE: dict[str, Any] = {"on_interrupt": "continue"}


def attempts(events: list[AnyEvent]) -> list[tuple[str, bool]]:
    return [(event.reason, event.continues) for event in events if isinstance(event, Attempt)]


async def read(midstream: Midstream, generation_id: str) -> Snapshot:
    """The answer as it stands."""
    snapshot = Snapshot()
    for entry in await midstream.log.read(generation_id, count=100_000):
        snapshot.apply(*entry)
    return snapshot


async def whole(midstream: Midstream, model: str) -> str:
    events = await midstream.ended(await midstream.ask(model))
    assert isinstance(events[-1], Completed)
    return "".join(event.delta for event in events if isinstance(event, Delta) and event.kind == "text")


@pytest.mark.parametrize("provider", PREFIX)
@pytest.mark.parametrize("fault", ["reset", "eof", "error"])
async def test_broken_twice_and_whole(
    settings: Settings, midstream: Midstream, key: str, provider: str, fault: str
) -> None:
    """What was said is not generated again, and the joined text is the uncut one, in one part."""
    script = f"{provider}/lorem?deltas=20&unicode=1&seed=3"
    async with working(settings):
        generation_id = await midstream.ask(f"{script}&rate=0&fault={fault}@6&times=2&key={key}", **CONTINUE)
        events = await midstream.ended(generation_id)
        uncut = await whole(midstream, f"{script}&rate=0")
        rows = await midstream.requests(key, lambda rows: len(rows) == 3)
    assert attempts(events) == [("new", False), ("provider_error", True), ("provider_error", True)]
    assert isinstance(events[-1], Completed)
    (part,) = (await read(midstream, generation_id)).parts
    assert (part.text, part.ended) == (uncut, True)
    said, before = "", []
    for event in events:
        if isinstance(event, Attempt):
            before.append(len(said.rstrip()))
        elif isinstance(event, Delta):
            said += event.delta
    assert [row["prefix"] for row in rows] == before
    # The white space at the end of a beginning is said again; of a reset, what was on its way is, too.
    assert fault == "reset" or 20 <= sum(row["deltas"] for row in rows) <= 22


@pytest.mark.parametrize("provider", PREFIX)
async def test_a_lost_worker(settings: Settings, midstream: Midstream, key: str, provider: str) -> None:
    script = f"{provider}/lorem?deltas=30&seed=5"
    async with working(settings):
        generation_id = await midstream.ask(f"{script}&rate=60&key={key}", **CONTINUE)
        await midstream.until(generation_id, lambda entries: len(entries) > 8)
    async with working(settings):
        events = await midstream.ended(generation_id)
        uncut = await whole(midstream, f"{script}&rate=0")
    assert attempts(events) == [("new", False), ("worker_lost", True)]
    assert (await read(midstream, generation_id)).text == uncut
    _, second = await midstream.requests(key, lambda rows: len(rows) == 2)
    assert second["prefix"] > 0
    assert second["deltas"] < 30


async def test_a_repeated_beginning(settings: Settings, midstream: Midstream, key: str) -> None:
    """As Mistral answers."""
    settings.providers["echoing"] = ProviderSettings(
        protocol="openai-chat", base_url=f"{settings.simulator_url}/v1", prefill="mistral"
    )
    script = "lorem?deltas=80&chunk=3&unicode=1&rate=0"
    async with working(settings):
        model = f"echoing/{script}&echo_prefix=1&fault=eof@27&times=2&key={key}"
        generation_id = await midstream.ask(model, **CONTINUE)
        events = await midstream.ended(generation_id)
        uncut = await whole(midstream, f"simulator/{script}")
    assert [continues for _, continues in attempts(events)] == [False, True, True]
    assert (await read(midstream, generation_id)).text == uncut


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        # An endpoint that does not say how, an answer that has thought, one that calls a tool: nothing is tried.
        ("plain/lorem?deltas=9&rate=0&fault=eof@5&times=1", [False, False]),
        ("simulator/reasoning?deltas=9&rate=0&fault=eof@5&times=1", [False, False]),
        ("simulator/tools?deltas=24&rate=0&fault=eof@last&times=1", [False, False]),
        ("simulator-gemini/lorem?deltas=9&rate=0&fault=eof@5&times=1", [False, False]),
        # A script that cannot is found out, and that is no failed attempt: two are allowed, and one had failed.
        ("simulator/clock?deltas=9&rate=0&fault=eof@5&times=1", [False, True, False]),
        ("simulator-anthropic/clock?deltas=9&rate=0&fault=eof@5&times=1", [False, True, False]),
    ],
)
async def test_where_it_cannot_it_starts_over(
    settings: Settings, midstream: Midstream, key: str, model: str, expected: list[bool]
) -> None:
    settings.max_attempts, settings.lease = 2, 5.0
    settings.providers["plain"] = ProviderSettings(protocol="openai-chat", base_url=f"{settings.simulator_url}/v1")
    async with working(settings):
        events = await midstream.ended(await midstream.ask(f"{model}&key={key}", **CONTINUE))
    assert isinstance(events[-1], Completed)
    assert [continues for _, continues in attempts(events)] == expected


async def test_failed_attempts_are_bounded_and_the_text_stays(settings: Settings, midstream: Midstream) -> None:
    async with working(settings):
        generation_id = await midstream.ask("simulator/lorem?deltas=20&seed=3&rate=0&fault=eof@4", **CONTINUE)
        events = await midstream.ended(generation_id)
        uncut = await whole(midstream, "simulator/lorem?deltas=20&seed=3&rate=0")
    assert len(attempts(events)) == settings.max_attempts
    assert isinstance(events[-1], Failed)
    assert events[-1].code == "incomplete_stream"
    text = (await read(midstream, generation_id)).text
    assert uncut.startswith(text)
    assert text.count(" ") > 8


async def test_the_deadline_is_of_all_attempts(settings: Settings, midstream: Midstream) -> None:
    settings.max_attempts = 1_000
    async with working(settings):
        generation_id = await midstream.ask("simulator/lorem?deltas=999&rate=30&fault=eof@6", deadline=1.0, **CONTINUE)
        events = await midstream.ended(generation_id)
    assert isinstance(events[-1], Failed)
    assert events[-1].code == "deadline_exceeded"
    assert 3 <= len(attempts(events)) < 10


async def test_cancelled_while_it_goes_on(settings: Settings, midstream: Midstream) -> None:
    async with working(settings):
        model = "simulator/lorem?deltas=999&rate=30&seed=1&fault=eof@6&times=1"
        generation_id = await midstream.ask(model, **CONTINUE)
        await midstream.until(generation_id, lambda entries: [entry.type for entry in entries].count("part") == 2)
        assert await midstream.generations.cancel(generation_id) == "running"
        events = await midstream.ended(generation_id, 5)
    assert isinstance(events[-1], Cancelled)
    assert [continues for _, continues in attempts(events)] == [False, True]


@contextlib.asynccontextmanager
async def half_read(settings: Settings, midstream: Midstream) -> AsyncIterator[str]:
    """A generation whose worker was lost in the middle."""
    async with working(settings):
        generation_id = await midstream.ask("simulator/lorem?deltas=30&rate=60&seed=5", **CONTINUE)
        await midstream.until(generation_id, lambda entries: len(entries) > 6)
    yield generation_id


async def test_a_log_without_its_beginning_is_not_gone_on_with(
    settings: Settings, midstream: Midstream, redis: Redis
) -> None:
    async with half_read(settings, midstream) as generation_id:
        await redis.xtrim(GenerationKeys(generation_id).log, maxlen=4, approximate=False)
        async with working(settings):
            events = await midstream.ended(generation_id)
            uncut = await whole(midstream, "simulator/lorem?deltas=30&rate=0&seed=5")
    assert attempts(events) == [("worker_lost", False)]
    assert (await read(midstream, generation_id)).text == uncut


async def test_an_older_attempt_that_goes_on_writing_is_not_waited_for_for_ever(
    settings: Settings, midstream: Midstream, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log moves each time that it has been read: the next attempt starts over, and fences the old one."""
    async with half_read(settings, midstream) as generation_id:
        last = (await midstream.log.read(generation_id))[-1].id
        seqs, fenced, read_log = count(last.seq + 1), asyncio.Event(), Log.read

        async def read_and_move(log: Log, *which: Any, **page: Any) -> list[Entry]:
            entries = await read_log(log, *which, **page)
            delta = b'{"part":0,"kind":"text","delta":"x","t":0}'
            try:
                await redis.xadd(GenerationKeys(generation_id).log, {"delta": delta}, id=f"{last.token}-{next(seqs)}")
            except ResponseError:
                fenced.set()
            return entries

        monkeypatch.setattr(Log, "read", read_and_move)
        async with working(settings):
            events = await midstream.ended(generation_id)
        assert fenced.is_set()
    assert attempts(events) == [("new", False), ("worker_lost", False)]
    assert isinstance(events[-1], Completed)


def chunk(**delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}
    return (
        b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"
    )


BROKEN = Reply([chunk(content="The sky ")], end="abort")
END = Reply([chunk(content="is blue."), chunk(), b"data: [DONE]\n\n"])


@pytest.fixture
async def upstream(settings: Settings) -> AsyncIterator[Upstream]:
    """An endpoint of the name `acme` that says what a test wrote down, one reply after the other."""
    server = Upstream()
    await server.start()
    settings.retries = 0
    for name, prefill in (("acme", "assistant"), ("plain", "none")):
        settings.providers[name] = ProviderSettings.model_validate(
            {"protocol": "openai-chat", "base_url": server.url, "prefill": prefill}
        )
    yield server
    await server.stop()


def refusal(status: int) -> Reply:
    return Reply([b'{"error":{"message":"no"}}'], status=status, headers={"content-type": "application/json"})


@pytest.mark.parametrize(
    ("replies", "expected", "text", "code"),
    [
        # Away, and back again: the text stands meanwhile.
        ([BROKEN, refusal(503), END], [False, True, True], "The sky is blue.", None),
        ([BROKEN, refusal(429), refusal(529)], [False, True, True], "The sky ", "overloaded"),
        # Nothing that starting over would mend.
        ([BROKEN, refusal(401)], [False, True], "The sky ", "authentication"),
        # It takes no beginning after all; or fails over it.
        ([BROKEN, refusal(400), END], [False, True, False], "is blue.", None),
        ([BROKEN, refusal(500), END], [False, True, False], "is blue.", None),
    ],
)
async def test_a_provider_that_refuses_to_go_on(
    settings: Settings,
    midstream: Midstream,
    upstream: Upstream,
    replies: list[Reply],
    expected: list[bool],
    text: str,
    code: str | None,
) -> None:
    left = iter(replies)
    upstream.answer = lambda _: next(left)
    async with working(settings):
        generation_id = await midstream.ask("acme/m", **CONTINUE)
        events = await midstream.ended(generation_id)
    assert [continues for _, continues in attempts(events)] == expected
    end, snapshot = events[-1], await read(midstream, generation_id)
    assert (end.code if isinstance(end, Failed) else None) == code
    assert snapshot.text == text
    assert len(snapshot.parts) == 1


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("acme", [("new", "acme", False), ("provider_error", "acme", True)]),
        ("plain", [("new", "plain", False), ("fallback", "simulator", False)]),
    ],
)
async def test_going_on_comes_before_another_model_and_that_before_starting_over(
    settings: Settings, midstream: Midstream, upstream: Upstream, first: str, expected: list[tuple[str, str, bool]]
) -> None:
    replies = iter([BROKEN, END])
    upstream.answer = lambda _: next(replies)
    async with working(settings):
        generation_id = await midstream.ask(f"{first}/m", fallback=["simulator/echo"], **CONTINUE)
        events = await midstream.ended(generation_id)
    assert [(e.reason, e.provider, e.continues) for e in events if isinstance(e, Attempt)] == expected
    assert isinstance(events[-1], Completed)


async def test_only_the_end_was_missing(settings: Settings, midstream: Midstream, key: str) -> None:
    """Everything was said, and nothing is said twice: the part that was open is ended."""
    async with working(settings):
        generation_id = await midstream.ask(
            f"simulator/lorem?deltas=5&rate=0&fault=eof@5&times=1&key={key}", **CONTINUE
        )
        events = await midstream.ended(generation_id)
        rows = await midstream.requests(key, lambda rows: len(rows) == 2)
    assert [row["deltas"] for row in rows] == [5, 0]
    assert [event.resumes for event in events if isinstance(event, Part)][1:] == [True]
    assert isinstance(events[-2], PartEnd)
    assert (await read(midstream, generation_id)).parts[0].ended
