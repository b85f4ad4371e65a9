"""The address of a Redis is understood, or refused in one line without anything of its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mended.once import ended

SECRET = "S3cretPart"
PLACE = "127.0.0.1:1/0"


@pytest.mark.mended("redis-18")
@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}#rest@{PLACE}",
        f"redis://:{SECRET}/rest@{PLACE}",
        f"redis://user:12?{SECRET}@{PLACE}",
        f"redis://:ab[{SECRET}@{PLACE}",
        f"redis://:ab%{SECRET}@{PLACE}",
        f"redis://:ab {SECRET}@{PLACE}",
        f"unix://u:{SECRET}/x@/run/redis.sock",
    ],
)
def test_a_password_that_is_not_encoded_is_named_and_not_shown(tmp_path: Path, url: str) -> None:
    env = {"MIDSTREAM_REDIS_URL": url}
    for program in ("doctor", "worker"):
        status, said = ended(tmp_path, program, env=env)
        assert status == 2, said
        assert len(said.splitlines()) == 1
        assert "MIDSTREAM_REDIS_URL" in said
        assert "percent-encode" in said
        assert SECRET not in said


@pytest.mark.mended("redis-18")
@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1/staging",
        "redis://127.0.0.1:99999/0",
        "redis://127.0.0.1:1/0?foo=bar",
        "redis://127.0.0.1:1/0?decode_responses=1",
        "redis://127.0.0.1:1/0?socket_timeout=0",
        "redis://127.0.0.1:1/0?db=3&db=4",
        "redis://127.0.0.1:1/1?db=2",
        "redis://::1:6379/0",
        "redis://:6379/0",
        "rediss://127.0.0.1:1/0?ssl_ca_certs=/no/such/file",
        "unix://run/redis.sock",
        "valkey://127.0.0.1:1/0",
    ],
)
def test_an_address_that_would_mean_something_else_is_refused(tmp_path: Path, url: str) -> None:
    env = {"MIDSTREAM_REDIS_URL": "redis://127.0.0.1:1/0", "MIDSTREAM_QUEUE_URL": url}
    status, said = ended(tmp_path, "api", env=env)
    assert status == 2, said
    assert len(said.splitlines()) == 1
    assert "MIDSTREAM_QUEUE_URL" in said
