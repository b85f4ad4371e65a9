"""What every client is asked to do, each a function of one row; the table's columns, in this order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tests.judges.sdks.row import PREFIXES, Row, answer_of
from tests.judges.sdks.target import OTHER_KEY, WRONG_KEY

WEATHER: Final = {"city": "Paris", "degrees": 21}
BACKGROUND: Final[dict[str, Any]] = {"options": {"background": True}}
"""Without it OpenAI's Responses neither cancel nor resume."""
OTHERS: Final = {
    "chat": ("anthropic", "openai-responses"),
    "responses": ("openai", "anthropic"),
    "messages": ("openai", "openai-responses"),
}
"""Providers of another protocol than a dialect's own."""
PAUSE: Final = 0.1

Behaviour = Callable[[Row], Awaitable[None]]
BEHAVIOURS: Final[dict[str, Behaviour]] = {}


class NotHereError(Exception):
    """The target has nothing of the kind: it is the simulator itself."""


def behaviour(name: str) -> Callable[[Behaviour], Behaviour]:
    """Puts it into the table under this name."""

    def put(function: Behaviour) -> Behaviour:
        BEHAVIOURS[name] = function
        return function

    return put


def _needs_midstream(row: Row) -> None:
    if not row.target.is_midstream:
        raise NotHereError


@behaviour("create")
async def create(row: Row) -> None:
    """An answer that is not streamed."""
    model = "lorem?deltas=30&rate=0&seed=7"
    row.whole(await row.does("create", model), model)


@behaviour("stream")
async def stream(row: Row) -> None:
    """One that is, with everything that strings can hold."""
    breaks = row.client.breaks_lines and not row.target.is_midstream
    model = "lorem?deltas=40&rate=200&seed=8" + ("" if breaks else "&unicode=1")
    row.whole(await row.does("stream", model), model)


@behaviour("stream helper")
async def helper(row: Row) -> None:
    """The SDK's own accumulation of a stream, which is stricter than its reader."""
    for model in ("lorem?deltas=40&rate=200&seed=9", "tools?rate=0&seed=3"):
        row.whole(await row.does("helper", model, tools="tools" in model), model, do=model)


@behaviour("tools")
async def tools(row: Row) -> None:
    """Two calls at once, streamed and not, and their results handed back as the client's own objects."""
    model, then = "tools?deltas=24&rate=0&seed=4", "lorem?deltas=5&rate=0&seed=5"
    seen = await row.does("create", model, tools=True, next=then)
    row.whole(seen, model, do="create")
    if "after" in seen:
        row.check(seen["after"] == answer_of(then).text("text"), "an answer to the results", seen["after"])
    row.whole(await row.does("stream", model, tools=True), model, do="stream")


@behaviour("tool loop")
async def tool_loop(row: Row) -> None:
    """A framework that runs the tool and asks again by itself."""
    seen = await row.does("loop", "demo?rate=0", "Use the tool look_up.")
    row.check(seen["error"] is None and bool(seen["text"]), "a text after the call", seen)
    row.check(seen["calls"] == [["look_up", {"query": "look up"}]], "one call of look_up", seen["calls"])


@behaviour("reasoning")
async def reasoning(row: Row) -> None:
    """Thoughts before the text, streamed and not, and handed back where they have a signature."""
    model, then = "reasoning?deltas=30&rate=0&seed=6", "lorem?deltas=5&rate=0&seed=5"
    more: dict[str, Any] = {"next": then} if row.dialect == "messages" else {}
    seen = await row.does("create", model, reasoning=True, **more)
    row.whole(seen, model, do="create")
    if "after" in seen:
        row.check(seen["after"] == answer_of(then).text("text"), "an answer after thoughts", seen["after"])
    row.whole(await row.does("stream", model, reasoning=True), model, do="stream")


