"""What an event costs the API in each dialect: viewers of one generation, the native dialect beside the others.

    python -m bench.dialects [--only NAME]… [--shape 1x1000x50] [--rounds 3] [--seconds 8] [--json FILE]

A shape is generations x viewers x events a second, as in `bench.fanout`. In `mixed` a quarter of the viewers watches in
each dialect. The aim (docs/performance.md): no dialect costs more than twice the native one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import uvloop

from bench import fanout
from bench.arguments import parser
from bench.fans import Fan, Start, midstream
from bench.load import get
from bench.results import Report
from bench.rounds import alternate

PATHS = {
    "native": "/v1/generations/gen_{}/events",
    "Chat": "/v1/chat/completions/chatcmpl-{}?stream=true",
    "Responses": "/v1/responses/resp_{}?stream=true",
    "Messages": "/v1/messages/msg_{}?stream=true",
}
SUBJECTS: dict[str, Sequence[str]] = {**{name: [name] for name in PATHS}, "mixed": list(PATHS)}


def watched(dialects: Sequence[str]) -> Start:
    """Midstream, whose viewers ask in these dialects in turns."""

    @asynccontextmanager
    async def start(generations: int, folder: Path) -> AsyncIterator[Fan]:
        async with midstream()(generations, folder) as fan:
            assert fan.logs is not None
            tails = [id.removeprefix("gen_") for id in fan.logs.ids]
            requests = [get(PATHS[name].format(tail)) for tail in tails for name in dialects]
            yield replace(fan, requests=requests, dense=False)

    return start


async def main() -> None:
    arguments = parser(__doc__, subjects=list(SUBJECTS))
    arguments.add_argument("--shape", default="1x1000x50", help="default 1x1000x50")
    arguments.add_argument("--seconds", type=float, default=8.0, help="length of the window (default 8)")
    options = arguments.parse_args()
    generations, viewers, rate = options.shape.split("x")
    title = f"{generations} generations, {viewers} viewers, {rate} events/s"
    report = Report("dialects", {"rounds": options.rounds, "seconds": options.seconds})

    async def one(name: str) -> None:
        report.add(name, title, await fanout.measure(watched(SUBJECTS[name]), options.shape, options.seconds))

    await alternate(report, options.only or list(SUBJECTS), options.rounds, one, title)
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
