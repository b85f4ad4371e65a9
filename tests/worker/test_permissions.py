"""The commands that are tried at start are all that a worker and an API need: a user with no others does everything."""

from __future__ import annotations

from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import Cancelled, Completed
from shared.log.guarded_log import Log
from shared.permissions.commands import HINT_COMMANDS, servers
from shared.permissions.permission_check import lacks
from shared.queue.queue import Queue
from shared.storage.connections import connect
from shared.usage import Totals
from tests.worker.conftest import Midstream, said_something, working


async def test_a_user_with_no_other_commands_does_everything(
    settings: Settings, redis: Redis, simulator_url: str
) -> None:
    (server,) = servers(settings)
    commands = {"script|load" if line.startswith("SCRIPT") else line.split()[0].lower() for line in server.commands}
    needed = sorted(commands - {hint.lower() for hint in HINT_COMMANDS} | {"multi", "exec"})
    rules = ["reset", "on", ">x", "~midstream:*", "~arq:*", "&midstream:*", *(f"+{command}" for command in needed)]
    await redis.execute_command("ACL", "SETUSER", "least", *rules)  # type: ignore[no-untyped-call]
    own = settings.model_copy(update={"redis_url": settings.redis_url.replace("unix://", "unix://least:x@")})
    (least,) = servers(own)
    assert (await lacks(least, timeout=5)).needed == ()
    client = connect(own.redis_url, timeout=5)
    queue = Queue(client, own)
    generations = Generations(client, queue, own)
    midstream = Midstream(generations, Log(client), simulator_url)
    async with working(own):
        first = await midstream.ask("simulator/lorem?deltas=3&rate=0", cache={"ttl": 600})
        assert isinstance((await midstream.ended(first))[-1], Completed)
        second = await midstream.ask("simulator/lorem?deltas=999&rate=20")
        await midstream.until(second, said_something)
        await generations.cancel(second)
        assert isinstance((await midstream.ended(second))[-1], Cancelled)
        assert await queue.position(second) is None
    assert (await generations.find(first)).record is not None
    assert await queue.indexes.owned("local", before=None, limit=10)
    assert (await generations.page("local", before=None, limit=10))[0]
    await generations.delete("local", first)
    totals = Totals(client)
    today = await totals.today()
    assert await totals.read("local", today, today, "day")
    await client.aclose()
    await redis.execute_command("ACL", "DELUSER", "least")  # type: ignore[no-untyped-call]