@behaviour("other provider")
async def other_provider(row: Row) -> None:
    """Thoughts and parallel calls from providers of the other protocols, whose parts come in another order."""
    _needs_midstream(row)
    scripts = ["tools?deltas=24&rate=0&seed=4"]
    if not row.client.lacking(row.dialect, "reasoning"):
        scripts.append("reasoning?deltas=30&rate=0&seed=6")
    for asked in (f"{provider}/{script}" for provider in OTHERS[row.dialect] for script in scripts):
        for do in ("create", "stream"):
            seen = await row.does(do, asked, tools="tools" in asked, reasoning="reasoning" in asked)
            if not row.client.framework:
                row.check(seen.get("model") == asked, f"model {asked}", seen.get("model"))
            row.whole(seen | {"model": None}, asked.partition("/")[2], do=f"{do} {asked}")


@behaviour("structured output")
async def structured(row: Row) -> None:
    """The client's own way to ask for an object of a class."""
    seen = await row.does("parse", "echo?rate=0", '{"city": "Paris", "degrees": 21}')
    row.check(seen.get("parsed") == WEATHER, WEATHER, seen.get("parsed") or seen["error"])


@behaviour("400")
async def bad_request(row: Row) -> None:
    """What the provider refuses, and what is refused before it."""
    row.refused(await row.does("create", "lorem?nothing=1"), 400, "BadRequestError", do="by the provider")
    if not row.client.framework:
        row.refused(await row.does("create", "lorem?rate=0", prompt=""), 400, "BadRequestError", do="no messages")


@behaviour("404 model")
async def unknown_model(row: Row) -> None:
    """A model that the provider does not have, and a name that is no model's, which is refused before a stream is one.

    The simulator stands in for names with a digit, a dash or a slash.
    """
    row.refused(await row.does("create", "unheardof"), 404, "NotFoundError", do="create")
    row.broken(await row.does("stream", "unheardof"), "lorem", do="stream")
    if row.target.is_midstream:
        row.refused(await row.does("stream", "openai/"), 404, "NotFoundError", do="no model in the name")


@behaviour("401")
async def wrong_key(row: Row) -> None:
    """A key that is nobody's."""
    row.refused(await row.does("create", "lorem?rate=0", key=WRONG_KEY), 401, "AuthenticationError")


@behaviour("429")
async def rate_limit(row: Row) -> None:
    """The provider's own limit: its class where nothing is streamed, an exception where something is."""
    row.refused(await row.does("create", "lorem?fault=429"), 429, "RateLimitError", do="create")
    row.broken(await row.does("stream", "lorem?fault=429"), "lorem", do="stream")


@behaviour("fails amid")
async def fails_amid(row: Row) -> None:
    """An answer whose provider gives up in the middle."""
    model = "lorem?deltas=20&rate=0&seed=2"
    seen = await row.does("stream", f"{model}&fault=error@10")
    row.broken(seen, model)
    if not row.client.framework:
        kind = "AnthropicError" if row.dialect == "messages" else "OpenAIError"
        if seen["error"] is not None:
            row.check(kind in seen["error"]["classes"], f"one of the SDK's own, {kind}", seen["error"])
        row.broken(await row.does("helper", f"{model}&fault=error@10"), model, do="helper")


@behaviour("leave")
async def leave(row: Row) -> None:
    """Leaving is not stopping: the answer is made to its end and read again by its id."""
    key = row.key()
    model = f"lorem?deltas=120&rate=30&seed=3&key={key}"
    seen = await row.does("stream", model, leave=6)
    row.check(seen["error"] is None and not seen["ended"], "a client that left", seen)
    how = await _end_of(row, key)
    if not row.target.is_midstream:
        # A framework may leave its connection to the garbage collector.
        row.check(how == "client_left" or row.client.framework, "a provider that was left", how)
        return
    row.check(how == "complete", "an answer to its end", how)
    # Frameworks may make names of their own until they see the answer's.
    if str(seen.get("id", "")).startswith(PREFIXES[row.dialect]):
        await _read_again(row, seen["id"], answer_of(model).text("text"))


async def _end_of(row: Row, key: str) -> object:
    for _ in range(200):
        rows = await row.target.journal(key)
        if rows and rows[-1]["how"] is not None:
            return rows[-1]["how"]
        await asyncio.sleep(PAUSE)
    return None


