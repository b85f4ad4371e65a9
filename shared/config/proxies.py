"""Proxies of the environment: through which of them an address is asked.

As curl and Python's standard library have it: `http_proxy`, `https_proxy` and `all_proxy`, also in capitals, where the
lower case wins, even when it is empty, and `no_proxy` for what is asked directly. Loopback is never asked through one.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, getproxies_environment, proxy_bypass

import httpx2

from shared.config.loopback import is_loopback

SYSTEM_SETTINGS = "the system's proxy settings"
"""Stands for a variable on macOS, where there is none."""

_SOCKS = ("socks5", "socks5h")
_SCHEMES = ("http", "https", *_SOCKS)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy, and the variable that it is in, as that is spelled."""

    variable: str
    url: str = field(repr=False)
    """With its credentials: never for a log or a message."""

    @property
    def scheme(self) -> str:
        """What is spoken with it; empty where the URL has none."""
        return self.url.partition("://")[0].lower()

    def fault(self) -> tuple[str, str] | None:
        """Returns what keeps it from being used, and what to do about that; None where nothing does."""
        parts = split(self.url)
        if parts is None or parts.path not in ("", "/"):
            return "not an address like http://proxy.example:3128", "correct it or unset it"
        if parts.scheme not in _SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
            return f"a {parts.scheme}:// proxy, which cannot be used", f"give one of {known}, or unset it"
        if parts.scheme in _SOCKS and not _socks_is_installed():
            # The extra's name is for who installs the package, the package's own for who runs a clone.
            install = "install `midstream[socks]`, in a clone `.venv/bin/pip install socksio`"
            return "a SOCKS proxy, for which the package socksio is missing", f"{install}, or unset it"
        return None


def split(url: str) -> SplitResult | None:
    """Returns the parts of a URL; None where httpx2 could not ask it: no scheme, no host, or a port that cannot be."""
    try:
        httpx2.URL(url)
        parts = urlsplit(url)
        valid = parts.scheme and parts.hostname and (parts.port is None or parts.port > 0)
    except (ValueError, httpx2.InvalidURL):
        return None
    return parts if valid and " " not in url else None


def proxy_for(address: str, environment: Mapping[str, str] = os.environ) -> Proxy | None:
    """Returns the proxy through which an http:// or https:// address is asked; None where it is asked directly."""
    parts = split(address)
    if parts is None or parts.scheme not in _PORTS:
        return None
    host = str(parts.hostname).rstrip(".")
    # What is not specified is this machine, to whoever connects there: 0.0.0.0 is copied from where a server listens.
    here = is_loopback(host) or host in ("0.0.0.0", "::")
    proxy = None if here else configured(parts.scheme, environment)
    if proxy is None:
        return None
    if proxy.variable == SYSTEM_SETTINGS:
        return None if proxy_bypass(host) else proxy
    _, excepted = _variable("no", environment)
    port = parts.port or _PORTS[parts.scheme]
    return None if any(_covers(entry.strip(), host, port) for entry in excepted.lower().split(",")) else proxy


def configured(scheme: str, environment: Mapping[str, str] = os.environ) -> Proxy | None:
    """Returns the proxy of addresses of a scheme, `http` or `https`, without regard to `no_proxy`."""
    for kind in (scheme, "all"):
        variable, value = _variable(kind, environment)
        # A CGI server makes this variable of a caller's header `Proxy`.
        forged = variable == "HTTP_PROXY" and "REQUEST_METHOD" in environment
        if value and not forged:
            return Proxy(variable, _url(value))
    # Where no such variable is set at all, macOS' system settings count.
    if environment is os.environ and not getproxies_environment() and (url := getproxies().get(scheme)):
        return Proxy(SYSTEM_SETTINGS, _url(url))
    return None


def _variable(kind: str, environment: Mapping[str, str]) -> tuple[str, str]:
    lower = f"{kind}_proxy"
    variable = lower if lower in environment else lower.upper()
    return variable, environment.get(variable, "").strip()


def _url(value: str) -> str:
    url = value if "://" in value else f"http://{value}"
    # GNOME and Clash write it so; curl would take it for SOCKS4, Chromium takes it for this.
    return f"socks5{url[5:]}" if url.lower().startswith("socks://") else url


def _covers(entry: str, host: str, port: int) -> bool:
    """Says whether an entry of `no_proxy` is for this host: `*`, an address, a network, or a name with all below it.

    A name or an address may have a port, and a scheme in front is ignored.
    """
    entry = entry.rpartition("://")[2]
    network = _network(entry)
    if network is None:
        name, colon, number = entry.rpartition(":")
        if colon and number.isdecimal():
            if int(number) != port:
                return False
            entry, network = name, _network(name)
    if network is not None:
        try:
            return ip_address(host) in network
        except ValueError:
            return False
    name = entry.removeprefix("*").removeprefix(".")
    return entry == "*" or (name != "" and (host == name or host.endswith(f".{name}")))


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        # Without its brackets a port would be one more group of the address.
        return None if "]:" in text else ip_network(text.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None


def _socks_is_installed() -> bool:
    # As httpx2 will: a module that is found may still fail to load.
    try:
        import_module("socksio")
    except ImportError:
        return False
    return True
