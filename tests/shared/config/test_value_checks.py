"""Values that a socket, a header or Redis would refuse later, and neighbours that they would not."""

from __future__ import annotations

import pytest

from shared.config import value_checks


@pytest.mark.parametrize(
    "url",
    [
        "", " ", "api.example.com", "api.example.com/v1", "localhost:8000/v1", "//a.test", "ftp://a.test", "file:///v1",
        "http:/a.test", "http:a.test", "https://", "http:///v1", "http://:80", "http://a.test:0", "http://a.test:99999",
        "http://a.test:x", "http://[::1", "http://a b", "http://a.test/v 1", " http://a.test", "http://a.test\n",
        "http://é.test", "http://a.test/é", "http://a..test", "http://.test", f"http://{'a' * 64}.test", "http://<host>",
        "http://a.test?x", "http://a.test?x=1&", "http://a.test?x=1?y=2",
        "http://a.test/v1?", "http://a.test#x", "http://a.test/v1#", "http://u@a.test",
        "http://u:p@a.test", "https://https://a.test", "http://a.test/http://b.test", "http://a.test/{x}",
        "http://$HOST", "http://a.test\\v1", "tcp://10.0.0.1:80",
    ],
)  # fmt: skip
def test_base_urls_that_cannot_be_asked(url: str) -> None:
    assert value_checks.of_base_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://a", "https://a.test", "https://a.test/", "https://a.test:8443/v1/x", "HTTPS://A.TEST", "http://[::1]:80/v1",
        "http://127.0.0.1:11434/v1", "http://my_host:1", "http://a.test./v1", "https://a.test/v1/accounts/@me/%20x",
        "https://a.test/v1?api-version=2024-10-21", "http://a?x=1&y=", "http://a/?k=YQ==",
    ],
)  # fmt: skip
def test_base_urls_that_can(url: str) -> None:
    assert value_checks.of_base_url(url) is None


def test_an_address_of_ones_own_has_no_parameters() -> None:
    assert value_checks.of_plain_url("http://a.test/v1") is None
    assert value_checks.of_plain_url("http://a.test/v1?x=1")
    assert value_checks.of_plain_url("a.test")


@pytest.mark.parametrize("key", ["k\n", "\tk", "k\r\nX: y", "k\0", "ké", "k ", " ", "k\x7f", "\udce9", "k\u2028"])
def test_keys_that_no_header_carries(key: str) -> None:
    assert value_checks.of_key(key)


@pytest.mark.parametrize("key", ["", "k", "sk-proj_A.b~c+d/e=", "a b", "\"'<>[]{}"])
def test_keys_that_a_header_carries(key: str) -> None:
    assert value_checks.of_key(key) is None


@pytest.mark.parametrize("host", ["", " ", "a b", "a:80", "http://a", "[::1]", "é", "a" * 254, "0.0.0.0\n", "a.."])
def test_hosts_that_are_none(host: str) -> None:
    assert value_checks.of_host(host)


def test_a_host_with_a_label_that_no_name_can_have_is_none() -> None:
    assert value_checks.of_host("a" * 64 + ".test")
    assert value_checks.of_host("a" * 63 + ".test.") is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0", "::", "::1", "fe80::1%eth0", "node-1.test"])
def test_hosts(host: str) -> None:
    assert value_checks.of_host(host) is None


@pytest.mark.parametrize(
    "version", ["", "2023", "2023-6-1", "20230601", "2023-06-31", "\u0662023-06-01", "2023-06-01\n"]
)
def test_versions_that_are_no_day(version: str) -> None:
    assert value_checks.of_version(version)


def test_a_version_is_a_day() -> None:
    assert value_checks.of_version("2023-06-01") is None
