"""What a fault does to an answer that has begun, or should have."""

from collections.abc import Callable
from typing import Final

from simulator.connection import Connection
from simulator.faults import Fault
from simulator.journal import How
from simulator.reply import JSON
from simulator.wire import WireWriter

KEEPALIVE_S: Final = 0.05


async def strike(
    connection: Connection,
    writer: WireWriter,
    fault: Fault,
    rest: Callable[[], bytes],
    keepalive_s: float = KEEPALIVE_S,
) -> How:
    """Ends a stream of events by `fault`; `rest` has the event of which half is written."""
    match fault.kind:
        case "reset":
            await connection.reset()
        case "eof":
            await connection.finish()
        case "half":
            await connection.finish(_cut(rest()))
        case "badjson":
            await connection.finish(writer.broken())
        case "error":
            await connection.finish(writer.error())
        case "keepalive":
            while not connection.left:
                await connection.write(writer.keepalive())
                await connection.wait(keepalive_s)
            return "client_left"
        case _:
            await connection.wait()
            return "client_left"
    return "fault"


async def strike_document(
    connection: Connection,
    writer: WireWriter,
    fault: Fault,
    whole: Callable[[], bytes],
    keepalive_s: float = KEEPALIVE_S,
) -> How:
    """Does the same for an answer that would have been the one document `whole`."""
    if fault.kind not in ("reset", "stall"):
        await connection.start(200, [*JSON, *writer.headers])
    if fault.kind in ("half", "badjson"):
        body = whole()
        await connection.finish(body[: len(body) // 2])
        return "fault"
    if fault.kind == "keepalive":
        while not connection.left:
            # Blank space before a JSON document keeps the connection alive and means nothing.
            await connection.write(b"\n")
            await connection.wait(keepalive_s)
        return "client_left"
    return await strike(connection, writer, fault, whole)


def _cut(events: bytes) -> bytes:
    """All but the second half of the last event."""
    last = events.rstrip(b"\n").rfind(b"\n\n") + 2 if b"\n\n" in events.rstrip(b"\n") else 0
    return events[: last + (len(events) - last) // 2]
