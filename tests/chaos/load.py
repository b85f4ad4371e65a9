"""What users do while things break: ask, ask again, watch, cancel, delete."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.log.events import ORIGIN
from shared.log.guarded_log import LOG_PAGE, Log
from shared.storage.connections import connect
from shared.storage.keys import GenerationKeys
from tests.chaos.audience import Viewer
from tests.chaos.dialect_audience import DialectViewer, Question, Waiter, read_whole
from tests.chaos.history import Cancel, Delete, History, Post, Reported, Seen, Stored, Whole, hashed
from tests.chaos.rig import Rig
from tests.chaos.spoken import SPOKEN
from tests.harness.processes import ApiProcess
from tests.harness.server import is_primary

TEXTS = [(40, 3), (80, 5), (120, 7), (200, 11)]
"""Deltas and seed of what is asked for: few, so that what must be said is asked of the simulator once."""
FAULTS = ("reset@10", "eof@20", "half@5", "badjson@3", "error@15", "stall@8", "429", "500", "529", "keepalive@6")
PROVIDERS = ("simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini")
IDLE_TIMEOUT = 3.0
ASKED_IN_DIALECT, WAITED_FOR = 0.4, 0.15
"""Shares of what is asked: in a dialect, and of all of them without a stream."""
PATIENCE = 5.0
"""Seconds for a request that is not a stream."""
SOON = 3600.0
"""Seconds: a log that is kept for less is gone before the run is over."""
QUIET, BROKEN = 20.0, 180.0
"""Seconds in which an API says how a generation ended: once all is whole, and while things break."""


class Load:
    """Keeps so many generations running, each with so many viewers, until told to finish."""

    def __init__(
        self, rig: Rig, history: History, seed: int, *, running: int, viewers: int, ttl: float, most: int | None
    ) -> None:
        self.rig, self.history = rig, history
        self.asked = 0
        self._chance = random.Random(f"load {seed}")
        self._seed, self._running, self._viewers, self._ttl, self._most = seed, running, viewers, ttl, most
        self._stopping = False
        self._spoken = list(SPOKEN.values()) if rig.dialects else []
        self._texts: dict[tuple[int, int], str] = {}
        self._accepted: dict[str, bool] = {}
        """Generation id to whether it was deleted."""
        self._watching: set[Viewer | DialectViewer | Waiter] = set()
        self._http = httpx2.AsyncClient(
            timeout=PATIENCE, trust_env=False, limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        )

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
        """Ask until `stop`; then everything that runs has `patience` seconds to end."""
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
        self._stopping = True
        stopped.cancel()
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
            await self._stored(generation_id)
            if not deleted:
                await self._reported(generation_id, patience=QUIET)
                await self._wholes(generation_id, patience=QUIET)
        async with self._primary() as redis:
            keys = [key.decode() async for key in redis.scan_iter(match="midstream:{gen_*}:record", count=1000)]
        for generation_id in {key.partition("{")[2].partition("}")[0] for key in keys} - set(self._accepted):
            await self._stored(generation_id)

    async def keys(self) -> int:
        """How many keys Redis has; 0 where it does not say."""
        with contextlib.suppress(RedisError):
            async with self._primary() as redis:
                return int(await redis.dbsize())
        return 0

    async def aclose(self) -> None:
        await self._http.aclose()

    @contextlib.asynccontextmanager
    async def _primary(self) -> AsyncIterator[Redis]:
        """Redis, by the side of everything. Raises RedisError where it has handed over meanwhile."""
        async with contextlib.aclosing(connect(self.rig.redis.url, timeout=PATIENCE)) as redis:
            yield redis
            if not await is_primary(redis):
                raise RedisError("it is a replica now")

    def _where(self, chance: random.Random) -> tuple[str, str]:
        api: ApiProcess = chance.choice(self.rig.apis)
        return api.name, self.rig.front(api)

    async def _generation(self, number: int) -> None:
        chance = random.Random(f"{self._seed} {number}")
        post, body = self._question(number, chance)
        how = chance.random() if self._spoken else 1.0
        async with asyncio.TaskGroup() as group:
            if how < ASKED_IN_DIALECT:
                generation_id = await self._ask_in_dialect(post, body, chance, group, waits=how < WAITED_FOR)
            else:
                generation_id = await self._ask(post, body, chance)
            if generation_id is None:
                return
            self._accepted[generation_id] = False
            self._invite(number, generation_id, chance, group)
            roll = chance.random()
            if roll < 0.10:
                group.create_task(self._cancel(generation_id, chance))
            elif roll < 0.13:
                group.create_task(self._delete(generation_id, chance))
        if not self._accepted[generation_id]:
            await self._reported(generation_id, patience=BROKEN)
            await self._stored(generation_id)
            if self._ttl < SOON:
                await self._wholes(generation_id, patience=QUIET)

    def _invite(self, number: int, generation_id: str, chance: random.Random, group: asyncio.TaskGroup) -> None:
        """Let the viewers come; one of them watches in a dialect, whatever it was asked in."""

        def where() -> tuple[str, str]:
            return self._where(chance)

        viewers: list[Viewer | DialectViewer] = [
            Viewer(f"{number}.{n}", generation_id, where, self.history, chance) for n in range(self._viewers)
        ]
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
        answered = asyncio.create_task(viewer.answered.wait())
        await asyncio.wait({following, answered}, return_when=asyncio.FIRST_COMPLETED)
        answered.cancel()
        return viewer.id or None

    def _question(self, number: int, chance: random.Random) -> tuple[Post, dict[str, object]]:
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
        if provider == "simulator-anthropic":
            body["max_tokens"] = 100_000
        key = f"{self._seed}-{number}"
        return Post(at=0.0, key=key, api="", sent=0.0, text=self._texts[deltas, seed]), body

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
        line = Post(at=0.0, key=post.key, api=api, sent=time.time(), text=post.text)
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

    async def _watch(self, viewer: Viewer | DialectViewer) -> None:
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

    async def _delete(self, generation_id: str, chance: random.Random) -> None:
        await asyncio.sleep(chance.uniform(0, 4))
        self._accepted[generation_id] = True
        while True:
            api, url = self._where(chance)
            line = Delete(at=0.0, id=generation_id, api=api, sent=time.time())
            with contextlib.suppress(httpx2.HTTPError):
                line.status = (await self._http.delete(f"{url}/v1/generations/{generation_id}")).status_code
            line.at = time.time()
            self.history.add(line)
            if line.status in (204, 404):
                return
            await asyncio.sleep(0.2)

    async def _reported(self, generation_id: str, patience: float) -> None:
        """What an API says of it; after so many seconds, whatever that is."""
        until = time.monotonic() + patience
        for api in itertools.cycle(self.rig.apis):
            status, body = 0, {}
            with contextlib.suppress(httpx2.HTTPError):
                answer = await self._http.get(f"{self.rig.front(api)}/v1/generations/{generation_id}")
                status, body = answer.status_code, answer.json()
            if status in (200, 404, 410) or time.monotonic() > until:
                self.history.add(
                    Reported(
                        at=time.time(), id=generation_id, api=api.name, status=status,
                        state=body.get("state"), last=body.get("last_event_id"),
                    )
                )  # fmt: skip
                return
            await asyncio.sleep(0.1)

    async def _wholes(self, generation_id: str, patience: float) -> None:
        """Its stream in each dialect, uncut; none where it does not come in so many seconds."""
        until = time.monotonic() + patience
        for spoken in self._spoken:
            for api in itertools.cycle(self.rig.apis):
                with contextlib.suppress(OSError, EOFError, ValueError, TimeoutError):
                    status, events, said, marks = await read_whole(self.rig.front(api), spoken, generation_id)
                    if status != 503:
                        text = hashed(spoken.text(said).encode()) if events else ""
                        self.history.add(
                            Whole(
                                at=time.time(), id=generation_id, dialect=spoken.name, api=api.name, status=status,
                                marks=marks, name=next((event.name for event in events if event.name), ""), text=text,
                                events=events,
                            )
                        )  # fmt: skip
                        break
                if time.monotonic() > until:
                    break
                await asyncio.sleep(0.1)

    async def _stored(self, generation_id: str) -> None:
        """Read what Redis holds, by the side of everything."""
        while True:
            try:
                async with self._primary() as redis:
                    stored = await self._read(redis, generation_id)
                self.history.add(stored)
            except RedisError:
                await asyncio.sleep(0.1)
            else:
                return

    async def _read(self, redis: Redis, generation_id: str) -> Stored:
        keys, log = GenerationKeys(generation_id), Log(redis)
        events: list[Seen] = []
        text, cursor = "", ORIGIN
        hmget: Any = redis.hmget
        state, seal = await hmget(keys.record, ["state", "seal"])
        while page := await log.read(generation_id, cursor, count=LOG_PAGE):
            for entry in page:
                events.append(Seen(str(entry.id), entry.type, hashed(entry.data)))
                data = json.loads(entry.data)
                if entry.type == "attempt" and not data["continues"]:
                    text = ""
                elif entry.type == "delta":
                    text += data["delta"]
            cursor = page[-1].id
        return Stored(
            at=time.time(), id=generation_id, state=state and state.decode(), seal=seal.decode() if seal else "",
            events=events, text=hashed(text.encode()),
        )  # fmt: skip


async def _set(event: asyncio.Event) -> None:
    await event.wait()
