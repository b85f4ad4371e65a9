"""Going on from the beginning of an answer: what is sent, when it is not, and that the join is exact."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.log.events import Attempt, Completed, Delta, Event, EventId, Part, PartEnd, encode
from shared.log.guarded_log import Claim, ClaimOutcome
from shared.log.snapshots import Snapshot
from shared.request.claude_models import takes_prefill
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.anthropic.test_reader import RICH as MESSAGES
from tests.worker.providers.openai_chat.test_reader import RICH
from tests.worker.providers.upstream import Reply, Upstream
from worker.providers.prefill import Joint, Prefix, prefix, rest
from worker.providers.provider import Provider, ProviderError, ProviderEvent
from worker.providers.registry import Registry
from worker.writing.writer import Writer

Ask = Callable[..., GenerationRequest]
Made = Callable[[Protocol, str, str], Provider]

SPACES = st.text(st.sampled_from(" \n\t\u00a0"), max_size=3)
WORDS = st.text(st.sampled_from("ab \n\u4e00\U0001f600\u200d\u0301"), max_size=12)
TEXTS = st.one_of(WORDS, st.tuples(WORDS, SPACES, WORDS).map("".join))


def halves(text: str) -> str:
    """In UTF-16, as a provider cuts it that knows no whole characters."""
    units = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(units[at] | units[at + 1] << 8) for at in range(0, len(units), 2))


def whole(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def cut(text: str, sizes: list[int]) -> list[str]:
    pieces = []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    return [piece for piece in (*pieces, text) if piece]


@given(TEXTS, TEXTS, st.lists(st.integers(1, 5), max_size=8), st.booleans(), st.booleans())
@example("a \n", "b", [], True, True)
def test_the_join_is_exact(said: str, follows: str, sizes: list[int], repeats: bool, by_halves: bool) -> None:
    """Whatever was said and follows, however what follows is cut, and whether the beginning comes again or not."""
    begun = Prefix(said)
    heard = said + follows if repeats else begun.tail + follows
    joint = Joint(begun, repeats=repeats)
    new = [joint.feed(piece) for piece in cut(halves(heard) if by_halves else heard, sizes)]
    assert whole(said + "".join(new) + joint.close()) == said + follows


@pytest.mark.parametrize(
    ("said", "heard", "new"),
    [
        # A beginning that is not repeated after all, or not to its end, is new.
        ("abc", ["ab", "d"], "abd"),
        ("abc", ["ab"], "ab"),
        ("abc", ["x"], "x"),
        # White space that does not come again, or in part, or as other white space.
        ("a  ", ["b"], "b"),
        ("a  ", [" ", "b"], "b"),
        ("a ", ["\n", "b"], "\nb"),
        ("a ", ["a", " ", " b"], " b"),
        ("\U0001f600", ["\ud83d", "\ude00b"], "b"),
        ("\U0001f600", ["\ud83d", "\ude01b"], "\U0001f601b"),
    ],
)
def test_what_is_taken_away_was_said_before(said: str, heard: list[str], new: str) -> None:
    joint = Joint(Prefix(said), repeats=True)
    assert "".join([*(joint.feed(piece) for piece in heard), joint.close()]) == new


def logged(so_far: Snapshot, token: int, events: Sequence[Event], *, continues: bool = False) -> Snapshot:
    """As another worker finds it in the log: written by an attempt's writer, and never ended by it."""
    first = encode(Attempt(number=token, reason="drained", model="m", provider="p", continues=continues))
    writer = Writer(
        "g",
        Claim(ClaimOutcome.CLAIMED, token=token, first=first),
        max_log=1_000_000,
        dirty=lambda _: None,
        restore=never,
        stop=lambda _: None,
    )
    for event in events:
        writer.put(msgspec.convert(msgspec.to_builtins(event), type(event)))
    batch = writer.batch(0)
    for seq, (kind, data) in enumerate([("attempt", first), *(batch.events if batch else ())]):
        so_far.apply(EventId(token, seq), kind, data)
    return so_far


async def never() -> bool:
    return False


def snapshot(*events: ProviderEvent) -> Snapshot:
    return logged(Snapshot(), 1, events)


