"""Permissions: whether the user of a Redis URL may do what we do, tried at start and by `midstream doctor`.

Without that, a missing one shows much later and elsewhere: a script that is refused in its middle keeps what it wrote.
Redis checks commands, keys and channels when it queues a command for a transaction (ACL.md of Redis 7, `MULTI`), so all
of them are tried by their own names in one that is discarded: nothing is run. `ACL DRYRUN` would need an administrator.
"""

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from shared.backoff import Backoff
from shared.config.settings import Settings
from shared.errors import SettingsError
from shared.permissions.commands import HINT_COMMANDS, TriedServer, servers
from shared.storage.connections import connect
from shared.storage.outage import refusal

logger = logging.getLogger("midstream.redis")

ACL_RULE = "~midstream:* ~arq:* &midstream:* +@all -@dangerous +info"
"""Rule of a user that may do all that we do, and none of what Redis calls dangerous (ACL SETUSER)."""
ANSWER_TIMEOUT_S = 3.0
"""Seconds after which a Redis that is asked at start has not answered."""
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 5.0
"""Seconds between two questions to a Redis that did not answer at start: at first, and at most."""

_ACCESS = re.compile(r"access (?:a|one of the) (key|channel)")
_COMMAND = re.compile(r"run the '([^']+)' command")


@dataclass(frozen=True, slots=True)
class MissingPermissions:
    """What a user may not do, as `the command PUBLISH`, and what of it is only a hint, with what follows."""

    needed: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"its user may not use {', '.join(self.needed)}"


async def lacks(server: TriedServer, *, timeout: float) -> MissingPermissions:  # noqa: ASYNC109
    """Returns what the user of a Redis' URL may not do.

    Raises redis.exceptions.RedisError, OSError and TimeoutError where Redis does not answer within `timeout` seconds,
    or lets nobody in.
    """
    client = connect(server.url, timeout=timeout, connections=1, retries=0)
    connection: AbstractConnection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    try:
        async with asyncio.timeout(timeout):
            # Not as our connections do, nor is it read so: what comes of it is told here, all at once.
            await AbstractConnection.connect(connection)  # type: ignore[no-untyped-call]
            # Outside of a transaction it says that there is none.
            refused = [await _try(connection, "EXEC")]
            refused.append(begun := await _try(connection, "MULTI", must=b"OK"))
            if begun is None:
                await connection.send_packed_command(connection.pack_commands(map(str.split, server.commands)))
                refused += [await _reply(connection, command) for command in server.commands]
    except RedisError as error:
        if refusal(error) != "NOPERM":
            raise
        refused = [_denied("SELECT", error)]
    finally:
        await connection.disconnect(nowait=True)  # and with it the transaction
        # Not the client: that ends the wait for the end of an outage, which is that of all others of this address.
        await client.connection_pool.disconnect()
    return _sorted(filter(None, refused))


async def require(settings: Settings) -> Sequence[TriedServer]:
    """Raises SettingsError where something is missing that is needed, and logs what is only a hint.

    A Redis that is away, or lets nobody in, is no reason not to start: it is waited for, and logged as an outage.
    Those that did not answer are returned, for `try_again`.
    """
    tried = list(servers(settings))
    seconds = min(settings.redis_timeout, ANSWER_TIMEOUT_S)
    found = await asyncio.gather(*(lacks(server, timeout=seconds) for server in tried), return_exceptions=True)
    away = []
    for server, lack in zip(tried, found, strict=True):
        if isinstance(lack, MissingPermissions):
            if remedy := _remedy(settings, server, lack):
                raise SettingsError(remedy)
        elif isinstance(lack, RedisError | OSError):
            away.append(server)
        else:
            raise lack
    return away


async def try_again(
    settings: Settings,
    away: Sequence[TriedServer],
    *,
    first_retry_s: float = FIRST_RETRY_S,
    longest_retry_s: float = LONGEST_RETRY_S,
) -> None:
    """Asks each Redis that did not answer at start until it does, then logs what is missing as an error, once for each.

    What runs is not ended for it: whoever corrects the permission need not start anything again.
    """
    backoffs = (Backoff(first=first_retry_s, cap=longest_retry_s) for _ in away)
    await asyncio.gather(*(_when_back(settings, *each) for each in zip(away, backoffs, strict=True)))


async def _when_back(settings: Settings, server: TriedServer, backoff: Backoff) -> None:
    while True:
        await backoff.wait()
        try:
            lack = await lacks(server, timeout=min(settings.redis_timeout, ANSWER_TIMEOUT_S))
        except (RedisError, OSError):
            continue  # told as an outage by whoever uses it
        if remedy := _remedy(settings, server, lack):
            logger.error("%s", remedy)
        return


def _remedy(settings: Settings, server: TriedServer, lack: MissingPermissions) -> str | None:
    """Returns what to permit, where something needed is missing; None otherwise. Logs what is only a hint."""
    where = settings.sources.where([server.setting])
    if lack.needed:
        return f"{where}: {lack}; permit it in Redis, as by ACL SETUSER NAME {ACL_RULE}"
    if lack.hints:
        logger.warning("%s: its user may not use %s", where, "; ".join(lack.hints))
    return None


async def _try(connection: AbstractConnection, command: str, must: bytes | None = None) -> str | None:
    await connection.send_packed_command(connection.pack_commands([command.split()]))
    return await _reply(connection, command, must)


async def _reply(connection: AbstractConnection, command: str, must: bytes | None = None) -> str | None:
    """Returns what is missing for a command; None where it was queued, or refused for another reason.

    With `must` any other reply raises ResponseError.
    """
    try:
        reply = await AbstractConnection.read_response(connection, disconnect_on_error=False)
    except ResponseError as error:
        denied = _denied(command, error)
        if denied is None and must is not None:
            raise
        return denied
    if must is not None and reply != must:
        raise ResponseError(f"no reply that {command} has")
    return None


def _denied(command: str, error: Exception) -> str | None:
    words = str(error)
    # EXEC is refused as an aborted transaction, whose reason is behind it.
    if isinstance(error, NoPermissionError) or refusal(error) == "NOPERM" or "NOPERM" in words:
        if access := _ACCESS.search(words):
            return f"the {access[1]}s {_pattern(command)}"
        named = _COMMAND.search(words)
        return f"the command {_name(named[1] if named else command)}"
    return f"the command {_name(command)}" if words.lower().startswith("unknown command") else None


def _name(command: str) -> str:
    first, second, *_ = f"{command.replace('|', ' ')} ".upper().split(" ")
    return f"{first} {second}" if first == "SCRIPT" else first


def _pattern(command: str) -> str:
    return "arq:*" if " arq:" in command else "midstream:*"


def _sorted(missing: Iterable[str]) -> MissingPermissions:
    """Returns each missing permission once: as a hint where it is just a command of HINT_COMMANDS, else as needed."""
    distinct = dict.fromkeys(missing)
    hints = {name: follows for name in distinct if (follows := HINT_COMMANDS.get(name.removeprefix("the command ")))}
    return MissingPermissions(
        tuple(name for name in distinct if name not in hints),
        tuple(f"{name}, so {follows}" for name, follows in hints.items()),
    )
