"""Answers that are one document."""

from typing import Final

from simulator.connection import Connection
from simulator.request import RequestRefusedError
from simulator.wire import Headers, WireFormat

JSON: Final = [(b"content-type", b"application/json")]


async def reply(connection: Connection, status: int, body: bytes, headers: Headers = ()) -> None:
    await connection.start(status, [*JSON, (b"content-length", str(len(body)).encode()), *headers])
    await connection.finish(body)


async def refuse(connection: Connection, wire: WireFormat, refused: RequestRefusedError) -> None:
    body, headers = wire.problem(refused)
    if refused.retry_after is not None:
        headers = [*headers, (b"retry-after", refused.retry_after.encode())]
    await reply(connection, refused.status, body, headers)
