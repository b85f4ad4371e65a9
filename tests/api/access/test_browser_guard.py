"""Pages of other sites are refused; programs, and the server's own page, are not."""

from __future__ import annotations

from typing import Any

import pytest

from api.access.browser_guard import BrowserGuard
from shared.config.settings import Settings, load
from shared.errors import SettingsError
from tests.api.harness import BODY, Api

JSON = {"Content-Type": "application/json"}


def settings(**fields: Any) -> Settings:
    return Settings(**fields)


async def asked(given: Settings, method: str, path: str, headers: dict[str, str]) -> int:
    """The status that the guard answers; 200 where the request passes."""
    statuses: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        statuses.append(200)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": fields}
    await BrowserGuard(app, settings=given)(scope, None, send)  # type: ignore[arg-type]
    [status] = statuses
    return status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("127.8.8.8", 200),
        ("localhost:8000", 200),
        ("LocalHost.:1", 200),
        ("app.localhost", 200),
        ("[::1]:8000", 200),
        ("[::1]", 200),
        ("[::ffff:127.0.0.1]:80", 200),
        ("rebound.example", 421),
        ("rebound.example:8000", 421),
        ("localhost.example", 421),
        ("127.0.0.1.example:8000", 421),
        ("192.168.1.5:8000", 421),
        ("[2001:db8::1]:8000", 421),
        ("0.0.0.0:8000", 421),
    ],
)
async def test_without_keys_the_host_is_of_this_machine(host: str, status: int) -> None:
    for method, path in (("GET", "/"), ("GET", "/v1/generations"), ("DELETE", "/v1/generations/x")):
        assert await asked(settings(), method, path, {"Host": host}) == status
    for path in ("/livez", "/readyz"):
        assert await asked(settings(), "GET", path, {"Host": host}) == 200
    assert await asked(settings(api_keys="me:0123456789abcdef"), "GET", "/", {"Host": host}) == 200


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        ("dev.example.org", "dev.example.org", 200),
        (" Dev.example.org. , b.test", "DEV.EXAMPLE.ORG:8443", 200),
        ("dev.example.org", "a.dev.example.org", 421),
        ("*.example.org", "a.b.example.org:1", 200),
        ("*.example.org", "example.org", 421),
        ("*.example.org", "evil-example.org", 421),
        ("[2001:db8::1]", "[2001:DB8::1]:8000", 200),
        ("192.168.1.5", "192.168.1.5:8000", 200),
        ("*", "anything.test", 200),
    ],
)
async def test_more_hosts_may_be_allowed(allowed: str, host: str, status: int) -> None:
    assert await asked(settings(allowed_hosts=allowed), "GET", "/", {"Host": host}) == status


@pytest.mark.parametrize("hosts", ["https://dev.example.org", "dev.example.org:8000", "a b", "a,,b", "*.", "a/b", "**"])
def test_what_is_no_host_is_refused_at_start(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSTREAM_ALLOWED_HOSTS", hosts)
    with pytest.raises(SettingsError, match=r"^MIDSTREAM_ALLOWED_HOSTS: must hold hosts"):
        load()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8000"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://proxied.example"}, 200),
        ({"Origin": "http://localhost:8000"}, 200),
        ({"Origin": "HTTP://LOCALHOST:8000"}, 200),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "http://localhost"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "https://evil.example", "Authorization": "Bearer x"}, 200),
        ({"Origin": "https://evil.example", "Authorization": "", "X-API-Key": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer x"}, 200),
        ({"Origin": "https://evil.example", "X-API-Key": "x"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "X-API-Key": "x"}, 200),
    ],
)
async def test_only_its_own_pages_change_anything_without_a_key(headers: dict[str, str], status: int) -> None:
    for given in (settings(), settings(api_keys="me:0123456789abcdef")):
        for method in ("POST", "DELETE", "PUT", "PATCH"):
            assert await asked(given, method, "/v1/generations", {"Host": "localhost:8000", **headers}) == status
        for method in ("GET", "HEAD", "OPTIONS"):
            assert await asked(given, method, "/v1/generations", {"Host": "localhost:8000", **headers}) == 200


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("chat.localhost", "https://chat.localhost", 200),
        ("chat.localhost:443", "https://chat.localhost", 200),
        ("chat.localhost", "http://chat.localhost:80", 200),
        ("chat.localhost", "https://chat.localhost:8443", 403),
        ("[::1]:8000", "http://[::1]:8000", 200),
        ("[::1]", "http://[::1]", 200),
        ("[::1]:8000", "http://[::1]", 403),
    ],
)
async def test_default_ports_are_the_same_as_none(host: str, origin: str, status: int) -> None:
    assert await asked(settings(), "POST", "/", {"Host": host, "Origin": origin}) == status


async def test_the_answers_say_what_to_do(api: Api) -> None:
    rebound = await api.client.get("/v1/generations", headers={"Host": "rebound.example"})
    assert (rebound.status_code, rebound.json()["code"]) == (421, "misdirected_request")
    assert "MIDSTREAM_ALLOWED_HOSTS" in rebound.json()["detail"]
    assert "rebound" not in rebound.text
    foreign = await api.client.post("/v1/generations", json=BODY, headers={"Origin": "https://evil.example"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "cross_site")
    assert (await api.client.get("/v1/generations")).json()["data"] == []
