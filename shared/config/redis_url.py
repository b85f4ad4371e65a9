"""A Redis URL, checked before anything connects: redis-py passes over what it does not understand, or quotes it.

What it takes for an unescaped password is another host, another database or a traceback with parts of the password.
"""

import math
import os
import re
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, unquote_to_bytes, urlsplit

from shared.config import value_checks
from shared.config.sentinel_address import sentinel_address

TCP, TLS, UNIX = "redis", "rediss", "unix"
SENTINEL, SENTINEL_TLS = "redis+sentinel", "rediss+sentinel"

_ENCODE = (
    "percent-encode a user or password: @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, [ as %5B, ] as %5D, "
    "% as %25, a space as %20"
)
_NO_HOST = f"has no possible host and port; {_ENCODE}"
_HOST_AND_PORT = re.compile(r"(?:\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>[0-9]*))?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DATABASE = re.compile(r"[0-9]{1,9}")
_TRUE = frozenset({"true", "yes", "1"})
_BOOLEANS = _TRUE | {"false", "no", "0"}


def flaw_of_url(url: str) -> str | None:
    """Returns what is wrong with a URL, as text to follow "NAME:"; None where nothing is. The text holds no secret."""
    scheme, found, rest = url.partition("://")
    if not found or scheme not in _OPTIONS_OF:
        return "must begin with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://"
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        return f"must hold no space or line break; {_ENCODE}"
    if "#" in rest or _BAD_ESCAPE.search(rest) or not _is_text(rest):
        return f"holds a # or a % that stands for itself; {_ENCODE}"
    if scheme in (SENTINEL, SENTINEL_TLS):
        return _of_sentinels(scheme, url)
    try:
        parts = urlsplit(url)
    except ValueError:
        return _NO_HOST
    wrong = _of_socket(parts) if scheme == UNIX else _of_server(parts)
    return wrong or _of_options(scheme, parts.query, parts.netloc, parts.path.strip("/"))


def _of_sentinels(scheme: str, url: str) -> str | None:
    """Returns what is wrong with the Sentinels, the service or the database."""
    place, _, path = url.partition("://")[2].partition("/")
    path, _, query = path.partition("?")
    if wrong := _of_options(scheme, query, place, path.partition("/")[2]):
        return wrong
    try:
        address = sentinel_address(url)
    except ValueError as error:
        return f"{error}; {_ENCODE}"
    assert address is not None
    return _NO_HOST if any(value_checks.of_host(host) for host, _ in address.nodes) else None


def _of_server(parts: SplitResult) -> str | None:
    """Returns what is wrong with the host, port or database of a server that listens on a port."""
    shape = _HOST_AND_PORT.fullmatch(parts.netloc.rpartition("@")[2])
    if shape is None:
        return _NO_HOST
    host, port = parts.hostname, shape["port"]
    # Without any authority it is this machine's, as in redis-py; after a user or before a port it is forgotten.
    if (parts.netloc and (host is None or value_checks.of_host(host))) or (port and not 0 < int(port) < 65536):
        return _NO_HOST
    if parts.path not in ("", "/") and not _DATABASE.fullmatch(parts.path[1:]):
        return f"must end with the number of a database, as in redis://127.0.0.1:6379/0; {_ENCODE}"
    return None


def _of_socket(parts: SplitResult) -> str | None:
    """Returns what is wrong with the path of a unix socket."""
    if parts.netloc.rpartition("@")[2]:
        return f"must name the socket's path after three slashes, as in unix:///run/redis.sock; {_ENCODE}"
    return None if parts.path.strip("/") else "must name the socket's path, as in unix:///run/redis.sock"


def _of_options(scheme: str, query: str, place: str, database: str) -> str | None:
    """Returns what is wrong with the options after the ?; redis-py fails on an unknown one only when it connects."""
    if not query:
        return None
    known = _OPTIONS_OF[scheme]
    try:
        options = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        return f"has no options of the form name=value after its ?; {_ENCODE}"
    if "@" in query and scheme != UNIX and "@" not in place:
        return _NO_HOST  # the ? was in the password
    names = [name for name, _ in options]
    given = {name: unquote(value) for name, value in options}  # twice, as redis-py does
    for name, value in given.items():
        if name not in known:
            # Not by its name, which is a part of the password where that holds the ?.
            needs = "; options of TLS need rediss://" if name in _TLS_OPTIONS else ""
            return f"has an option after its ? that is not known here{needs}: known are {', '.join(known)}"
        if names.count(name) > 1:
            return f"has {name} twice after its ?; give it once"
        if wrong := known[name](value):
            return f"has a {name} after its ? that {wrong}"
    if scheme != UNIX and database.isdecimal() and "db" in given and int(given["db"]) != int(database):
        return "names two databases; give one, as in redis://127.0.0.1:6379/0"
    return _of_tls(given) if scheme in (TLS, SENTINEL_TLS) else None


def _of_tls(given: Mapping[str, str]) -> str | None:
    """Returns what OpenSSL finds wrong with the options of TLS, which would else show at each connection."""
    import ssl  # the settings are loaded also where nobody asks Redis

    if ("ssl_certfile" in given) != ("ssl_keyfile" in given):
        return "has one of ssl_certfile and ssl_keyfile after its ?; give both"
    verifies = given.get("ssl_cert_reqs") != "none"
    if not verifies and given.get("ssl_check_hostname", "no").lower() in _TRUE:
        return "checks a name by ssl_check_hostname in a certificate that ssl_cert_reqs=none does not ask for"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    steps: dict[str, Callable[[str], object]] = {
        "ssl_ca_certs": lambda file: context.load_verify_locations(cafile=file),
        "ssl_ca_data": lambda text: context.load_verify_locations(cadata=text),
        # A key that is encrypted must not be asked for on a terminal.
        "ssl_certfile": lambda file: context.load_cert_chain(file, given["ssl_keyfile"], password=lambda: ""),
        "ssl_ciphers": context.set_ciphers,
    }
    for name, step in steps.items():
        try:
            if name in given:
                step(given[name])
        except (OSError, ValueError):
            return f"has a {name} after its ? that OpenSSL cannot use"
    return None


def _is_text(rest: str) -> bool:
    try:
        unquote_to_bytes(rest).decode()
    except UnicodeDecodeError:
        return False
    return True


_Check = Callable[[str], str | None]


def _check(fits: Callable[[str], object], demand: str) -> _Check:
    return lambda value: None if fits(value) else demand


def _count(least: int) -> _Check:
    return _check(
        lambda value: _DATABASE.fullmatch(value) and int(value) >= least, f"must be a whole number from {least} on"
    )


def _is_duration(value: str) -> bool:
    try:
        return 0 < float(value) < math.inf
    except ValueError:
        return False


_boolean = _check(lambda value: value.lower() in _BOOLEANS, "must be true or false")
_file = _check(lambda value: os.path.isfile(value) and os.access(value, os.R_OK), "must name a file that can be read")
_seconds = _check(_is_duration, "must be a number of seconds above 0")
_text = _check(bool, "must not be empty")

_OPTIONS: dict[str, _Check] = {
    "db": _check(_DATABASE.fullmatch, "must be the number of a database"),
    "username": _text,
    "password": _text,
    "client_name": _check(re.compile(r"[!-~]+").fullmatch, "must be one word of ASCII"),
    "socket_timeout": _seconds,
    "socket_connect_timeout": _seconds,
    "timeout": _seconds,
    "max_connections": _count(1),
    "health_check_interval": _count(0),
    "retry_on_timeout": _boolean,
}
"""Options of redis-py's connections and pools that do not change what a reply is."""
_TCP_OPTIONS: dict[str, _Check] = {"socket_keepalive": _boolean}
_TLS_OPTIONS: dict[str, _Check] = {
    "ssl_ca_certs": _file,
    "ssl_ca_data": _text,
    "ssl_certfile": _file,
    "ssl_keyfile": _file,
    "ssl_cert_reqs": _check(("none", "optional", "required").__contains__, "must be none, optional or required"),
    "ssl_check_hostname": _boolean,
    "ssl_ciphers": _text,
}
_SENTINEL_OPTIONS: dict[str, _Check] = {"sentinel_username": _text, "sentinel_password": _text}
_OPTIONS_OF = {
    UNIX: _OPTIONS,
    TCP: _OPTIONS | _TCP_OPTIONS,
    TLS: _OPTIONS | _TCP_OPTIONS | _TLS_OPTIONS,
    SENTINEL: _OPTIONS | _TCP_OPTIONS | _SENTINEL_OPTIONS,
    SENTINEL_TLS: _OPTIONS | _TCP_OPTIONS | _TLS_OPTIONS | _SENTINEL_OPTIONS,
}
