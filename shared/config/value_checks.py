"""Checks of values that would be refused later, by a socket, a header or Redis.

Each returns what is wrong with a value, as text to follow "NAME:" that says what is allowed, or None where nothing is
wrong. The text never holds the value, which may be a secret.
"""

import re
from contextlib import suppress
from datetime import date
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from shared.config.loopback import is_loopback

URL_SCHEMES = ("http", "https")
MAX_PREFIX_CHARS = 50
MIN_KEY_CHARS = 16
"""Characters of the shortest key that is taken from another machine."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")
_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")
"""What may stand in a URL as it is (RFC 3986, 2)."""
_PARAMETER = re.compile(r"[^=?]+=[^?]*")
_ALLOWED_HOST = re.compile(r"\*|(\*\.)?[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\]")
_ORIGIN = re.compile(r"https?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
"""What a browser sends as `Origin` (RFC 6454, 6.2): nothing follows the port."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A name that a shell can set (POSIX, 3.216)."""


def of_base_url(url: str) -> str | None:
    """Returns what is wrong with the root of an HTTP API, to which paths are added; its query goes behind them."""
    if not url:
        return "is empty; leave it out, or give an address like https://api.example.com/v1"
    if not _URL.fullmatch(url):
        what = "a space or a line break" if re.search(r"\s", url) else "characters that no URL has"
        return f"holds {what}; give an address like https://api.example.com/v1"
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        return "has no possible host and port; give an address like https://api.example.com/v1"
    if parts.scheme not in URL_SCHEMES or not parts.netloc:
        return "must begin with https:// or http://, as in https://api.example.com/v1"
    if "@" in parts.netloc:
        return "must not hold a user or password; name the variable with the key in api_key_env"
    if host is None or of_host(host) or port == 0:
        return "has no possible host and port; give an address like https://api.example.com/v1"
    if "#" in url:
        return "must end before the #, which no server is sent"
    if not all(map(_PARAMETER.fullmatch, parts.query.split("&"))) and "?" in url:
        return "has something behind the ? that is no name=value; give parameters like ?api-version=2024-10-21"
    if "://" in parts.path or parts.netloc in ("http:", "https:"):
        return "holds two addresses; give one, like https://api.example.com/v1"
    return None


def of_plain_url(url: str) -> str | None:
    """Returns what is wrong with the root of an HTTP API that has no parameters."""
    return "must end before the ?; it has no parameters" if "?" in url else of_base_url(url)


def of_keys_url(url: str) -> str | None:
    """Returns what is wrong with the address of the keys of an identity provider: what comes from there is believed."""
    if flaw := of_base_url(url):
        return flaw
    parts = urlsplit(url)
    if parts.scheme == "https" or is_loopback(parts.hostname or ""):
        return None
    return "must begin with https://, as whoever answers there decides whom this server lets in"


def of_owner_prefix(prefix: str) -> str | None:
    """Returns what is wrong with what stands before a name."""
    if not prefix or (prefix.isprintable() and prefix == prefix.lstrip() and len(prefix) <= MAX_PREFIX_CHARS):
        return None
    return f"must be {MAX_PREFIX_CHARS} characters at most that can be printed, without a space before them"


def of_host(host: str) -> str | None:
    """Returns what is wrong with a name or an address to listen on."""
    if _NAME.fullmatch(host) and all(map(_is_label, host.removesuffix(".").split("."))):
        return None
    with suppress(ValueError):
        ip_address(host)
        return None
    return "must be a name or an address, as 127.0.0.1, ::1 or 0.0.0.0, without a scheme or a port"


def of_key(key: str) -> str | None:
    """Returns what is wrong with a secret that an HTTP header has to carry (RFC 9110, 5.5)."""
    if not key.isascii():
        return "holds a character that is not ASCII, which no HTTP header carries"
    if not key.isprintable():
        return "holds a line break or another control character, which no HTTP header carries"
    if key != key.strip():
        return "begins or ends with a space, which no HTTP header carries"
    return None


def of_version(version: str) -> str | None:
    """Returns what is wrong with an `anthropic-version`: a day (https://platform.claude.com/docs/en/api/versioning)."""
    with suppress(ValueError):
        if date.fromisoformat(version).isoformat() == version:
            return None
    return "must be a day, like 2023-06-01"


def of_variable(name: str) -> str | None:
    """Returns what is wrong with the name of an environment variable."""
    if _VARIABLE.fullmatch(name):
        return None
    return "must be the name of a variable, like GROQ_API_KEY; the key itself belongs into that variable"


def of_name(name: str) -> str | None:
    """Returns what is wrong with a name that callers write, and that logs show."""
    if name and name.isprintable() and name == name.strip():
        return None
    return "must be a name that can be printed, without spaces around it"


def of_allowed_hosts(hosts: str) -> str | None:
    """Returns what is wrong with a list of hosts that requests may name."""
    if all(_ALLOWED_HOST.fullmatch(entry.strip()) for entry in hosts.split(",")) or not hosts.strip():
        return None
    return "must hold hosts, separated by commas, each without scheme and port, like dev.example.org or *.example.org"


def of_origins(origins: str) -> str | None:
    """Returns what is wrong with a list of origins of pages. There is no `*`: a browser sends these its cookies."""
    if all(_ORIGIN.fullmatch(entry.strip()) for entry in origins.split(",")) or not origins.strip():
        return None
    return "must hold origins, separated by commas, each a scheme, a host and perhaps a port, like https://app.test"


def of_proxies(proxies: str) -> str | None:
    """Returns what is wrong with a list of addresses of proxies."""
    if proxies.strip() in ("", "*") or all(map(_is_network, proxies.split(","))):
        return None
    return "must hold addresses or networks, separated by commas, like 10.0.0.5 or 10.0.0.0/8, or be *"


def _is_network(entry: str) -> bool:
    try:
        ip_network(entry.strip())
    except ValueError:
        return False
    return True


def _is_label(label: str) -> bool:
    """Says whether a label may stand between the dots of a host; else the look-up of the host would fail."""
    return 0 < len(label) < 64
