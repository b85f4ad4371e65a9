"""Accept and write generations with what a test does not care about filled in."""

from __future__ import annotations

from collections.abc import Sequence

from shared.generations.generations import Generations
from shared.log.events import Completed, Delta, Event, EventId, encode
from shared.log.guarded_log import Batch, Claim, Log
from shared.record import Acceptance

REQUEST = b'{"model":"p/m","messages":[{"role":"user","content":"hi"}]}'


async def accept(
    generations: Generations, *, owner: str = "local", on_interrupt: str = "restart", ttl_ms: int = 60_000
) -> str:
    """A new generation's id."""
    generation_id = await generations.new_id(owner, None)
    await generations.accept(
        Acceptance(
            id=generation_id, owner=owner, model="p/m", request=REQUEST, on_interrupt=on_interrupt, ttl_ms=ttl_ms
        )
    )
    return generation_id


async def claim(log: Log, generation_id: str, *, beside: bool = False) -> Claim:
    """Start an attempt as a new job does."""
    return await log.claim(generation_id, model="m", provider="p", ttl_ms=60_000, beside=beside)


def batch(generation_id: str, claim: Claim, first: int, events: Sequence[Event]) -> Batch:
    """The events of an attempt from `first` on, which continue those before."""
    previous = EventId(claim.token, first - 1) if first else claim.last
    return Batch(
        generation_id,
        claim.token,
        claim.number,
        previous,
        first,
        [(event.type, encode(event)) for event in events],
    )


def delta(text: str) -> Delta:
    return Delta(part=0, kind="text", delta=text)


def completed() -> Completed:
    return Completed(finish_reason="stop")