async def _read_again(row: Row, id: str, text: str) -> None:
    """By its owner, and by nobody else."""
    for _ in range(50):
        status, document = await row.target.get(f"{row.path}/{id}", "key-one")
        if status != 200 or said(document) == text:
            break
        await asyncio.sleep(PAUSE)
    row.check(status == 200 and said(document) == text, f"GET {row.path}/{id}: {text!r}", (status, document))
    status, document = await row.target.get(f"{row.path}/{id}", OTHER_KEY)
    row.check(status == 404, "404 to another owner", (status, document))


def said(document: Any) -> str:
    """The text of an answer that was read again, in whatever dialect."""
    if "choices" in document:
        return "".join(choice["message"]["content"] or "" for choice in document["choices"])
    messages = [item for item in document.get("output", []) if item["type"] == "message"]
    blocks = document.get("content") or [part for message in messages for part in message["content"]]
    return "".join(block.get("text", "") for block in blocks)


@behaviour("cancel")
async def cancel(row: Row) -> None:
    """By the SDK where it can, else by the native route; the stream ends soon, and not as if it were whole."""
    if row.dialect != "responses":
        _needs_midstream(row)
    model = f"lorem?deltas=200&rate=10&key={row.key()}"
    more: dict[str, Any] = BACKGROUND if row.dialect == "responses" else {}
    seen = await row.does("stream", model, cancel=True, **more)
    row.check(seen.get("cancelled") == "cancelled", "status cancelled", seen.get("cancelled") or seen["error"])
    row.check(not seen["ended"], "no end", seen)
    text = answer_of(model).text("text")
    row.check(text.startswith(seen["text"]) and seen["text"] != text, "a beginning", seen["text"])


@behaviour("silence")
async def silence(row: Row) -> None:
    """20 s without a word in the middle."""
    model = "lorem?deltas=2&rate=0.05&seed=4"
    streamed, created = await asyncio.gather(row.does("stream", model), row.does("create", model))
    row.whole(streamed, model, do="stream")
    row.whole(created, model, do="create")


@behaviour("cut")
async def cut(row: Row) -> None:
    """A connection that is cut in mid-stream, with a reset and in order: neither may look finished."""
    model = "lorem?deltas=120&rate=20&seed=5"

    async def once(*, reset: bool) -> None:
        async with row.proxy() as proxy:
            waiting = asyncio.create_task(row.does("stream", model, url=f"http://{proxy.address}"))
            await row.until_cut(proxy, 2.0)
            (proxy.reset if reset else proxy.cut)()
            row.broken(await waiting, model, do="reset" if reset else "closed")

    await asyncio.gather(once(reset=True), once(reset=False))


@behaviour("retry")
async def retry(row: Row) -> None:
    """An answer that is not streamed, over a connection that breaks: the client asks again, and it is paid once."""
    key = row.key()
    model = f"lorem?deltas=60&rate=20&seed=6&key={key}"
    async with row.proxy() as proxy:
        waiting = asyncio.create_task(row.does("create", model, url=f"http://{proxy.address}"))
        await row.until_cut(proxy, 1.5)
        proxy.reset()
        row.whole(await waiting, model)
    rows = await row.target.journal(key)
    row.check(len(rows) == (1 if row.target.is_midstream else 2), "one answer that is paid", len(rows))


@behaviour("resume")
async def resume(row: Row) -> None:
    """The five lines of docs/clients.md, and the SDK's own where it has them: joined it is the answer."""
    if row.dialect != "responses":
        _needs_midstream(row)
    more: dict[str, Any] = {} if row.target.is_midstream else BACKGROUND
    model = "lorem?deltas=60&rate=60&seed=7"
    seen = await row.does("resume", model, leave=20, **more)
    row.whole(seen, model, do="by the five lines")
    if row.dialect == "responses":
        row.whole(await row.does("retrieve", model, leave=20, **more), model, do="by the SDK")
