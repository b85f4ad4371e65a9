"""The commands that make, list and end API keys: `keys create`, `list`, `revoke`, `rotate`. They ask Redis itself."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from midstream.commands.show import write_json
from midstream.errors import ClientError, NotFoundError, RefusedError, UnreachableError
from midstream.output.table import Cell, print_table
from midstream.terminal import exact_line

if TYPE_CHECKING:
    # `--help` and the client commands need not wait for them to load.
    from shared.access.key_store import KeyStore
    from shared.access.stored_key import StoredKey
    from shared.config.settings import Settings

Id = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `list` shows it.")]
DataDir = Annotated[
    Path,
    typer.Option(file_okay=False, help="Folder of the embedded server; used where MIDSTREAM_REDIS_URL is not set."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]
UP_DATA_DIR = Path(".midstream")
MAX_DURATION_S = 10 * 365 * 86_400
"""Seconds for which a key may be made at most: ten years."""

_DURATION = re.compile(r"(\d{1,9})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_T = TypeVar("_T")

app = typer.Typer(name="keys", help="Make, list and end API keys, in Redis.", no_args_is_help=True)


@app.command()
def create(
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="Whose key it is.")],
    scope: Annotated[str, typer.Option(help="What it may, with commas: generate, read, admin.")] = "generate,read",
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="For how long it is good, as 90d, 12h, 30m or 45s. [for ever]")
    ] = None,
    json: Json = False,
    data_dir: DataDir = UP_DATA_DIR,
) -> None:
    """Make a key, and print it: the only time that anybody sees it."""
    from shared.access import scopes
    from shared.access.stored_key import flaw_of_owner

    if flaw := flaw_of_owner(owner):
        raise RefusedError(f"OWNER: {flaw}")
    try:
        granted = scopes.read(scope)
    except ValueError:
        known = ", ".join(scopes.Scope)
        raise RefusedError(f"--scope: must be some of {known}, with commas between them") from None
    lasts_ms = None if expires is None else _duration_ms(expires, "--expires")
    made = _asked(data_dir, lambda store: store.create(owner, granted, lasts_ms))
    _print_new(made.key, made.stored, json=json)


@app.command("list")
def list_keys(
    json: Annotated[bool, typer.Option("--json", help="Write each as a line of JSON.")] = False,
    data_dir: DataDir = UP_DATA_DIR,
) -> None:
    """List the keys that are good, oldest first; the keys themselves are not known."""
    found = [_shown(key) for key in _asked(data_dir, lambda store: store.all())]
    if json:
        for key in found:
            write_json(key)
        return
    names = ("id", "owner", "scopes", "created", "expires", "used")
    rows = [[Cell(_cell(key[name])) for name in names] for key in found]
    print_table(("ID", "OWNER", "SCOPES", "CREATED", "EXPIRES", "LAST USE"), rows, right=frozenset())


@app.command()
def revoke(key_id: Id, data_dir: DataDir = UP_DATA_DIR) -> None:
    """End a key: all nodes refuse it within 5 s, and cut who watches by it."""
    if not _asked(data_dir, lambda store: store.revoke(key_id)):
        raise _no_such_key()
    print(f"revoked {exact_line(key_id)}")


@app.command()
def rotate(
    key_id: Id,
    keep: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="For how long the old one is good still, as 1h. [it ends at once]"),
    ] = None,
    json: Json = False,
    data_dir: DataDir = UP_DATA_DIR,
) -> None:
    """Make a new key with the owner, scopes and duration of one that ends, and print it."""
    keep_ms = 0 if keep is None else _duration_ms(keep, "--keep")
    made = _asked(data_dir, lambda store: store.rotate(key_id, keep_ms))
    if made is None:
        raise _no_such_key()
    _print_new(made.key, made.stored, json=json)


def _asked(data_dir: Path, ask: Callable[[KeyStore], Awaitable[_T]]) -> _T:
    """Returns what the store of keys answers. Raises ClientError where Redis cannot be asked, or refuses."""
    import asyncio  # here, as `--version` need not wait for it

    from redis.exceptions import RedisError, ResponseError

    from midstream.commands.doctor import configured
    from midstream.processes.valkey import Valkey

    settings = configured()
    if settings.keys != "redis":
        print("midstream: MIDSTREAM_KEYS is not redis here; an API takes these keys only where it is", file=sys.stderr)
    embedded = Valkey(data_dir)
    if "redis_url" not in settings.model_fields_set and embedded.socket.exists():
        settings = settings.model_copy(update={"redis_url": embedded.url, "queue_url": None})
    try:
        return asyncio.run(_answer(settings, ask))
    except ResponseError as error:
        raise ClientError(f"Redis refuses: {exact_line(str(error))}") from None
    except (RedisError, OSError) as error:
        raise UnreachableError(
            f"Redis does not answer ({type(error).__name__}): set MIDSTREAM_REDIS_URL as the API has it, or name the "
            "folder of `midstream up` with --data-dir"
        ) from None


async def _answer(settings: Settings, ask: Callable[[KeyStore], Awaitable[_T]]) -> _T:
    from functools import partial

    from shared.access.key_store import KeyStore
    from shared.storage.connections import connect_both
    from shared.storage.secret import read_secret

    redis, queue_redis = connect_both(settings)
    try:
        return await ask(KeyStore(queue_redis, partial(read_secret, redis)))
    finally:
        await queue_redis.aclose()
        await redis.aclose()


def _duration_ms(text: str, option: str) -> int:
    found = _DURATION.fullmatch(text)
    seconds = 0 if found is None else int(found[1]) * _UNITS[found[2]]
    if not 0 < seconds <= MAX_DURATION_S:
        raise RefusedError(f"{option}: must be a number with s, m, h or d behind it, as 90d: ten years at most")
    return seconds * 1000


def _no_such_key() -> NotFoundError:
    return NotFoundError("no key has this id: it was revoked, or has expired, or never was; see `midstream keys list`")


def _print_new(key: str, stored: StoredKey, *, json: bool) -> None:
    shown = _shown(stored)
    if json:
        write_json({"key": key, **shown})
        return
    print(key)
    until = f", until {shown['expires']}" if shown["expires"] else ""
    told = f"{shown['id']} of {exact_line(shown['owner'])} ({_cell(shown['scopes'])}{until})"
    print(f"midstream: {told}; keep the key now, nobody can show it again", file=sys.stderr)


def _shown(stored: StoredKey) -> dict[str, Any]:
    return {
        "id": stored.id,
        "owner": stored.owner,
        "scopes": [str(scope) for scope in sorted(stored.scopes)],
        "created": _timestamp(stored.created_ms),
        "expires": _timestamp(stored.expires_ms),
        "used": _timestamp(stored.used_ms),
    }


def _timestamp(ms: int | None) -> str | None:
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _cell(value: Any) -> str:
    return exact_line(",".join(value) if isinstance(value, list) else str(value or "-"))
