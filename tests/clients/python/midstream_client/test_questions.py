"""Addresses, keys, and what a connection's errors mean."""

from __future__ import annotations

import httpx2
import pytest

from midstream_client import NotFoundError, RefusedError, UnreachableError
from midstream_client.questions import Questions, checked_url

URL = "http://midstream.test"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://a",
        "http://",
        "http://a:99999",
        "http://a/?b",
        "http://u:p@a",
        "http://a\n",
        "http://a/?",
        "http://a/#",
        "http://a b",
        "http://@a",
    ],
)
def test_bad_address(url: str) -> None:
    with pytest.raises(RefusedError):
        checked_url(url)


def test_an_address_may_have_a_path() -> None:
    questions = Questions("https://a.test/midstream/", None)
    sent = questions.sent(questions.call("GET", "/v1/models", {"a": None, "b": "é&"}, None).request())
    assert sent["url"] == "https://a.test/midstream/v1/models?b=%C3%A9%26"
    assert sent["headers"]["accept"] == "application/json"
    assert "authorization" not in sent["headers"]


@pytest.mark.parametrize("key", ["two\nlines", " a", "ä", "a\t"])
def test_a_key_that_no_header_can_carry(key: str) -> None:
    with pytest.raises(RefusedError, match="key"):
        Questions(URL, key)


def test_a_body_is_json_as_it_was_given() -> None:
    questions = Questions(URL, "k")
    assert questions.creation({"a": "é"}).request().content == '{"a":"é"}'.encode()
    assert questions.creation(b"{}").request().content == b"{}"
    for wrong in (float("nan"), "\ud800", {1}):
        with pytest.raises((ValueError, TypeError)):
            questions.creation({"a": wrong})


def test_what_cannot_be_a_name() -> None:
    with pytest.raises(NotFoundError):
        Questions(URL, None).generation("a/b", None, None)
    with pytest.raises(NotFoundError):
        Questions(URL, None).conversation("", None)


def test_what_became_of_a_connection() -> None:
    questions = Questions(URL, None)
    refused = questions.lost(httpx2.ConnectError("Connection refused"))
    assert isinstance(refused, UnreachableError)
    assert refused.retryable
    assert str(refused) == f"cannot reach {URL} (Connection refused)"
    assert str(questions.lost(httpx2.ConnectTimeout(""))) == f"cannot reach {URL} (no answer)"
    assert str(questions.lost(httpx2.ReadTimeout(""))) == f"connection to {URL} lost (ReadTimeout)"
    assert isinstance(questions.lost(httpx2.InvalidURL("no")), RefusedError)
    with pytest.raises(ZeroDivisionError):
        questions.lost(ZeroDivisionError())


@pytest.mark.parametrize("text", ["ключ", "a\nb", "é", " a"])
def test_what_no_header_can_carry_is_refused_before_it_is_sent(text: str) -> None:
    questions = Questions(URL, None)
    with pytest.raises(RefusedError, match="key"):
        questions.creation({}, text)
    with pytest.raises(RefusedError, match="cursor"):
        questions.generation("gen_x", text, None)
    with pytest.raises(RefusedError, match="cursor"):
        questions.conversation("chat", text)
