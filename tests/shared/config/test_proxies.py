"""Which proxy an address is asked through, by variables as shells have them."""

from __future__ import annotations

import sys

import pytest

from shared.config import proxies
from shared.config.proxies import SYSTEM_SETTINGS, Proxy, proxy_for

FAR = "https://api.openai.com/v1"
ONE, TWO = "http://one.test:1", "http://two.test:2"


@pytest.mark.parametrize(
    ("environment", "address", "expected"),
    [
        ({}, FAR, None),
        ({"HTTPS_PROXY": ONE}, FAR, ("HTTPS_PROXY", ONE)),
        ({"https_proxy": ONE}, FAR, ("https_proxy", ONE)),
        ({"ALL_PROXY": ONE}, FAR, ("ALL_PROXY", ONE)),
        ({"all_proxy": ONE}, "http://a.test", ("all_proxy", ONE)),
        ({"HTTP_PROXY": ONE}, FAR, None),
        ({"HTTP_PROXY": ONE}, "http://a.test", ("HTTP_PROXY", ONE)),
        ({"ALL_PROXY": ONE, "HTTPS_PROXY": TWO}, FAR, ("HTTPS_PROXY", TWO)),
        ({"HTTPS_PROXY": ONE, "https_proxy": TWO}, FAR, ("https_proxy", TWO)),
        ({"HTTPS_PROXY": ONE, "https_proxy": ""}, FAR, None),
        ({"HTTPS_PROXY": "", "ALL_PROXY": ONE}, FAR, ("ALL_PROXY", ONE)),
        ({"HTTPS_PROXY": "one.test:1"}, FAR, ("HTTPS_PROXY", ONE)),
        ({"ALL_PROXY": "socks://one.test:1"}, FAR, ("ALL_PROXY", "socks5://one.test:1")),
        ({"ALL_PROXY": "SOCKS5H://one.test:1"}, FAR, ("ALL_PROXY", "SOCKS5H://one.test:1")),
        ({"HTTP_PROXY": ONE, "REQUEST_METHOD": "GET"}, "http://a.test", None),
        ({"http_proxy": ONE, "REQUEST_METHOD": "GET"}, "http://a.test", ("http_proxy", ONE)),
        ({"ALL_PROXY": ONE}, "unix:///socket", None),
        ({"ALL_PROXY": ONE}, "http://[::1", None),
    ],
)
def test_by_variable(environment: dict[str, str], address: str, expected: tuple[str, str] | None) -> None:
    proxy = proxy_for(address, environment)
    assert (proxy and (proxy.variable, proxy.url)) == expected


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "localhost", "LocalHost", "a.localhost", "[::1]", "0.0.0.0"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_loopback_never(scheme: str, host: str) -> None:
    environment = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), ONE)
    assert proxy_for(f"{scheme}://{host}:8080/v1", environment) is None
    assert proxy_for(f"{scheme}://a.test:8080/v1", environment)


@pytest.mark.parametrize(
    ("excepted", "address"),
    [
        ("*", FAR),
        ("a.test, api.openai.com", FAR),
        ("API.OpenAI.com", FAR),
        ("openai.com", FAR),
        (".openai.com", FAR),
        ("*.openai.com", FAR),
        ("https://api.openai.com", FAR),
        ("api.openai.com:443", FAR),
        ("a.test:8443", "https://a.test:8443"),
        ("a.test:80", "http://a.test"),
        ("10.1.2.3", "http://10.1.2.3:9"),
        ("10.1.2.3:9", "http://10.1.2.3:9"),
        ("10.0.0.0/8", "http://10.1.2.3:9"),
        ("2001:db8::1", "http://[2001:db8::1]:9"),
        ("[2001:db8::1]:9", "http://[2001:db8::1]:9"),
        ("2001:db8::/32", "http://[2001:db8::1]:9"),
    ],
)
def test_no_proxy(excepted: str, address: str) -> None:
    assert proxy_for(address, {"ALL_PROXY": ONE, "NO_PROXY": excepted}) is None
    assert proxy_for(address, {"ALL_PROXY": ONE, "no_proxy": excepted, "NO_PROXY": ""}) is None
    assert proxy_for(address, {"ALL_PROXY": ONE, "NO_PROXY": excepted, "no_proxy": ""})


@pytest.mark.parametrize(
    "excepted",
    [
        "",
        ",",
        "openai.co",
        "pi.openai.com",
        "a.api.openai.com",
        "api.openai.com:80",
        "10.0.0.0/8",
        "999.0.0.0/8",
        ":443",
    ],
)
def test_no_proxy_for_others(excepted: str) -> None:
    assert proxy_for(FAR, {"ALL_PROXY": ONE, "NO_PROXY": excepted})


def test_the_systems_settings_where_no_variable_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, by what the standard library reads there."""
    monkeypatch.setattr(proxies, "getproxies", lambda: {"https": ONE})
    monkeypatch.setattr(proxies, "proxy_bypass", lambda host: host == "inside.test")
    proxy = proxy_for(FAR)
    assert proxy is not None
    assert (proxy.variable, proxy.url) == (SYSTEM_SETTINGS, ONE)
    assert proxy_for("https://inside.test") is None
    assert proxy_for("http://a.test") is None
    monkeypatch.setenv("HTTP_PROXY", TWO)
    assert proxy_for(FAR) is None


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("http://one.test:1", None),
        ("https://one.test", None),
        ("socks5://one.test:1080", None),
        ("SOCKS5H://one.test:1080", None),
        ("http://[::1]:8080", None),
        ("socks4://one.test:1", "a socks4:// proxy"),
        ("ftp://one.test", "a ftp:// proxy"),
        ("http://", "not an address"),
        ("http://:3128", "not an address"),
        ("http:/one.test:1", "not an address"),
        ("http://one.test/path", "not an address"),
        ("http://one.test:99999", "not an address"),
        ("http://one.test:0", "not an address"),
        ("http://one.test:x", "not an address"),
        ("http://[::1", "not an address"),
        ("http://one test:1", "not an address"),
        ("http://one.test:1\nx", "not an address"),
    ],
)
def test_what_cannot_be_used(url: str, state: str | None) -> None:
    fault = Proxy("ALL_PROXY", url).fault()
    assert (fault is None) if state is None else (fault is not None and fault[0].startswith(state))


def test_socks_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    fault = Proxy("ALL_PROXY", "socks5://one.test:1").fault()
    assert fault is not None
    assert "midstream[socks]" in fault[1]
    assert Proxy("ALL_PROXY", "http://one.test:1").fault() is None


def test_credentials_are_not_shown() -> None:
    proxy = proxy_for(FAR, {"ALL_PROXY": "http://user:secret@one.test:1"})
    assert proxy is not None
    assert "secret" not in f"{proxy} {proxy!r}"
