"""What users do while things break: ask, ask again, watch, cancel, delete."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx2

from tests.chaos.audience import Viewer
from tests.chaos.conversations import Conversation, Conversations, Person
from tests.chaos.dialect_audience import DialectViewer, Question, Waiter
from tests.chaos.history import Cancel, Delete, History, Post, hashed
from tests.chaos.javascript_audience import JavascriptAsker, JavascriptPeople, JavascriptViewer, followers
from tests.chaos.outcomes import PATIENCE, Outcomes
from tests.chaos.rig import Rig
from tests.chaos.spoken import SPOKEN
from tests.harness.processes import ApiProcess

T = TypeVar("T")

TEXTS = [(40, 3), (80, 5), (120, 7), (200, 11)]
"""Deltas and seed of what is asked for: few, so that what must be said is asked of the simulator once."""
FAULTS = ("reset@10", "eof@20", "half@5", "badjson@3", "error@15", "stall@8", "429", "500", "529", "keepalive@6")
PROVIDERS = ("simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini")
IDLE_TIMEOUT = 3.0
ASKED_IN_DIALECT, WAITED_FOR = 0.4, 0.15
"""Shares of what is asked: in a dialect, and of all of them without a stream."""
ASKED_BY_CLIENT = 0.3
"""Share of what is asked with the JavaScript client, where there is one."""
WATCHED, UNWATCHED_S = 0.3, 30.0
"""Share of what is to be cancelled when nobody watches it, and for how many seconds nobody may."""
SOON = 3600.0
"""Seconds: a log that is kept for less is gone before the run is over."""
QUIET, BROKEN = 20.0, 180.0
"""Seconds in which an API says how a generation ended: once all is whole, and while things break."""


class Load:
    """Keeps so many generations running, each with so many viewers, until told to finish."""

    def __init__(
        self,
        rig: Rig,
        history: History,
        seed: int,
        *,
        running: int,
        viewers: int,
        ttl: float,
        most: int | None,
        people: JavascriptPeople | None = None,
    ) -> None:
        self.rig, self.history = rig, history
        self.asked = 0
        self.asked_all = asyncio.Event()
        self._chance = random.Random(f"load {seed}")
        self._seed, self._running, self._viewers, self._ttl, self._most = seed, running, viewers, ttl, most
        self._stopping = False
        self._unwatched = rig.unwatched
        self._spoken = list(SPOKEN.values()) if rig.dialects else []
        self._texts: dict[tuple[int, int], str] = {}
        self._accepted: dict[str, bool] = {}
        """Generation id to whether it was deleted."""
        self._people = people
        # What is in one is kept for longer than anything, and here all is to be gone before the run is over.
        talks = rig.conversations and ttl >= SOON
        self._conversations = Conversations(seed, history, self._where, self._watch, self._also) if talks else None
        self._watching: set[Person | Waiter] = set()
        self._http = httpx2.AsyncClient(
            timeout=PATIENCE, trust_env=False, limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        )
        self.outcomes = Outcomes(rig, history, self._http, self._spoken)

    async def learn(self) -> None:
        """Ask the simulator, before anything breaks, what the answers must be."""
        for deltas, seed in TEXTS:
            body = {
                "model": f"lorem?deltas={deltas}&seed={seed}&rate=0",
                "messages": [{"role": "user", "content": "Go."}],
            }
            answer = await self._http.post(f"{self.rig.simulator_url}/v1/chat/completions", json=body)
            text = answer.raise_for_status().json()["choices"][0]["message"]["content"]
            self._texts[deltas, seed] = hashed(text.encode())

    async def run(self, stop: asyncio.Event, patience: float) -> None:
        """Ask until `stop`, or for all; once nothing breaks any more, what runs has `patience` seconds to end."""
        tasks: set[asyncio.Task[None]] = set()
        stopped = asyncio.create_task(_set(stop))
        while not stop.is_set() and (self._most is None or self.asked < self._most):
            while len(tasks) < self._running and (self._most is None or self.asked < self._most):
                self.asked += 1
                tasks.add(asyncio.create_task(self._generation(self.asked)))
            done, _ = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                tasks.discard(task)
                task.result()
        self.asked_all.set()
        await stop.wait()  # who waits while things break may wait for long
        self._stopping = True
        if self._people is not None:
            self._people.tell("calm")
        stopped.cancel()
        if self._conversations is not None:
            self._conversations.close()
            tasks |= self._conversations.following
        if tasks:
            done, late = await asyncio.wait(tasks, timeout=patience)
            for viewer in self._watching:
                viewer.give_up()
            for task in late:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                    raise result

    async def collect(self) -> None:
        """What Redis holds and the API says of every generation, now that all is quiet."""
        for generation_id, deleted in self._accepted.items():
            await self.outcomes.stored(generation_id)
            if not deleted:
                await self.outcomes.reported(generation_id, patience=QUIET)
                await self.outcomes.wholes(generation_id, patience=QUIET)
        for conversation in self._conversations.all if self._conversations is not None else ():
            await self.outcomes.turns(conversation, patience=QUIET)
            await self._look_late(conversation)
        for generation_id in await self.outcomes.ids() - set(self._accepted):
            await self.outcomes.stored(generation_id)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _look_late(self, conversation: Conversation) -> None:
        """Somebody who follows it now."""
        if not conversation.accepted or self._conversations is None:
            return
        viewer = self._conversations.late(conversation)
        try:
            async with asyncio.timeout(QUIET):
                await viewer.follow(lambda: False)
        except TimeoutError:
            viewer.give_up()

    def _where(self, chance: random.Random) -> tuple[str, str]:
        api: ApiProcess = chance.choice(self.rig.apis)
        return api.name, self.rig.front(api)

    async def _generation(self, number: int) -> None:
        chance = random.Random(f"{self._seed} {number}")
        how = chance.random() if self._spoken else 1.0
        conversation = None
        if self._conversations is not None and how >= ASKED_IN_DIALECT and not self._stopping:
            conversation = self._conversations.join(chance)
        try:
            await self._ask_and_watch(number, chance, how, conversation)
        finally:
            if conversation is not None:
                conversation.busy -= 1
        if conversation is not None and conversation.doomed and conversation.is_full and not conversation.busy:
            await self._delete_all(conversation, chance)

    async def _ask_and_watch(
        self, number: int, chance: random.Random, how: float, conversation: Conversation | None
    ) -> None:
        post, body = self._question(number, chance, conversation)
        async with asyncio.TaskGroup() as group:
            if how < ASKED_IN_DIALECT:
                generation_id = await self._ask_in_dialect(post, body, chance, group, waits=how < WAITED_FOR)
            elif self._people is not None and how < ASKED_IN_DIALECT + ASKED_BY_CLIENT:
                generation_id = await self._ask_by_client(self._people, post, body, group)
            else:
                generation_id = await self._ask(post, body, chance)
            if conversation is not None:
                conversation.asking -= 1
            if generation_id is None:
                return
            self._accepted[generation_id] = False
            if conversation is not None:
                conversation.accepted.add(generation_id)
            self._invite(number, generation_id, chance, group)
            roll = chance.random()
            if roll < 0.10:
                group.create_task(self._cancel(generation_id, chance))
            elif roll < 0.13:
                group.create_task(self._delete(generation_id, chance, conversation))
        if not self._accepted[generation_id]:
            await self.outcomes.reported(generation_id, patience=BROKEN)
            state = await self.outcomes.stored(generation_id)
            if conversation is not None and state is None:
                conversation.gone.add(generation_id)
            if self._ttl < SOON:
                await self.outcomes.wholes(generation_id, patience=QUIET)

    def _invite(self, number: int, generation_id: str, chance: random.Random, group: asyncio.TaskGroup) -> None:
        """Let the viewers come; one of them watches in a dialect, whatever it was asked in."""

        def where() -> tuple[str, str]:
            return self._where(chance)

        names = [f"{number}.{n}" for n in range(self._viewers)]
        viewers: list[Person] = [
            Viewer(name, generation_id, where, self.history, chance) if self._people is None
            else JavascriptViewer(self._people, name, generation_id)
            for name in names
        ]  # fmt: skip
        if self._spoken:
            spoken = chance.choice(self._spoken)
            viewers.append(
                DialectViewer(f"{number}.dialect", spoken, where, self.history, chance, generation_id=generation_id)
            )
        for viewer in viewers:
            group.create_task(self._watch(viewer))

    async def _ask_in_dialect(
        self, post: Post, fields: dict[str, Any], chance: random.Random, group: asyncio.TaskGroup, *, waits: bool
    ) -> str | None:
        """Ask as an SDK does, for the stream or for the whole answer; the id. None where the run ended before."""
        spoken = chance.choice(self._spoken)
        own = {name: value for name, value in fields.items() if name not in ("messages", "max_tokens")}
        if own["on_interrupt"] == "restart" and chance.random() < 0.5:
            del own["on_interrupt"]  # by itself it goes on
        question = Question(spoken, post, own | ({} if waits else {"stream": True}), self.history)
        if waits:
            waiter = Waiter(question, lambda: self._where(chance), chance)
            self._watching.add(waiter)
            generation_id = await waiter.ask()
            self._watching.discard(waiter)
            return generation_id
        viewer = DialectViewer(
            f"{post.key}.asker", spoken, lambda: self._where(chance), self.history, chance, question=question
        )
        following = group.create_task(self._watch(viewer))
        await _either(following, viewer.answered.wait())
        return viewer.id or None

    async def _ask_by_client(
        self, people: JavascriptPeople, post: Post, body: dict[str, Any], group: asyncio.TaskGroup
    ) -> str | None:
        """Ask with the JavaScript client, which reads on in the answer; the id. None where the run ended before."""
        asker = JavascriptAsker(
            people, f"{post.key}.asker", key=post.key, text=post.text, body=body, conversation=post.conversation
        )
        following = group.create_task(self._watch(asker))
        return await _either(following, asker.accepted())

    def _question(
        self, number: int, chance: random.Random, conversation: Conversation | None
    ) -> tuple[Post, dict[str, object]]:
        deltas, seed = chance.choice(TEXTS)
        provider = chance.choice(PROVIDERS)
        model = f"{provider}/lorem?deltas={deltas}&seed={seed}&rate={chance.choice((20, 40, 80))}&key={number}"
        if chance.random() < 0.2:
            model += f"&fault={chance.choice(FAULTS)}&times=1"
        body: dict[str, object] = {
            "model": model,
            "messages": [{"role": "user", "content": "Go."}],
            "idle_timeout": IDLE_TIMEOUT,
            "ttl": self._ttl,
            "on_interrupt": "fail" if chance.random() < 0.05 else "restart",
        }
        if chance.random() < WATCHED and self._unwatched:
            body["on_unwatched"] = {"after": UNWATCHED_S}  # it has viewers all the time, or they are about to be back
        if provider == "simulator-anthropic":
            body["max_tokens"] = 100_000
        name = ""
        if conversation is not None:
            body["conversation"] = name = conversation.name
        key = f"{self._seed}-{number}"
        return Post(at=0.0, key=key, api="", sent=0.0, text=self._texts[deltas, seed], conversation=name), body

    async def _ask(self, post: Post, body: dict[str, object], chance: random.Random) -> str | None:
        """POST until it is accepted; the id. None where the run ended before."""
        given_up = None
        while True:
            times = 2 if chance.random() < 0.05 else 1
            patience = chance.uniform(0.002, 0.1) if chance.random() < 0.1 else PATIENCE
            answers = [self._post(post, body, patience, *self._where(chance)) for _ in range(times)]
            for accepted in await asyncio.gather(*answers):
                if accepted is not None:
                    return accepted
            if self._stopping:
                given_up = given_up or time.time()
                if time.time() - given_up > 20:
                    return None
            await asyncio.sleep(chance.uniform(0.05, 0.5))

    async def _post(self, post: Post, body: dict[str, object], patience: float, api: str, url: str) -> str | None:
        line = Post(
            at=0.0, key=post.key, api=api, sent=time.time(), text=post.text, conversation=post.conversation
        )  # fmt: skip
        headers = {"Idempotency-Key": post.key}
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._http.post(
                    f"{url}/v1/generations", json=body, headers=headers, timeout=httpx2.Timeout(PATIENCE, read=patience)
                )
            line.status, line.retry_after = answer.status_code, "retry-after" in answer.headers
            if answer.status_code == 202:
                line.id = answer.json()["id"]
        except (httpx2.HTTPError, TimeoutError):
            pass
        line.at = time.time()
        self.history.add(line)
        return line.id

    def _also(self, conversation: Conversation) -> list[Person]:
        return [*followers(self._people, conversation)] if self._people is not None else []

    async def _watch(self, viewer: Person) -> None:
        self._watching.add(viewer)
        await viewer.follow(lambda: not self._stopping)
        self._watching.discard(viewer)

    async def _cancel(self, generation_id: str, chance: random.Random) -> None:
        await asyncio.sleep(chance.uniform(0, 4))
        api, url = self._where(chance)
        line = Cancel(at=0.0, id=generation_id, api=api, sent=time.time())
        with contextlib.suppress(httpx2.HTTPError):
            answer = await self._http.post(f"{url}/v1/generations/{generation_id}/cancel")
            line.status = answer.status_code
            if answer.status_code in (200, 202):
                line.state = answer.json()["state"]
        line.at = time.time()
        self.history.add(line)

    async def _delete(
        self, generation_id: str, chance: random.Random, conversation: Conversation | None = None
    ) -> None:
        await asyncio.sleep(chance.uniform(0, 4))
        self._accepted[generation_id] = True
        if conversation is not None:
            conversation.gone.add(generation_id)
        await self._until_deleted(generation_id, f"/v1/generations/{generation_id}", chance)

    async def _delete_all(self, conversation: Conversation, chance: random.Random) -> None:
        """A conversation with all its turns."""
        self._accepted |= dict.fromkeys(conversation.accepted, True)
        conversation.deleted = True
        await self._until_deleted(conversation.name, conversation.path, chance)

    async def _until_deleted(self, name: str, path: str, chance: random.Random) -> None:
        while True:
            api, url = self._where(chance)
            line = Delete(at=0.0, id=name, api=api, sent=time.time())
            with contextlib.suppress(httpx2.HTTPError):
                line.status = (await self._http.delete(f"{url}{path}")).status_code
            line.at = time.time()
            self.history.add(line)
            if line.status in (204, 404):
                return
            await asyncio.sleep(0.2)


async def _either(task: asyncio.Task[None], first: Coroutine[None, None, T]) -> T | None:
    """What comes of the second, if it comes before the task has ended."""
    waiting = asyncio.ensure_future(first)
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if waiting.done():
        return waiting.result()
    waiting.cancel()
    return None


async def _set(event: asyncio.Event) -> None:
    await event.wait()
