"""What `midstream doctor` asks a Redis where MIDSTREAM_DURABILITY is `disk`."""

from typing import Any

import redis

from midstream.checks.blocking_client import open_client
from shared.storage.disk_sync import AOF_DIRECTIVES, refusal, version_of


def wrong_with(url: str, timeout: float) -> tuple[str, str] | None:
    """Why this Redis cannot say what is on its disk, and what to do; None where it can, or does not answer."""
    # redis-py types its methods for asyncio as well.
    client: Any = open_client(url, timeout)
    try:
        why = refusal(_directives(client), version_of(client.info("server")))
    except redis.RedisError:
        return None
    finally:
        client.close()
    state, _, advice = (why or "").partition(": ")
    return (state, advice) if why else None


def _directives(client: Any) -> dict[str, str] | None:
    try:
        return dict(client.config_get(*AOF_DIRECTIVES))
    except redis.ResponseError:
        return None
