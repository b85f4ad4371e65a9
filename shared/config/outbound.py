"""The way to an address: the proxy and the certificates of the environment, and what is wrong with them.

They are checked before anything starts, because a client that cannot be made would end its process again and again.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import httpx2

from shared.config.proxies import Proxy, configured, proxy_for, split
from shared.errors import SettingsError

if TYPE_CHECKING:
    # The client commands have no settings, and need not wait for them to load.
    from shared.config.provider_settings import ProviderSettings

KEY_LOG_VARIABLE = "SSLKEYLOGFILE"

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
"""Names under which OpenSSL finds certificates in a folder (openssl-rehash(1))."""


class Way(NamedTuple):
    """What an HTTP client needs to be given, so that nothing else of the environment decides."""

    proxy: httpx2.Proxy | None
    certificates: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class OutboundFault:
    """A variable that cannot be used as it is set, or an address of a provider.

    As text it is one line that names the variable and the remedy, without any credentials.
    """

    subject: str
    state: str
    advice: str
    provider: str | None = None
    """The provider that cannot be reached because of it; None where none depends on it."""

    def __str__(self) -> str:
        return f"{self.subject}: {self.state}: {self.advice}"


def check(endpoints: Mapping[str, ProviderSettings], environment: Mapping[str, str] = os.environ) -> list[str]:
    """Returns one line for each variable that cannot be used and that no endpoint depends on.

    Raises SettingsError where one does.
    """
    found = faults(endpoints, environment)
    for fault in found:
        if fault.provider is not None:
            raise SettingsError(str(fault))
    return [str(fault) for fault in found]


def faults(
    endpoints: Mapping[str, ProviderSettings], environment: Mapping[str, str] = os.environ
) -> list[OutboundFault]:
    """Returns all that is wrong, each with the first endpoint that depends on it."""
    found = [
        OutboundFault(f"provider {name}", "its address is not one like https://api.example.com/v1", "correct it", name)
        for name, endpoint in endpoints.items()
        if (parts := split(endpoint.address)) is None or parts.scheme not in ("http", "https")
    ]
    for fault in _broken(environment):
        # aiohttp makes a context as it is loaded, and so cannot be without a key log that can be written.
        dependent = (
            name
            for name, one in endpoints.items()
            if fault.subject == KEY_LOG_VARIABLE or fault.subject in _variables(one.address, environment)
        )
        provider = next(dependent, None)
        effect = f", and provider {provider} depends on it" if provider else "; no provider depends on it"
        found.append(replace(fault, state=fault.state + effect, provider=provider))
    return found


def fault_at(address: str, environment: Mapping[str, str] = os.environ) -> OutboundFault | None:
    """Returns what keeps an address from being reached; None where nothing does."""
    variables = _variables(address, environment)
    # What is on loopback is asked without looking at certificates.
    broken = _broken(environment) if variables else ()
    return next((fault for fault in broken if fault.subject in variables), None)


def way_to(address: str) -> Way:
    """Returns how this process reaches an address. Redirects must not be followed: they may lead another way.

    Raises what httpx2 and OpenSSL raise where `fault_at` finds something.
    """
    proxy = proxy_for(address)
    # Reading the certificates takes a tenth of a second and a file that is there. A context without any trusts nobody.
    trusted = _trusted() if _encrypted(address, proxy) else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if proxy is None:
        return Way(None, trusted)
    return Way(httpx2.Proxy(proxy.url, ssl_context=trusted if proxy.scheme == "https" else None), trusted)


_trusted = cache(httpx2.create_ssl_context)


def _variables(address: str, environment: Mapping[str, str]) -> set[str]:
    """Returns the variables that decide how an address is reached."""
    proxy = proxy_for(address, environment)
    found = {proxy.variable} if proxy else set()
    return found | ({"SSL_CERT_FILE", "SSL_CERT_DIR", KEY_LOG_VARIABLE} if _encrypted(address, proxy) else set())


def _encrypted(address: str, proxy: Proxy | None) -> bool:
    return address.lower().startswith("https:") or (proxy is not None and proxy.scheme == "https")


def _broken(environment: Mapping[str, str]) -> Iterator[OutboundFault]:
    """Yields every variable that cannot be used, whoever depends on it."""
    for proxy in dict.fromkeys((configured("http", environment), configured("https", environment))):
        if proxy is not None and (wrong := proxy.fault()) is not None:
            yield OutboundFault(proxy.variable, *wrong)
    if path := environment.get(KEY_LOG_VARIABLE):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).keylog_filename = path
        except OSError as error:
            yield OutboundFault(
                KEY_LOG_VARIABLE, f"{path!r} cannot be written ({error.strerror})", "correct the path or unset it"
            )
    # httpx2's order: with the first, it does not look at the second.
    for variable, flaw in (("SSL_CERT_FILE", _flaw_of_file), ("SSL_CERT_DIR", _flaw_of_folders)):
        if path := environment.get(variable):
            if (wrong_with := flaw(path)) is not None:
                yield OutboundFault(variable, f"{path!r} {wrong_with}", "correct the path or unset it")
            return


def _flaw_of_file(path: str) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return "holds no certificates"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    # It may hold revocations alone.
    return None if context.cert_store_stats()["x509"] else "holds no certificates"


def _flaw_of_folders(paths: str) -> str | None:
    unread: OSError | None = None
    for path in filter(None, paths.split(os.pathsep)):
        try:
            if any(map(_HASHED.fullmatch, os.listdir(path))):
                return None
        except OSError as error:
            unread = error
    return f"cannot be read ({unread.strerror})" if unread else "holds no certificates by their hashes (openssl rehash)"
