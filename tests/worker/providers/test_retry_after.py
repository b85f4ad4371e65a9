"""How long a provider asks to wait, in headers and in the error."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest

from worker.providers.error_layers import layers_of
from worker.providers.retry_after import retry_after, retry_after_in


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "later"}, None),
        ({"retry-after": formatdate(0, usegmt=True)}, 0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_as_a_date() -> None:
    seconds = retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert seconds is not None
    assert 50 < seconds <= 60


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit reached. Please try again in 1.2s. Visit https://example.com", 1.2),
        ("Please try again in 20ms.", 0.02),
        ("Please try again in 6m0s.", 360),
        ("Please try again in 7m12.48s.", 432.48),
        ("Please try again in 1h2m3s.", 3723),
        ("Please try again in 2h.", 7200),
        ("Please retry after 6 seconds.", 6),
        ("Please retry after 1 second.", 1),
        ("please try again in 2 minutes", 120),
        ("Please retry in 34.074824224s.", 34.074824224),
        ("Try again after 1 hour 30 minutes.", 5400),
        ("Please try again in 3 days.", None),
        ("Please try again in 5.", None),
        ("Please try again in 99999999999s.", None),
        ("Please try again later.", None),
        ("again in 5s", None),
        ("", None),
    ],
)
def test_in_words(text: str, seconds: float | None) -> None:
    assert retry_after_in(layers_of({"error": {"message": text}})) == (seconds and pytest.approx(seconds))


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        ({"retry_after": 3}, 3),
        ({"retry_after_seconds": 0.5}, 0.5),
        ({"retry_after": -1}, None),
        ({"retry_after": True}, None),
        ({"retry_after": "3"}, None),
        ({"retry_after": float("inf")}, None),
        ({"retry_after": float("nan")}, None),
        ({"details": [{"retryDelay": "34.07s"}], "message": "Please retry in 99s"}, 34.07),
        ({"message": "no", "metadata": {"raw": '{"error": {"message": "try again in 5s"}}'}}, 5),
    ],
)
def test_in_the_error(error: dict[str, Any], seconds: float | None) -> None:
    assert retry_after_in(layers_of({"error": error})) == seconds
