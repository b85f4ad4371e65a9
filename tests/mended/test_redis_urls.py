"""The address of a Redis is understood, or refused in one line without anything of its password."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.mended.once import program

SECRET = "S3cretPart"
PLACE = "127.0.0.1:1/0"
FINE = {"MIDSTREAM_REDIS_URL": f"redis://{PLACE}"}


@pytest.mark.mended("redis-18")
def test_a_password_that_is_not_encoded_is_named_and_not_shown(tmp_path: Path) -> None:
    urls = (
        f"redis://:{SECRET}#rest@{PLACE}",
        f"redis://:{SECRET}/rest@{PLACE}",
        f"redis://user:12?{SECRET}@{PLACE}",
        f"redis://:ab[{SECRET}@{PLACE}",
        f"redis://:ab%{SECRET}@{PLACE}",
        f"redis://:ab {SECRET}@{PLACE}",
        f"unix://u:{SECRET}/x@/run/redis.sock",
    )
    starts = [("doctor", url) for url in urls] + [("worker", urls[0])]
    for said in refused(tmp_path, "MIDSTREAM_REDIS_URL", starts):
        assert "percent-encode" in said
        assert SECRET not in said


@pytest.mark.mended("redis-18")
def test_an_address_that_would_mean_something_else_is_refused(tmp_path: Path) -> None:
    urls = (
        "redis://127.0.0.1:1/staging",
        "redis://127.0.0.1:99999/0",
        "redis://127.0.0.1:1/0?foo=bar",
        "redis://127.0.0.1:1/0?socket_timeout=0",
        "redis://127.0.0.1:1/1?db=2",
        "redis://:6379/0",
        "rediss://127.0.0.1:1/0?ssl_ca_certs=/no/such/file",
        "unix://run/redis.sock",
    )
    refused(tmp_path, "MIDSTREAM_QUEUE_URL", [("api", url) for url in urls])


def refused(folder: Path, variable: str, starts: list[tuple[str, str]]) -> list[str]:
    """What each of these programs says to its address, in one line; they start at once, as that takes most of it."""
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(program(folder, name, env=FINE | {variable: url})) for name, url in starts]
        for one, (name, url) in zip(started, starts, strict=True):
            assert one.status(30) == 2, (name, url, one.output())
            assert len(one.output().splitlines()) == 1, one.output()
            assert variable in one.output()
        return [one.output() for one in started]
