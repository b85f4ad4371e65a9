"""A Redis that can refuse, forget, hand over to a replica, and be wrong about the time; each by its own means."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from midstream.processes.polling import POLL_S
from midstream.processes.valkey import Valkey, find_binary
from tests.harness.aof import Tail
from tests.harness.ports import free_port

FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
"""Debian's package libfaketime; without it no clock can jump."""
PATIENCE = 15.0
"""Seconds for a server to do what it was told."""
SLOW = "500"
"""µs for each command of the append-only file while it is loaded slowly; every 1,024 commands a client is answered."""


class Clock:
    """What a server takes for the time: this machine's, and `offset` seconds more, which may change while it runs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "clock"
        self.jump(0)

    def jump(self, offset: int) -> None:
        """From now on it is so far ahead of this machine's clock, or behind it."""
        # In one step, as a server may read it now.
        new = self.file.with_suffix(".new")
        new.write_text(f"{offset:+d}\n")
        new.replace(self.file)
        self.offset = offset

    def program(self) -> Path:
        """The server's program, with this clock."""
        variables = {
            "LD_PRELOAD": FAKETIME[0],
            "FAKETIME_TIMESTAMP_FILE": self.file,
            # Else it looks at the file every ten seconds.
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        given = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in variables.items())
        program = self.file.with_name("server")
        program.write_text(f'#!/bin/sh\nexec env {given} {shlex.quote(str(find_binary()))} "$@"\n')
        program.chmod(0o700)
        return program


class Server(Valkey):
    """An embedded server which a replica can reach, too: by a port, beside its socket."""

    def __init__(self, data_dir: Path, *, clock: Clock | None = None) -> None:
        self.clock = clock
        self.port = free_port()
        self.tail = Tail(data_dir)
        config = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "repl-diskless-sync-delay": "0",
            "loading-process-events-interval-bytes": "65536",
        }
        super().__init__(data_dir, config=config, binary=clock.program() if clock else None)

    @contextlib.asynccontextmanager
    async def asked(self) -> AsyncIterator[Any]:
        """A client for directives, by the way that nothing breaks."""
        redis = Redis.from_url(self.url, socket_timeout=PATIENCE)
        try:
            yield redis
        finally:
            await redis.aclose()

    async def stop(self) -> None:
        await super().stop()
        self._forget()

    async def kill(self) -> None:
        await super().kill()
        self._forget()

    def cut(self, killed_at: float, chance: random.Random) -> int:
        """Take from its file what a crash might; gives how many bytes."""
        return self.tail.cut(killed_at, chance)

    async def start_slowly(self, seconds: float) -> None:
        """Start on its data, and answer LOADING meanwhile, for about so long."""
        self._config["key-load-delay"] = SLOW
        hurrying = asyncio.create_task(self._hurry(seconds))
        try:
            await self.start()
            await hurrying
        finally:
            hurrying.cancel()
            del self._config["key-load-delay"]

    async def _hurry(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        while True:
            with contextlib.suppress(RedisError, OSError):
                async with self.asked() as redis:
                    await redis.config_set("key-load-delay", "0")
                    return
            await asyncio.sleep(POLL_S)

    async def follow(self, primary: Server) -> None:
        """Become its replica, now or when it is there."""
        async with self.asked() as redis:
            await redis.replicaof("127.0.0.1", primary.port)

    async def keeps_up(self) -> bool:
        """Whether this replica has all of its primary's data, and a file of its own with them."""
        async with self.asked() as redis:
            replication, persistence = await redis.info("replication"), await redis.info("persistence")
        busy = persistence["aof_rewrite_in_progress"] or persistence["aof_rewrite_scheduled"]
        return replication.get("master_link_status") == "up" and not busy

    async def hand_over(self, to: Server) -> bool:
        """Become the replica of a replica, which has every write that was acknowledged; False where it is not ready.

        FAILOVER lets writes wait until the replica has what came before. Connections stand, and writes on them are
        answered READONLY from then on.
        """
        if not await to.keeps_up():
            return False
        async with self.asked() as old, to.asked() as new, asyncio.timeout(PATIENCE):
            await old.execute_command("FAILOVER", "TO", "127.0.0.1", to.port, "TIMEOUT", 3000)
            while (await old.info("replication"))["master_failover_state"] != "no-failover":
                await asyncio.sleep(POLL_S)
            return bool((await new.info("replication"))["role"] == "master")

    @contextlib.asynccontextmanager
    async def without_memory(self) -> AsyncIterator[None]:
        """Refuse with OOM what needs memory."""
        async with self.asked() as redis:
            await redis.config_set("maxmemory", "1")
            try:
                yield
            finally:
                await redis.config_set("maxmemory", "0")

    @contextlib.asynccontextmanager
    async def without_disk(self) -> AsyncIterator[None]:
        """Refuse with MISCONF what writes: its last snapshot failed, as a folder is in its place."""
        place = self.data_dir / "dump.rdb"
        async with self.asked() as redis:
            place.mkdir()
            try:
                await redis.config_set("save", "86400 1000000")
                await self._fail_to_save(redis)
                yield
            finally:
                place.rmdir()
                # Without a schedule for snapshots none that failed matters.
                await redis.config_set("save", "")

    async def _fail_to_save(self, redis: Any) -> None:
        async with asyncio.timeout(PATIENCE):
            while (await redis.info("persistence"))["rdb_last_bgsave_status"] == "ok":
                with contextlib.suppress(RedisError):  # it is rewriting its append-only file
                    await redis.bgsave()
                await asyncio.sleep(POLL_S)

    def _forget(self) -> None:
        """Remove what libfaketime leaves of a process that was killed."""
        if self.clock is not None and self._process is not None:
            for name in ("faketime_shm_", "sem.faketime_sem_"):
                Path(f"/dev/shm/{name}{self._process.pid}").unlink(missing_ok=True)


async def is_primary(redis: Any) -> bool:
    """Whether the server that answers takes writes."""
    return bool((await redis.info("replication"))["role"] == "master")
