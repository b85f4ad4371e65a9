"""Identical requests are asked once: what is finished is said again, what runs is shared, what failed is not."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from contextlib import AsyncExitStack
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import (
    AnyEvent,
    Attempt,
    Cancelled,
    Completed,
    Cost,
    Delta,
    Failed,
    FinishReason,
    Part,
    PartEnd,
    Usage,
)
from shared.log.snapshots import PartSoFar, Snapshot
from shared.request.generation_request import GenerationRequest
from shared.storage.clock import read_clock
from shared.storage.keys import GenerationKeys
from tests.contract.accepting import batch, completed, delta
from tests.worker.conftest import Midstream, said_something, working
from worker.cache.lookup import IMMATERIAL_FIELDS, canonical, digest, will_do

CACHE = {"ttl": 600}
FAILED = Failed(code="provider_error", message="", retryable=True)
MATERIAL: dict[str, tuple[Any, Any]] = {
    "model": ("a/b", "a/c"),
    "messages": ([{"role": "user", "content": "?"}], [{"role": "user", "content": "!"}]),
    "tools": (None, [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "a": {"b": 1}}}}]),
    "tool_choice": (None, "required"),
    "parallel_tool_calls": (None, False),
    "response_format": (None, {"type": "json_schema", "json_schema": {"name": "x", "schema": {"b": 1, "a": 2}}}),
    "max_tokens": (None, 9),
    "temperature": (None, 0.0),
    "top_p": (None, 0.5),
    "stop": (None, ["x"]),
    "seed": (None, 0),
    "frequency_penalty": (None, 0.0),
    "presence_penalty": (None, 0.0),
    "reasoning_effort": (None, "none"),
    "reasoning_budget": (None, 2048),
    "top_k": (None, 5),
    "logprobs": (None, True),
    "logit_bias": (None, {"1": 2}),
    "verbosity": (None, "low"),
    "extra": ({}, {"p": {"b": {"d": 1, "c": [2, {"z": 1, "y": 2}]}, "a": 1}}),
    "fallback": (None, ["a/d"]),
    "previous": (None, "gen_mfrggzdfmztwq2lknnwg23tpobyxe43u"),
}
IGNORED: dict[str, Any] = {
    "on_interrupt": "fail",
    "on_unwatched": {"after": 5},
    "conversation": "chat",
    "background": False,
    "stream": True,
    "idle_timeout": 5.0,
    "deadline": 5.0,
    "ttl": 5.0,
    "metadata": {"a": "b"},
    "cache": {"ttl": 5},
    "user": "u",
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "service_tier": "flex",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A lease that a busy machine does not let run out: that would be an attempt of its own."""
    return settings.model_copy(update={"lease": 5.0})


def canonical_text(request: GenerationRequest) -> str:
    return "".join(canonical(request))