def said(text: str = "The sky is ") -> list[ProviderEvent]:
    return [Part(part=0, kind="text"), Delta(part=0, kind="text", delta=text)]


def thought(*, ended: bool = True) -> list[ProviderEvent]:
    events: list[ProviderEvent] = [
        Part(part=0, kind="reasoning"),
        Delta(part=0, kind="reasoning", delta="Hm."),
        PartEnd(part=0),
        Part(part=1, kind="text"),
        Delta(part=1, kind="text", delta="The sky is "),
    ]
    return events if ended else [event for event in events if not isinstance(event, PartEnd)]


async def _follow(so_far: Snapshot, answer: list[list[ProviderEvent]], *, repeats: bool = False) -> list[ProviderEvent]:
    async def pieces() -> AsyncGenerator[list[ProviderEvent], None]:
        for events in answer:
            yield events

    part = so_far.parts[-1]
    begun = Prefix(part.text, part.item_id, not part.ended)
    found = [event async for events in rest(pieces(), begun, repeats=repeats) for event in events]
    logged(so_far, 2, found, continues=True)
    return found


END = Completed(finish_reason="stop")


async def test_the_first_text_resumes_the_one_that_broke_off() -> None:
    so_far = snapshot(Part(part=0, kind="text", item_id="i"), Delta(part=0, kind="text", delta="The sky "))
    answer: list[list[ProviderEvent]] = [
        [Part(part=0, kind="text"), Delta(part=0, kind="text", delta="The")],
        [Delta(part=0, kind="text", delta=" sky is blue.")],
        [PartEnd(part=0), Part(part=1, kind="text"), Delta(part=1, kind="text", delta="!"), PartEnd(part=1), END],
    ]
    found = await _follow(so_far, answer, repeats=True)
    assert [(part.text, part.ended) for part in so_far.parts] == [("The sky is blue.", True), ("!", True)]
    assert [event.resumes for event in found if isinstance(event, Part)] == [True, msgspec.UNSET]


@pytest.mark.parametrize("ended", [False, True])
async def test_an_answer_of_which_only_the_end_was_missing(ended: bool) -> None:
    so_far = snapshot(*said("All."), *([PartEnd(part=0)] if ended else []))
    await _follow(so_far, [[END]])
    assert [(part.text, part.ended) for part in so_far.parts] == [("All.", True)]
    assert so_far.end is not None


async def test_what_comes_before_the_text_does_not_end_the_search_for_what_is_repeated() -> None:
    so_far = snapshot(*said())
    answer: list[list[ProviderEvent]] = [
        [Part(part=0, kind="reasoning"), Delta(part=0, kind="reasoning", delta="Hm."), PartEnd(part=0)],
        [Part(part=1, kind="text"), Delta(part=1, kind="text", delta="The sky is blue."), PartEnd(part=1), END],
    ]
    await _follow(so_far, answer, repeats=True)
    assert so_far.text == "The sky is blue."


TOOL = Part(part=1, kind="tool_call", call_id="c", name="n", executor="client")

NOT_FROM: dict[str, list[ProviderEvent]] = {
    "nothing": [],
    "white space": said(" \n"),
    "a call": [*said(), PartEnd(part=0), TOOL],
    "a refusal": [Part(part=0, kind="refusal"), Delta(part=0, kind="refusal", delta="No")],
    "reasoning": thought(),
    "reasoning alone": thought()[:2],
}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
NOT_FOR: list[dict[str, Any]] = [
    {"response_format": {"type": "json_object"}},
    {"response_format": SCHEMA},
    {"tool_choice": "required"},
    {"tool_choice": {"type": "function", "function": {"name": "f"}}},
    {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "My own beginning"}]},
]


def test_when_it_goes_on(ask: Ask) -> None:
    def goes_on(so_far: list[ProviderEvent], model: str = "m", *, reasoning: bool = False, **fields: Any) -> bool:
        return prefix(ask(**fields), model, snapshot(*so_far), reasoning=reasoning) is not None

    assert goes_on(said())
    assert goes_on([*said(), PartEnd(part=0)])
    assert goes_on(said(), response_format={"type": "text"}, tool_choice="auto")
    assert [name for name, events in NOT_FROM.items() if goes_on(events)] == []
    assert [fields for fields in NOT_FOR if goes_on(said(), **fields)] == []
    assert not goes_on(said(), "claude-opus-4-6")
    assert goes_on(thought(), reasoning=True)
    assert not goes_on(thought(ended=False), reasoning=True)


