"""The client for asyncio and trio: one connection of httpx2 for each call and follower."""

from collections.abc import AsyncGenerator, Callable
from typing import Generic, Self

import anyio
import httpx2

from midstream_client.answer import Answer
from midstream_client.conversation_following import ConversationFollowing
from midstream_client.event import Event
from midstream_client.exchange import Exchange, path_of
from midstream_client.followed import F, Followed, FollowedConversation
from midstream_client.following import GenerationFollowing
from midstream_client.questions import LIMITS, SILENCE_S, Body, Json, Params, Questions
from midstream_client.retry_budget import RetryBudget


class AsyncClient:
    """Speaks to one Midstream with one key. All methods raise ClientError.

    What got no answer, or a passing 429 or 5xx, is asked again for as long as `retries()` allows; a connection is given
    up after `silence` seconds without a byte. `http` has a proxy or certificates of its own, and stays open.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        silence: float = SILENCE_S,
        retries: Callable[[], RetryBudget] = RetryBudget,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        self.questions = Questions(url, key, silence, retries)
        self._http = httpx2.AsyncClient(limits=LIMITS) if http is None else http
        self._owns = http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes all connections."""
        if self._owns:
            await self._http.aclose()

    def create(self, body: Body, *, key: str | None = None) -> "AsyncFollower":
        """Makes a generation when the follower is first read, and follows it. `key` is its Idempotency-Key."""
        return AsyncFollower(self, self.questions.creation(body, key))

    def follow(self, generation_id: str, *, after: str | None = None, answer: Answer | None = None) -> "AsyncFollower":
        """Follows a generation from its beginning, or from behind the event `after` with what that made of it."""
        return AsyncFollower(self, self.questions.generation(generation_id, after, answer))

    async def snapshot(self, generation_id: str) -> Json:
        """Returns a generation as it stands."""
        return await self.call("GET", path_of(generation_id))

    async def cancel(self, generation_id: str) -> Json:
        """Asks for the end of a generation; the answer's `state` says whether it has ended."""
        return await self.call("POST", f"{path_of(generation_id)}/cancel")

    def conversation(self, name: str, *, after: str | None = None) -> "AsyncConversation":
        """Follows a conversation: its stream, which with `load` goes on after its newest page."""
        return AsyncConversation(self, self.questions.conversation(name, after))

    async def conversations(self, limit: int = 20, before: str | None = None) -> Json:
        """Returns a page of the caller's conversations, newest first: `data`, and `next` for the following page."""
        return await self.call("GET", "/v1/conversations", {"limit": limit, "before": before})

    async def call(self, method: str, path: str, params: Params = (), body: Json | None = None) -> Json:
        """Returns the JSON object that answers any other request, which must be safe to repeat."""
        call = self.questions.call(method, path, params, body)
        async for _ in self.run(call):
            pass
        return call.result

    async def run(self, exchange: Exchange) -> AsyncGenerator[Event]:
        """Makes the requests of an exchange until it is done, and yields its events."""
        while not exchange.done:
            try:
                async with self._http.stream(**self.questions.sent(exchange.request())) as response:
                    exchange.opened(response.status_code, response.headers)
                    async for chunk in response.aiter_bytes():
                        for event in exchange.received(chunk):
                            yield event
                        if exchange.leaving:
                            break
                for event in exchange.closed():
                    yield event
            except Exception as error:
                exchange.failed(self.questions.lost(error))
            if pause := exchange.pause():
                await anyio.sleep(pause)


class _Reading(Generic[F]):
    """What is read again goes on where it was left; as a context manager it leaves its connection at the end."""

    def __init__(self, client: AsyncClient, following: F) -> None:
        self._client = client
        self.following = following
        self._events: AsyncGenerator[Event] | None = None

    async def __aiter__(self) -> AsyncGenerator[Event]:
        await self.aclose()
        self._events = self._client.run(self.following)
        async for event in self._events:
            yield event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leaves the connection; what is followed goes on."""
        if self._events is not None:
            await self._events.aclose()


class AsyncFollower(Followed, _Reading[GenerationFollowing]):
    """Yields each event behind the cursor exactly once, up to the terminal one."""

    async def read(self) -> Answer:
        """Returns the answer once it has ended."""
        async for _ in self:
            pass
        return self.answer


class AsyncConversation(FollowedConversation, _Reading[ConversationFollowing]):
    """Yields what happens in a conversation; it has no end."""

    async def load(self) -> Self:
        """Reads the newest page, after which the events go on."""
        self.following.load(await self._client.call("GET", self.following.path))
        return self

    async def older(self) -> bool:
        """Reads the page of turns before those that are known; returns False where there are none."""
        if (before := self.following.before) is None:
            return False
        self.following.add(await self._client.call("GET", self.following.path, {"before": before}))
        return True
