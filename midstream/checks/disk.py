"""What `midstream doctor` asks a Redis where MIDSTREAM_DURABILITY is `disk`."""

from typing import Any

import redis

from midstream.checks.blocking_client import open_client, unless_closed
from shared.storage.disk_sync import AOF_DIRECTIVES, refusal, version_of


def wrong_with(url: str, timeout: float) -> tuple[str, str] | None:
    """Why this Redis cannot say what is on its disk, and what to do; None where it can, or does not answer."""
    # redis-py types its methods for asyncio as well.
    client: Any = open_client(url, timeout)
    try:
        directives = unless_closed(lambda: client.config_get(*AOF_DIRECTIVES))
        why = refusal(directives, version_of(client.info("server")))
    except redis.RedisError:
        return None
    finally:
        client.close()
    state, _, advice = (why or "").partition(": ")
    return (state, advice) if why else None