@pytest.mark.parametrize(
    ("takes", "models"),
    [
        (
            True,
            "claude-3-5-sonnet-20241022 claude-2.1 claude-instant-1.2 claude-opus-4-20250514 claude-sonnet-4-5 "
            "anthropic/claude-haiku-4.5 us.anthropic.claude-opus-4-5-v1 mistral-large-latest deepseek-chat "
            "lorem?deltas=5 llama-3.3-70b",
        ),
        (
            False,
            "claude-opus-4-6 claude-sonnet-4.6 us.anthropic.claude-opus-4-6-v1 claude-opus-4-7-20260401 "
            "claude-sonnet-5 claude-fable-5 claude-mythos-preview openai/gpt-5-mini gpt-oss-120b chatgpt-4o o3-mini "
            "google/gemini-3.6-flash gemini-flash-latest",
        ),
    ],
)
def test_which_models_take_one(takes: bool, models: str) -> None:
    assert [model for model in models.split() if takes_prefill(model) is not takes] == []


@pytest.fixture
async def made() -> AsyncIterator[Made]:
    """Makes the adapter of an endpoint."""
    registries: list[Registry] = []

    def make(protocol: Protocol, url: str, prefill: str) -> Provider:
        settings = ProviderSettings.model_validate({"protocol": protocol, "base_url": url, "prefill": prefill})
        registries.append(Registry({"acme": settings}))
        return registries[-1].get("acme")

    yield make
    for registry in registries:
        await registry.aclose()


@pytest.mark.parametrize(
    ("prefill", "root", "target", "message", "fields"),
    [
        ("assistant", "/v1", "/v1/chat/completions", {}, {}),
        ("prefix", "/v1", "/v1/chat/completions", {"prefix": True}, {}),
        ("mistral", "/v1", "/v1/chat/completions", {"prefix": True}, {}),
        ("deepseek", "", "/beta/chat/completions", {"prefix": True}, {}),
        ("deepseek", "/v1", "/beta/chat/completions", {"prefix": True}, {}),
        ("deepseek", "/beta", "/beta/chat/completions", {"prefix": True}, {}),
        (
            "vllm",
            "/v1",
            "/v1/chat/completions",
            {},
            {"continue_final_message": True, "add_generation_prompt": False},
        ),
    ],
)
async def test_what_a_chat_endpoint_is_sent(
    made: Made,
    upstream: Upstream,
    ask: Ask,
    prefill: str,
    root: str,
    target: str,
    message: dict[str, Any],
    fields: dict[str, Any],
) -> None:
    provider, so_far = made("openai-chat", upstream.url + root, prefill), snapshot(*said())
    upstream.reply = Reply([RICH])
    assert provider.continues(ask(), "m", so_far)
    await drained(provider, ask(), so_far)
    (call,) = upstream.calls
    assert call.target == target
    assert call.body["messages"][1:] == [{"role": "assistant", "content": "The sky is", **message}]
    assert {name: call.body.get(name) for name in fields} == fields
    await drained(provider, ask(), None)
    usual = upstream.calls[-1]
    assert usual.target == f"{root}/chat/completions"
    assert (len(usual.body["messages"]), "continue_final_message" in usual.body) == (1, False)


async def drained(provider: Provider, request: GenerationRequest, so_far: Snapshot | None) -> None:
    async for _ in provider.stream(request, "m", so_far):
        pass


async def test_deepseek_is_sent_its_reasoning(made: Made, upstream: Upstream, ask: Ask) -> None:
    provider, so_far = made("openai-chat", upstream.url, "deepseek"), snapshot(*thought())
    upstream.reply = Reply([RICH])
    assert provider.continues(ask(), "m", so_far)
    await drained(provider, ask(), so_far)
    assert upstream.calls[0].body["messages"][-1] == {
        "role": "assistant", "content": "The sky is", "prefix": True, "reasoning_content": "Hm."
    }  # fmt: skip


