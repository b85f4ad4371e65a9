"""Answers that are one owner's, and change: nobody on the way keeps them (RFC 9111, 5.2.2.5)."""

from fastapi import Depends, Response

NO_STORE_HEADERS = {"Cache-Control": "no-store"}


# Async although nothing is awaited: FastAPI would run it in a thread.
async def _say(response: Response) -> None:
    response.headers.update(NO_STORE_HEADERS)


no_store = Depends(_say)
"""For a router whose routes give models; a route that makes its answer itself adds NO_STORE_HEADERS."""
