"""Redis URLs that are told apart before anything connects, and what is said to those that are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from redis.asyncio.connection import BlockingConnectionPool, SSLConnection, UnixDomainSocketConnection

from shared.config.redis_url import _OPTIONS, _TCP_OPTIONS, _TLS_OPTIONS, flaw_of_url
from shared.config.sentinel_address import sentinel_address

SECRET = "S3cretPart"
PLAIN = "host.test:6379/1"


@pytest.mark.parametrize(
    "url",
    [
        "", "redis", "redis:/a", "http://a", "REDIS://a", "valkey://a", "redis://a:0", "redis://a:99999", "redis://a:b",
        "redis://a:-1", "redis://a:+1", "redis://a:6_379", "redis://:6379", "redis://:p@", "redis://:p@:6379/0",
        "redis://a/x", "redis://a/staging", "redis://a/-1", "redis://a/1/2", "redis://a//1", "redis://a/9999999999",
        "redis://a/\u0661",
        "redis://::1:6379/0", "redis://::1", "redis://[::1", "redis://::1]", "redis://[::1]x:1", "redis://[nohost]:1", "redis://a,b:1",
        "redis://a b", "redis://a\n", " redis://a", "redis://a:1/0 ", "redis://a%zz", "redis://:%ff@a",
        "unix://", "unix:///", "unix://run/redis.sock", "unix:///run/a#b.sock", "unix://u:p/w@/run/r.sock",
        "redis+sentinel://a", "redis+sentinel://a/", "redis+sentinel://", "redis+sentinel://a,/m", "redis+sentinel://a:0/m",
        "redis+sentinel://a b/m", "redis+sentinel://:p#x@a/m", "redis+sentinel://:p?x@a/m", "redis+sentinel://:p/x@a/m",
        "redis+sentinel://a.../m", "redis+sentinel://a/m?nonsense=1", "redis+sentinel://a/m?sentinel_nonsense=1",
        "redis+sentinel://a/m?ssl_cert_reqs=none", "redis+sentinel://a/m/1?db=2", "redis+sentinel://a/m/x",
        "redis+sentinel://[::1/m", "rediss+sentinel://a/m#x", "unix+sentinel://a/m", "redis://a?sentinel_password=x",
    ],
)  # fmt: skip
def test_addresses_that_are_not_of_redis(url: str) -> None:
    assert flaw_of_url(url)


@pytest.mark.parametrize("before", ["", "12", "ab", "ab:", "@"])
@pytest.mark.parametrize("character", [*"#/?[]% ", "\t", "?db=", "?db=1&x=", "/0?", "#?/"])
@pytest.mark.parametrize("user", ["", "user"])
def test_a_password_that_must_be_encoded_is_refused_and_never_shown(before: str, character: str, user: str) -> None:
    password = f"{before}{character}{SECRET}"
    flaw = flaw_of_url(f"redis://{user}:{password}@{PLAIN}")
    assert flaw is not None
    assert "percent-encode" in flaw
    assert SECRET not in flaw
    assert flaw_of_url(f"redis://{user}:{quote(password, safe='')}@{PLAIN}") is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://", "redis:///1", "redis://a", "redis://a:1/0", "redis://a/", "redis://u:p%40x@a.test:1/15", "redis://:p@[::1]:1",
        "redis://a:", "redis://u:p@w@a:1", "redis://:a:b@a", "redis://:p!$&'()*+,;=~@a", "redis://[fe80::1%25eth0]:1/0",
        "rediss://a?ssl_cert_reqs=none", "unix:///run/r.sock", "unix:///run/a%20b.sock?db=0", "unix://u:p@/run/r.sock?db=1",
        "redis://a?db=2", "redis://a/2?db=2", "redis://a?socket_timeout=0.5&socket_connect_timeout=3&client_name=m-1",
        "redis://a?socket_keepalive=yes&health_check_interval=0&max_connections=10&retry_on_timeout=true&timeout=9",
        "redis://a?username=u&password=p",
    ],
)  # fmt: skip
def test_addresses_of_redis(url: str) -> None:
    assert flaw_of_url(url) is None
    pool: Any = BlockingConnectionPool.from_url(url)
    assert pool.make_connection()


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a/m", "redis+sentinel://a/m/", "redis+sentinel://a,b/m?db=2", "rediss+sentinel://a/m?ssl_cert_reqs=none",
        "redis+sentinel://u:p%40x@a:1,[::1]:2,c.test/m/3?sentinel_username=x&sentinel_password=y",
    ],
)  # fmt: skip
def test_addresses_of_sentinels(url: str) -> None:
    assert flaw_of_url(url) is None
    assert sentinel_address(url)


@pytest.mark.parametrize(
    "option",
    [
        "foo=bar", "nonsense", "=", "&", "db", "db=", "db=abc", "db=-1", "db=1&db=2", "db=3", "socket_timeout=abc",
        "socket_timeout=0", "socket_timeout=-1", "socket_timeout=nan", "socket_timeout=inf", "socket_connect_timeout=",
        "socket_keepalive=banana", "max_connections=0", "max_connections=1.5", "health_check_interval=x",
        "timeout=never",
        # These change what a reply is, or are objects of Python.
        "decode_responses=1", "encoding=x", "protocol=3", "protocol=x", "retry=1", "retry_on_error=x", "parser_class=x",
        "connection_class=x", "redis_connect_func=x", "credential_provider=x", "path=/x", "host=b", "port=1",
        "ssl_cert_reqs=none", "ssl_ca_certs=/etc/hostname",
    ],
)  # fmt: skip
def test_options_that_are_unknown_or_of_the_wrong_kind(option: str) -> None:
    flaw = flaw_of_url(f"redis://:{SECRET}@host/1?{option}")
    assert flaw is not None
    assert SECRET not in flaw


@pytest.mark.parametrize(
    "option",
    [
        "ssl_cert_reqs=never", "ssl_check_hostname=banana", "ssl_ca_certs=/no/such/file", "ssl_ca_certs={file}",
        "ssl_ca_data=x", "ssl_certfile={file}", "ssl_keyfile={file}", "ssl_certfile={file}&ssl_keyfile={file}",
        "ssl_ciphers=NONE-SUCH", "ssl_cert_reqs=none&ssl_check_hostname=true", "ssl_min_version=TLSv1_3",
    ],
)  # fmt: skip
def test_options_of_tls_that_openssl_would_refuse_at_each_connection(option: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no certificate")
    assert flaw_of_url(f"rediss://host/1?{option.format(file=tmp_path / 'file')}")


def test_options_of_tls_without_it_say_what_they_need() -> None:
    assert "rediss://" in str(flaw_of_url("redis://host/1?ssl_cert_reqs=none"))


def test_redis_py_takes_every_option_that_is_known_here() -> None:
    for kind, options in (
        (SSLConnection, _OPTIONS | _TCP_OPTIONS | _TLS_OPTIONS),
        (UnixDomainSocketConnection, _OPTIONS),
    ):
        for name in options.keys() - {"timeout", "max_connections"}:
            value = "none" if name == "ssl_cert_reqs" else "1"
            options_of_one: Any = {name: value}
            assert kind(**options_of_one)