class TestCanonicalForm:
    def test_every_field_is_classified(self) -> None:
        # The last cannot be toggled by itself.
        assert GenerationRequest.model_fields.keys() == MATERIAL.keys() | IMMATERIAL_FIELDS | {"top_logprobs"}
        assert IGNORED.keys() == IMMATERIAL_FIELDS

    @examples(max_examples=50)
    @given(
        st.sets(st.sampled_from(sorted(set(MATERIAL) - {"reasoning_budget"}))),
        st.sets(st.sampled_from(sorted(IGNORED))),
        st.booleans(),
        st.randoms(use_true_random=False),
    )
    def test_it_tells_apart_what_matters_and_nothing_else(
        self, changed: set[str], ignored: set[str], spelt_out: bool, random: Any
    ) -> None:
        """Two requests have the same form exactly if they have the same values in the fields that matter."""
        plain = {name: MATERIAL[name][name in changed] for name in MATERIAL if name in changed | {"model", "messages"}}
        body = {name: MATERIAL[name][name in changed] for name in MATERIAL} if spelt_out else dict(plain)
        body |= {name: IGNORED[name] for name in ignored}
        request = GenerationRequest.model_validate(shuffled(body, random))
        assert canonical_text(request) == canonical_text(GenerationRequest.model_validate(plain))
        other = random.choice(sorted(set(MATERIAL) - {"reasoning_budget", "reasoning_effort"}))
        toggled = body | {other: MATERIAL[other][other not in changed]}
        assert canonical_text(GenerationRequest.model_validate(toggled)) != canonical_text(request)

    @pytest.mark.parametrize("name", ["reasoning_budget", "reasoning_effort"])
    def test_of_two_fields_that_exclude_each_other(self, name: str) -> None:
        plain = {name: values[0] for name, values in MATERIAL.items()}
        forms = {canonical_text(GenerationRequest.model_validate(plain | {name: value})) for value in MATERIAL[name]}
        assert len(forms) == 2

    def test_how_many_probabilities_matters(self) -> None:
        plain = {name: values[0] for name, values in MATERIAL.items()} | {"logprobs": True}
        forms = {canonical_text(GenerationRequest.model_validate(plain | {"top_logprobs": most})) for most in (1, 2)}
        assert len(forms) == 2

    def test_marks_of_a_cached_prompt_do_not_matter(self) -> None:
        def conversation(mark: dict[str, Any]) -> dict[str, Any]:
            call = {"id": "a", "function": {"name": "f", "arguments": "{}"}, **mark}
            return {
                "model": "a/b",
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "?", **mark}]},
                    {"role": "assistant", "tool_calls": [call]},
                    {"role": "tool", "tool_call_id": "a", "content": "x", **mark},
                ],
                "tools": [{"type": "function", "function": {"name": "f"}, **mark}],
            }

        plain, marked = (
            GenerationRequest.model_validate(conversation(mark)) for mark in ({}, {"cache_control": {"ttl": "1h"}})
        )
        assert plain != marked
        assert canonical_text(plain) == canonical_text(marked)
        failed = conversation({})
        failed["messages"][-1]["is_error"] = True
        assert canonical_text(GenerationRequest.model_validate(failed)) != canonical_text(plain)

    def test_owner_and_request_cannot_be_confused(self) -> None:
        request = GenerationRequest.model_validate({name: values[0] for name, values in MATERIAL.items()})
        assert digest("a", request) != digest("a1:", request)


def shuffled(value: Any, random: Any) -> Any:
    """The same JSON with the members of its objects in another order."""
    if isinstance(value, dict):
        members = [(name, shuffled(item, random)) for name, item in value.items()]
        random.shuffle(members)
        return dict(members)
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


def attempts(events: list[AnyEvent]) -> list[tuple[str, bool]]:
    return [(event.reason, event.cached is True) for event in events if isinstance(event, Attempt)]


async def snapshot(midstream: Midstream, generation_id: str) -> Snapshot:
    found = Snapshot()
    for entry in await midstream.log.read(generation_id, count=100_000):
        found.apply(*entry)
    return found


def whole(snapshot: Snapshot) -> list[PartSoFar]:
    """Its parts, however they were cut into deltas."""
    return [dataclasses.replace(part, pieces=[part.text]) for part in snapshot.parts]


async def write_on(midstream: Midstream, generation_id: str, events: list[Any], *, continues: bool) -> None:
    """Another worker takes the log over, and writes this."""
    claim = await midstream.log.claim(generation_id, model="m", provider="p", ttl_ms=60_000, continues=continues)
    await midstream.log.append(batch(generation_id, claim, 1, events))


