"""The address of a primary that Sentinels know.

It is `redis+sentinel://[user:password@]host:port,host:port/SERVICE[/DB]`, or `rediss+sentinel://` where Redis and the
Sentinels speak TLS. User and password are Redis' own; those of the Sentinels are the parameters `sentinel_username`
and `sentinel_password`. Other parameters are redis-py's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
SENTINEL_PORT = 26379


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """Where the Sentinels are, and how they and the primary are spoken to; options as redis-py has them."""

    nodes: tuple[tuple[str, int], ...]
    service: str
    tls: bool
    redis: Mapping[str, Any]
    sentinel: Mapping[str, Any]


def sentinel_address(url: str) -> SentinelAddress | None:
    """Returns what a URL of Sentinels says; None for an address of another kind.

    Raises ValueError where it is malformed; the error's text never holds the value.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in SENTINEL_SCHEMES:
        return None
    # urlsplit refuses a list that has an IPv6 address after another one, from Python 3.11.12 on.
    place, _, path = rest.partition("/")
    path, _, query = path.partition("?")
    credentials, at, hosts = place.rpartition("@")
    nodes = tuple(_node(text) for text in hosts.split(","))
    service, _, database = path.partition("/")
    if not service:
        raise ValueError("must name the service that the Sentinels watch, as in redis+sentinel://host:26379/mymaster")
    if database and not (database.isascii() and database.isdecimal() and len(database) < 10):
        raise ValueError("must end with the number of a database, as in redis+sentinel://host:26379/mymaster/0")
    # Imported here: settings are read also where nobody asks Redis.
    from redis.asyncio.connection import parse_url

    # What is left is an address as redis-py takes it.
    plain = urlunsplit((scheme.partition("+")[0], f"{credentials}{at}host", f"/{database}", query, ""))
    try:
        options: dict[str, Any] = dict(parse_url(plain))
    except ValueError:
        raise ValueError("has a parameter after its ? with a value that redis-py does not take") from None
    options.pop("connection_class", None)
    own = {key: options.pop(f"sentinel_{key}") for key in ("username", "password") if f"sentinel_{key}" in options}
    del options["host"]
    secured = {name: value for name, value in options.items() if name.startswith("ssl_")}
    tls = scheme == "rediss+sentinel"
    return SentinelAddress(nodes, unquote(service), tls, options, own | secured | ({"ssl": True} if tls else {}))


def _node(text: str) -> tuple[str, int]:
    """Returns one Sentinel's host and port. Raises ValueError."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port == 0 or "@" in text:
        raise ValueError(
            "must name Sentinels as host:port, separated by commas, as in redis+sentinel://a:26379,b:26379/mymaster"
        )
    return host, port or SENTINEL_PORT
