"""Cost of one command to Redis by `shared.storage.connections`, beside redis-py as it comes and beside a bare socket.

    python -m bench.round_trip

The clients have a timeout of 5 s and retries, the bare socket none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import uvloop
from redis.asyncio import BlockingConnectionPool, Redis
from rich.console import Console
from rich.table import Table

from midstream.processes.valkey import Valkey
from shared.storage.connections import connect

ROUNDS, TIMES = 40, 100


async def measure(commands: dict[str, Callable[[], Awaitable[object]]]) -> dict[str, tuple[list[float], list[float]]]:
    """For each command its wall times, and the CPU time of one in each round, in s; rounds of all take turns."""
    seen: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in commands}
    for number in range(ROUNDS):
        for name, command in commands.items():
            wall, cpu = [], time.process_time()
            for _ in range(TIMES):
                start = time.perf_counter()
                await command()
                wall.append(time.perf_counter() - start)
            if number:  # the first warms up
                seen[name][0].extend(wall)
                seen[name][1].append((time.process_time() - cpu) / TIMES)
    return seen


async def main() -> None:
    table = Table("GET", "wall µs, least", "median", "CPU µs, least", "median", title="One round trip")
    with TemporaryDirectory(prefix="midstream-bench-") as folder:
        async with Valkey(Path(folder) / "data") as valkey:
            ours = connect(valkey.url, timeout=5.0)
            pool = BlockingConnectionPool.from_url(valkey.url, timeout=5.0, socket_timeout=5.0)
            plain = Redis.from_pool(pool)
            reader, writer = await asyncio.open_unix_connection(valkey.socket)

            async def bare() -> bytes:
                writer.write(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n")
                return await reader.readline()

            commands: dict[str, Callable[[], Awaitable[object]]] = {
                "shared.storage.connections": lambda: ours.get("a"),
                "redis-py, blocking pool": lambda: plain.get("a"),
                "bare socket": bare,
            }
            for name, (wall, cpu) in (await measure(commands)).items():
                figures = (min(wall), median(wall), min(cpu), median(cpu))
                table.add_row(name, *(f"{seconds * 1e6:.0f}" for seconds in figures))
            writer.close()
            await ours.aclose()
            await plain.aclose()
    Console().print(table)


if __name__ == "__main__":
    uvloop.run(main())