async def test_what_messages_is_sent(made: Made, upstream: Upstream, ask: Ask) -> None:
    provider, so_far = made("anthropic", upstream.url, "assistant"), snapshot(*said("The sky is \n"))
    upstream.reply = Reply([MESSAGES])
    assert provider.continues(ask(), "claude-sonnet-4-5", so_far)
    assert not provider.continues(ask(), "claude-sonnet-4-6", so_far)
    assert not provider.continues(ask(reasoning_effort="low"), "claude-sonnet-4-5", so_far)
    assert not provider.continues(ask(extra={"acme": {"thinking": {"type": "enabled"}}}), "claude-sonnet-4-5", so_far)
    await drained(provider, ask(), so_far)
    last = {"role": "assistant", "content": [{"type": "text", "text": "The sky is"}]}
    assert upstream.calls[0].body["messages"][1:] == [last]


async def test_who_is_not_asked(made: Made, ask: Ask) -> None:
    """OpenAI's own endpoint whatever is configured, Gemini, and every endpoint that does not say how."""
    endpoints: list[tuple[Protocol, str, str]] = [
        ("openai-chat", "https://api.openai.com/v1", "assistant"),
        ("openai-chat", "http://127.0.0.1:1/v1", "none"),
        ("anthropic", "http://127.0.0.1:1", "none"),
        ("gemini", "http://127.0.0.1:1", "none"),
    ]
    for endpoint in endpoints:
        provider = made(*endpoint)
        assert not provider.continues(ask(), "m", snapshot(*said()))


@pytest.mark.parametrize("protocol", ["openai-chat", "anthropic"])
@pytest.mark.parametrize("script", ["lorem?deltas=12&surrogates=1", "lorem?deltas=30&unicode=1", "tools"])
async def test_every_cut_joins(made: Made, simulator: str, ask: Ask, protocol: Protocol, script: str) -> None:
    """The simulator's answers, broken off after each of their first texts' deltas: joined they are the uncut ones."""
    url = f"{simulator}/v1" if protocol == "openai-chat" else simulator
    provider, model = made(protocol, url, "assistant"), f"{script}{'&' if '?' in script else '?'}rate=0"
    answer = [event async for events in provider.stream(ask(), model) for event in events]
    uncut = snapshot(*answer)
    deltas = [at for at, event in enumerate(answer) if isinstance(event, Delta) and event.kind == "text"]
    expected: list[Any] = [(part.kind, part.name, part.ended, part.text) for part in uncut.parts]

    async def joined(at: int) -> list[Any]:
        so_far = snapshot(*answer[: at + 1])
        if not so_far.text.strip() or ("surrogates" in script and "\ufffd" in so_far.text):
            return expected  # nothing to go on from; half of a character, which is refused
        assert provider.continues(ask(), model, so_far)
        follows = [event async for events in provider.stream(ask(), model, so_far) for event in events]
        logged(so_far, 2, follows, continues=True)
        return [(part.kind, part.name, part.ended, part.text) for part in so_far.parts]

    for found in await asyncio.gather(*(joined(at) for at in deltas)):
        assert found == expected


async def test_a_beginning_that_is_refused_is_no_failure_of_the_provider(made: Made, simulator: str, ask: Ask) -> None:
    provider = made("openai-chat", f"{simulator}/v1", "assistant")
    with pytest.raises(ProviderError) as refused:
        async for _ in provider.stream(ask(), "clock", snapshot(*said())):
            pass
    assert (refused.value.code, refused.value.retryable) == ("bad_request", False)


async def test_logprobs_stay_with_what_is_new_as_a_whole() -> None:
    """Nobody says which tokens are in what is left of a delta whose beginning was said already."""
    so_far = snapshot(*said("The "))
    logprobs = [{"token": "x", "logprob": -1}]
    texts = ("The", " sky", " is")
    deltas: list[ProviderEvent] = [Delta(part=0, kind="text", delta=one, logprobs=[*logprobs]) for one in texts]
    answer: list[list[ProviderEvent]] = [
        [Part(part=0, kind="text")],
        *[[one] for one in deltas],
        [PartEnd(part=0), END],
    ]
    found = await _follow(so_far, answer, repeats=True)
    kept = [event for event in found if isinstance(event, Delta)]
    assert [(one.delta, one.logprobs or None) for one in kept] == [("sky", None), (" is", logprobs)]
