"""Addresses by Sentinels: who they are, and how they and the primary are spoken to."""

from __future__ import annotations

import pytest

from shared.config.sentinel_address import sentinel_address


@pytest.mark.parametrize(
    ("url", "nodes", "service", "tls", "redis", "own"),
    [
        ("redis+sentinel://a/m", [("a", 26379)], "m", False, {}, {}),
        ("redis+sentinel://a:1,b.test:2,[::1]:3/m/4", [("a", 1), ("b.test", 2), ("::1", 3)], "m", False, {"db": 4}, {}),
        ("redis+sentinel://u:p%40%2F@a:1/my%20m", [("a", 1)], "my m", False, {"username": "u", "password": "p@/"}, {}),
        ("redis+sentinel://:p@a/m/0", [("a", 26379)], "m", False, {"password": "p", "db": 0}, {}),
        (
            "redis+sentinel://a/m?sentinel_username=s&sentinel_password=t%26&socket_timeout=3",
            [("a", 26379)], "m", False, {"socket_timeout": 3.0}, {"username": "s", "password": "t&"},
        ),
        (
            "rediss+sentinel://a/m?ssl_ca_certs=/ca.pem", [("a", 26379)], "m", True,
            {"ssl_ca_certs": "/ca.pem"}, {"ssl": True, "ssl_ca_certs": "/ca.pem"},
        ),
    ],
)  # fmt: skip
def test_addresses(
    url: str, nodes: list[tuple[str, int]], service: str, tls: bool, redis: dict[str, object], own: dict[str, object]
) -> None:
    address = sentinel_address(url)
    assert address is not None
    assert (list(address.nodes), address.service, address.tls) == (nodes, service, tls)
    assert (dict(address.redis), dict(address.sentinel)) == (redis, own)


@pytest.mark.parametrize("url", ["redis://a/0", "rediss://a", "unix:///a", "redis://a,b/0"])
def test_other_addresses(url: str) -> None:
    assert sentinel_address(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a", "redis+sentinel://a/", "redis+sentinel:///m", "redis+sentinel://a,/m", "redis+sentinel://a:x/m",
        "redis+sentinel://a:0/m", "redis+sentinel://a:99999/m", "redis+sentinel://a/m/x", "redis+sentinel://a/m/0/1",
        "redis+sentinel://:s3cret/x@a/m", "redis+sentinel://:s3cret?x@a/m", "redis+sentinel://[::1/m",
        "redis+sentinel://a/m?socket_timeout=s3cret", "redis+sentinel://a/m?db=s3cret",
    ],
)  # fmt: skip
def test_malformed_addresses(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|has) ") as caught:
        sentinel_address(url)
    assert "s3cret" not in str(caught.value)