def entry(owner: str, model: str) -> str:
    """Key of the cache entry for what `Midstream.ask` asks."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello."}]}
    return f"midstream:cache:{digest(owner, GenerationRequest.model_validate(body))}"


async def calls(midstream: Midstream, key: str, most: int = 1) -> int:
    return len(await midstream.requests(key, lambda rows: len(rows) >= most))


async def state(generations: Generations, generation_id: str) -> str:
    record = (await generations.find(generation_id)).record
    assert record is not None
    return record.state


class TestFinished:
    @pytest.mark.parametrize(
        "script",
        [
            "simulator-anthropic/reasoning?rate=0",
            "simulator-anthropic/tools?rate=0&deltas=30",
            "simulator/refusal?rate=0",  # which is a whole answer here, and none to Anthropic
        ],
    )
    async def test_it_is_said_again_under_a_new_id_for_nothing(
        self, settings: Settings, midstream: Midstream, key: str, script: str
    ) -> None:
        model = f"{script}&key={key}"
        async with working(settings):
            first = await midstream.ask(model, cache=CACHE)
            await midstream.ended(first)
            second = await midstream.ask(model, cache=CACHE, metadata={"other": "x"}, ttl=90)
            events = await midstream.ended(second)
            await midstream.ended(await midstream.ask(model))
        assert await calls(midstream, key, 2) == 2, "one for the source, and one without a cache"
        original, copy = await snapshot(midstream, first), await snapshot(midstream, second)
        assert whole(copy) == whole(original) != []
        assert (copy.usage, copy.response_id) == (original.usage, original.response_id)
        assert attempts(events) == [("new", True)]
        assert isinstance(events[0], Attempt)
        assert (events[0].provider, events[0].model) == (model.partition("/")[0], model)
        assert isinstance(events[-1], Completed)
        assert events[-1].cost == Cost("0")

    async def test_the_original_pace_has_the_original_gaps(
        self, settings: Settings, midstream: Midstream, key: str
    ) -> None:
        model = f"simulator/lorem?deltas=12&rate=20&key={key}"

        def times(events: list[AnyEvent]) -> list[tuple[int, int]]:
            """How much of the text was there when."""
            said = [event for event in events if isinstance(event, Delta)]
            return list(zip(accumulate(len(event.delta) for event in said), (event.t for event in said), strict=True))

        async with working(settings):
            original = await midstream.ended(await midstream.ask(model, cache=CACHE))
            paced = await midstream.ended(await midstream.ask(model, cache=CACHE | {"pace": "original"}))
            full = await midstream.ended(await midstream.ask(model, cache=CACHE))
        assert await calls(midstream, key) == 1
        due = dict(times(original))
        assert original[-1].t > 500
        # Its times are whole ms, each rounded down.
        assert all(t >= due[length] - 2 for length, t in times(paced) if length in due)
        assert len(due.keys() & dict(times(paced)).keys()) > 5
        assert paced[-1].t >= original[-1].t - 2
        assert full[-1].t < original[-1].t / 2

    async def test_it_is_good_for_as_long_as_the_asking_request_says(
        self, settings: Settings, midstream: Midstream, key: str
    ) -> None:
        model = f"simulator/clock?deltas=3&rate=0&key={key}"
        async with working(settings):
            for ttl, cached in ((600, False), (0, False), (600, True)):
                events = await midstream.ended(await midstream.ask(model, cache={"ttl": ttl}))
                assert attempts(events) == [("new", cached)]
        assert await calls(midstream, key, 2) == 2

    @pytest.mark.parametrize("how", ["failed", "cancelled", "deleted", "expired"])
    async def test_what_is_no_answer_any_more_is_not_copied(
        self, settings: Settings, midstream: Midstream, generations: Generations, redis: Redis, key: str, how: str
    ) -> None:
        fault = "&fault=eof@4&times=1" if how == "failed" else ""
        model = f"simulator/lorem?deltas=9&rate={0 if how != 'cancelled' else 5}&key={key}{fault}"
        async with working(settings):
            first = await midstream.ask(model, cache=CACHE, on_interrupt="fail")
            if how == "cancelled":
                await midstream.until(first, said_something)
                await generations.cancel(first)
            await midstream.ended(first)
            if how == "deleted":
                await generations.delete("local", first)
            elif how == "expired":
                await redis.delete(GenerationKeys(first).log)
            second = await midstream.ask(model, cache=CACHE)
            assert attempts(await midstream.ended(second)) == [("new", False)]
            assert attempts(await midstream.ended(await midstream.ask(model, cache=CACHE))) == [("new", True)]
        assert await calls(midstream, key, 2) == 2

    async def test_one_that_was_cut_is_asked_again_unless_by_the_requests_own_limit(
        self, settings: Settings, midstream: Midstream, key: str
    ) -> None:
        limited = f"simulator/lorem?deltas=9&rate=0&key={key}"
        cut = f"simulator/clock?deltas=12&rate=20&fault=stall@8&key={key}-2"
        async with working(settings):
            for cached in (False, True):
                events = await midstream.ended(await midstream.ask(limited, cache=CACHE, max_tokens=4))
                assert isinstance(events[-1], Completed)
                assert (attempts(events), events[-1].finish_reason) == ([("new", cached)], "length")
            for _ in range(2):
                first = await midstream.ask(cut, cache=CACHE)
                await midstream.until(first, said_something)
                await write_on(midstream, first, [cut_short()], continues=True)
                assert [cached for _, cached in attempts(await midstream.ended(first))] == [False, False]
                # Who asks in the very ms of the end shares it, as one who asked while it ran.
                await asyncio.sleep(0.002)
        assert await calls(midstream, f"{key}-2", 2) == 2


def cut_short(tokens: int | None = None, reason: FinishReason = "length") -> Completed:
    usage = None if tokens is None else Usage(output_tokens=tokens)
    return Completed(finish_reason=reason, usage=usage)


@pytest.mark.parametrize(
    ("end", "fields", "does"),
    [
        (cut_short(reason="stop"), {}, True),
        (cut_short(reason="tool_calls"), {}, True),
        (cut_short(reason="content_filter"), {"max_tokens": 1}, False),
        (cut_short(reason="paused"), {}, False),
        (cut_short(reason="other"), {}, False),
        (cut_short(), {}, False),
        (cut_short(), {"stop": ["x"]}, False),
        (cut_short(), {"max_tokens": 9}, True),
        (cut_short(9), {"max_tokens": 9}, True),
        (cut_short(8), {"max_tokens": 9}, False),  # it has run into another's
        (cut_short(9), {"extra": {"p": {"num_predict": 9}}}, True),
        (cut_short(9), {"extra": {"p": {"generationConfig": {"maxOutputTokens": 9}}}}, True),
        (cut_short(9), {"extra": {"p": {"max_tokens": 10, "other": 3}}}, False),
    ],
)
def test_which_ends_will_do(end: Completed, fields: dict[str, Any], does: bool) -> None:
    body = {"model": "p/m", "messages": [{"role": "user", "content": "?"}], **fields}
    assert will_do(end, GenerationRequest.model_validate(body)) is does


class TestOwners:
    async def test_they_never_share(self, settings: Settings, midstream: Midstream, redis: Redis, key: str) -> None:
        model = f"simulator/lorem?deltas=5&rate=10&key={key}"
        async with working(settings):
            ids = [await midstream.ask(model, owner=owner, cache=CACHE) for owner in ("a", "b", "a")]
            ended = [await midstream.ended(generation_id) for generation_id in ids]
        assert [cached for events in ended for _, cached in attempts(events)].count(False) == 2
        assert attempts(ended[1]) == [("new", False)]
        assert await calls(midstream, key, 2) == 2
        assert len([name async for name in redis.scan_iter("midstream:cache:*")]) == 2

    async def test_an_entry_that_names_anothers_generation_is_refused(
        self, settings: Settings, midstream: Midstream, redis: Redis, key: str
    ) -> None:
        model = f"simulator/clock?deltas=3&rate=0&key={key}"
        async with working(settings):
            theirs = await midstream.ask(model, owner="a", cache=CACHE)
            await midstream.ended(theirs)
            assert await redis.get(entry("a", model)) == theirs.encode()
            await redis.set(entry("b", model), theirs)
            events = await midstream.ended(await midstream.ask(model, owner="b", cache=CACHE))
        assert attempts(events) == [("new", False)]
        assert await calls(midstream, key, 2) == 2

    async def test_no_key_and_no_line_has_a_prompt(
        self, settings: Settings, midstream: Midstream, redis: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, logger="midstream")
        messages = [{"role": "user", "content": "a-secret-prompt"}]
        async with working(settings):
            for _ in range(2):
                await midstream.ended(await midstream.ask("simulator/echo?rate=0", messages=messages, cache=CACHE))
        assert "copies" in caplog.text
        assert "secret" not in "".join(r.getMessage() for r in caplog.records if r.name.startswith("midstream"))
        assert not any([b"secret" in name async for name in redis.scan_iter()])


class TestInFlight:
    MANY = 8

    async def test_they_share_one_call_and_all_hear_it_live(
        self, settings: Settings, midstream: Midstream, generations: Generations, key: str
    ) -> None:
        model = f"simulator/clock?deltas=60&rate=20&key={key}"
        async with working(settings):
            ids = [await midstream.ask(model, cache=CACHE) for _ in range(self.MANY)]
            for generation_id in ids:
                await midstream.until(generation_id, said_something)
            assert {await state(generations, generation_id) for generation_id in ids} == {"running"}
            ended = [await midstream.ended(generation_id) for generation_id in ids]
        assert await calls(midstream, key) == 1
        assert sorted(cached for events in ended for _, cached in attempts(events)) == [False] + [True] * (
            self.MANY - 1
        )
        assert len({(await snapshot(midstream, generation_id)).text for generation_id in ids}) == 1
        assert all(isinstance(events[-1], Completed) for events in ended)

    @pytest.mark.parametrize("end", ["cancelled", "failed"])
    async def test_a_source_without_an_answer_is_replaced_by_exactly_one(
        self, settings: Settings, midstream: Midstream, generations: Generations, key: str, end: str
    ) -> None:
        model = f"simulator/clock?deltas=12&rate=20&fault=stall@8&times=1&key={key}"
        async with working(settings):
            source = await midstream.ask(model, cache=CACHE)
            await midstream.until(source, said_something)
            ids = [await midstream.ask(model, cache=CACHE) for _ in range(self.MANY)]
            for generation_id in ids:
                await midstream.until(generation_id, said_something)
            if end == "cancelled":
                await generations.cancel(source)
            else:
                await write_on(midstream, source, [FAILED], continues=True)
            assert (await midstream.ended(source))[-1].type == end
            ended = [await midstream.ended(generation_id) for generation_id in ids]
        assert await calls(midstream, key, 2) == 2
        assert all(isinstance(events[-1], Completed) for events in ended)
        assert all(attempts(events)[0] == ("new", True) for events in ended)
        assert sorted(attempts(events)[1:] for events in ended) == sorted(
            [[("source_lost", False)]] + [[("source_lost", True)]] * (self.MANY - 1)
        )
        assert len({(await snapshot(midstream, generation_id)).text for generation_id in ids}) == 1
        records = [(await generations.find(generation_id)).record for generation_id in ids]
        assert all(record is not None and record.failures == 0 for record in records)

    async def test_sources_that_come_to_nothing_one_after_the_other_make_no_herd(
        self, settings: Settings, midstream: Midstream, generations: Generations, key: str
    ) -> None:
        """However often: one of those that are left asks the provider, and the others follow it."""
        model = f"simulator/clock?deltas=400&rate=20&key={key}"
        async with working(settings):
            ids = [await midstream.ask(model, cache=CACHE) for _ in range(self.MANY)]
            for asked, end in enumerate(("cancel", "delete", "fail", "cancel", "cancel"), 1):
                source = await self.followed(midstream, ids)
                assert await calls(midstream, key, asked) == asked
                ids.remove(source)
                if end == "cancel":
                    await generations.cancel(source)
                elif end == "delete":
                    await generations.delete("local", source)
                else:
                    await write_on(midstream, source, [FAILED], continues=True)
            await self.followed(midstream, ids)
            assert await calls(midstream, key, 6) == 6

    async def followed(self, midstream: Midstream, ids: list[str]) -> str:
        """The one that asked the provider, once all have begun to say what it says."""
        async with asyncio.timeout(20):
            while True:
                said = [await snapshot(midstream, generation_id) for generation_id in ids]
                asking = [i for i, one in zip(ids, said, strict=True) if one.attempts and not one.attempts[-1].cached]
                if len(asking) == 1 and all(one.text for one in said) and len({one.text[:8] for one in said}) == 1:
                    return asking[0]
                await asyncio.sleep(0.02)

    async def test_a_source_that_starts_over_is_followed(
        self, settings: Settings, midstream: Midstream, key: str
    ) -> None:
        model = f"simulator/clock?deltas=12&rate=20&fault=stall@8&key={key}"
        async with working(settings):
            source = await midstream.ask(model, cache=CACHE)
            await midstream.until(source, said_something)
            follower = await midstream.ask(model, cache=CACHE)
            await midstream.until(follower, said_something)
            anew = [Part(part=0, kind="text"), delta("anew"), PartEnd(part=0), completed()]
            await write_on(midstream, source, anew, continues=False)
            assert attempts(await midstream.ended(follower)) == [("new", True), ("source_lost", True)]
        assert (await snapshot(midstream, follower)).text == "anew"
        assert await calls(midstream, key) == 1

    async def test_a_source_that_continues_is_followed_in_one_attempt(
        self, settings: Settings, midstream: Midstream, key: str
    ) -> None:
        model = f"simulator/clock?deltas=12&rate=20&fault=stall@8&key={key}"
        async with working(settings):
            source = await midstream.ask(model, cache=CACHE)
            await midstream.until(source, said_something)
            follower = await midstream.ask(model, cache=CACHE)
            await midstream.until(follower, said_something)
            rest = [Part(part=0, kind="text", resumes=True), delta("and on"), PartEnd(part=0), completed()]
            await write_on(midstream, source, rest, continues=True)
            assert attempts(await midstream.ended(follower)) == [("new", True)]
        original, copy = await snapshot(midstream, source), await snapshot(midstream, follower)
        assert whole(copy) == whole(original)
        assert len(copy.text) > len("and on")
        assert copy.text.endswith("and on")

    async def test_who_asked_while_it_ran_shares_a_cut_end(
        self, settings: Settings, midstream: Midstream, key: str
    ) -> None:
        """Also where it looks only afterwards, as it had to wait for a place: else a herd would ask one by one."""
        model = f"simulator/clock?deltas=900&rate=20&key={key}"
        async with working(settings.model_copy(update={"concurrency": 1})):
            source = await midstream.ask(model, cache=CACHE)
            await midstream.until(source, said_something)
            follower = await midstream.ask(model, cache=CACHE)
            await write_on(midstream, source, [cut_short()], continues=True)
            assert attempts(await midstream.ended(follower)) == [("new", True)]
        assert await calls(midstream, key) == 1

    async def test_who_must_not_start_over_fails(self, settings: Settings, midstream: Midstream, key: str) -> None:
        model = f"simulator/clock?deltas=12&rate=20&fault=stall@8&key={key}"
        async with working(settings):
            source = await midstream.ask(model, cache=CACHE)
            await midstream.until(source, said_something)
            follower = await midstream.ask(model, cache=CACHE, on_interrupt="fail")
            await midstream.until(follower, said_something)
            await write_on(midstream, source, [FAILED], continues=True)
            events = await midstream.ended(follower)
        assert attempts(events) == [("new", True)]
        assert isinstance(events[-1], Failed)
        assert (events[-1].code, events[-1].retryable) == ("incomplete_stream", True)
        assert await calls(midstream, key) == 1

    @pytest.mark.parametrize("end", ["cancel", "delete"])
    async def test_each_is_ended_by_its_own_owner_only(
        self, settings: Settings, midstream: Midstream, generations: Generations, key: str, end: str
    ) -> None:
        model = f"simulator/clock?deltas=20&rate=20&fault=stall@10&times=1&key={key}"
        async with working(settings):
            source = await midstream.ask(model, cache=CACHE)
            await midstream.until(source, said_something)
            leaving, staying = [await midstream.ask(model, cache=CACHE) for _ in range(2)]
            for generation_id in (leaving, staying):
                await midstream.until(generation_id, said_something)
            await generations.cancel(leaving)
            assert isinstance((await midstream.ended(leaving))[-1], Cancelled)
            assert await state(generations, source) == await state(generations, staying) == "running"
            if end == "cancel":
                await generations.cancel(source)
                assert isinstance((await midstream.ended(source))[-1], Cancelled)
            else:
                await generations.delete("local", source)
            events = await midstream.ended(staying)
        assert attempts(events) == [("new", True), ("source_lost", False)]
        assert isinstance(events[-1], Completed)
        assert await calls(midstream, key, 2) == 2

    async def test_a_silent_source_is_left_after_the_followers_own_patience(
        self, settings: Settings, midstream: Midstream, key: str
    ) -> None:
        model = f"simulator/clock?deltas=6&rate=50&fault=stall@4&times=1&key={key}"
        async with working(settings):
            source = await midstream.ask(model, cache=CACHE, idle_timeout=600)
            await midstream.until(source, said_something)
            events = await midstream.ended(await midstream.ask(model, cache=CACHE, idle_timeout=2))
            assert attempts(events) == [("new", True), ("source_lost", False)]
            assert isinstance(events[-1], Completed)
        assert await calls(midstream, key, 2) == 2

    @pytest.mark.parametrize("before", [0, 4], ids=["before its first word", "after it"])
    async def test_a_source_that_is_kept_alive_is_waited_for(
        self, settings: Settings, midstream: Midstream, key: str, before: int
    ) -> None:
        """Longer than either's `idle_timeout`: only the source's worker hears the keep-alives."""
        loop = asyncio.get_running_loop()
        model = f"simulator/clock?deltas=6&rate=0&fault=keepalive@{before}&times=1&key={key}"
        asked: dict[str, Any] = {"cache": CACHE, "idle_timeout": 2, "on_interrupt": "fail"}
        async with working(settings.model_copy(update={"silence_timeout": 5.0, "retries": 0})):
            source = await midstream.ask(model, **asked)
            if before:
                await midstream.until(source, said_something)
            await midstream.requests(key, lambda rows: len(rows) == 1)
            began = loop.time()
            follower = await midstream.ask(model, **asked)
            await midstream.ended(follower, 20)
            took = loop.time() - began
            end = (await midstream.ended(source, 20))[-1]
        assert isinstance(end, Failed)
        assert end.code == "provider_timeout"
        assert took > 3.5


class TestPlaces:
    """A follower holds a worker's place, which its source may need."""

    async def test_a_source_that_waits_behind_its_follower_is_replaced(
        self, settings: Settings, midstream: Midstream, redis: Redis, key: str
    ) -> None:
        model = f"simulator/clock?deltas=4&rate=0&key={key}"
        follower = await midstream.ask(model, cache=CACHE)
        asked, _ = await read_clock(redis)
        while (await read_clock(redis))[0] == asked:
            pass  # the queue's order is in ms
        source = await midstream.ask(model, cache=CACHE)
        await redis.set(entry("local", model), source)  # as a worker leaves it that is killed before its claim
        async with working(settings.model_copy(update={"concurrency": 1})):
            ended = [await midstream.ended(generation_id) for generation_id in (follower, source)]
        assert [attempts(events) for events in ended] == [[("new", False)], [("new", True)]]
        assert await calls(midstream, key) == 1

    @pytest.mark.parametrize("places", [1, 500])
    async def test_a_source_whose_worker_was_killed(
        self, settings: Settings, midstream: Midstream, key: str, places: int
    ) -> None:
        """It is taken over as any other, if a worker has room; else one of its followers goes on in its place."""
        settings = settings.model_copy(update={"lease": 3.0})
        model = f"simulator/clock?deltas=20&rate=20&fault=stall@10&times=1&key={key}"
        async with AsyncExitStack() as first, AsyncExitStack() as second:
            await first.enter_async_context(working(settings.model_copy(update={"concurrency": 1})))
            source = await midstream.ask(model, cache=CACHE)
            await midstream.until(source, said_something)
            await second.enter_async_context(working(settings.model_copy(update={"concurrency": places})))
            followers = [await midstream.ask(model, cache=CACHE) for _ in range(min(places, 3))]
            for generation_id in followers:
                await midstream.until(generation_id, said_something)
            await first.aclose()
            ids = [source, *followers]
            ended = [await midstream.ended(generation_id) for generation_id in ids]
        assert await calls(midstream, key, 2) == 2, "one was cut, and one shared by all"
        assert all(isinstance(events[-1], Completed) for events in ended)
        assert len({(await snapshot(midstream, generation_id)).text for generation_id in ids}) == 1
        assert [reason for reason, _ in attempts(ended[0])] == ["new", "worker_lost"]
        assert all([reason for reason, _ in attempts(events)] == ["new", "source_lost"] for events in ended[1:])
