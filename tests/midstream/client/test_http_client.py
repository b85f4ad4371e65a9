"""What the API's answers mean to a client command."""

from __future__ import annotations

import gc
import socket
import threading

import pytest

from midstream.client.http_client import HttpClient
from midstream.errors import ClientError, DeniedError, NotFoundError, RefusedError, UnreachableError
from midstream_client import RetryBudget
from tests.midstream.scripted_api import Answer, ScriptedApi


def hasty() -> RetryBudget:
    return RetryBudget(total=0.0, first=0.0, backoff=0.0)


@pytest.mark.parametrize(
    ("status", "error", "exit_code"),
    [
        (400, RefusedError, 2),
        (401, DeniedError, 4),
        (403, DeniedError, 4),
        (404, NotFoundError, 3),
        (409, ClientError, 1),
        (410, NotFoundError, 3),
        (413, RefusedError, 2),
        (422, RefusedError, 2),
        (429, ClientError, 1),
        (500, ClientError, 1),
        (502, UnreachableError, 5),
        (503, UnreachableError, 5),
    ],
)
def test_errors_by_status(scripted_api: ScriptedApi, status: int, error: type[ClientError], exit_code: int) -> None:
    problem = {"title": "No", "detail": "said why", "errors": [{"pointer": "/model", "message": "unknown"}]}
    scripted_api.answers.append(Answer(status, problem, content_type="application/problem+json"))
    with HttpClient(scripted_api.url, budget=hasty) as client, pytest.raises(error) as raised:
        client.snapshot("gen_x")
    assert type(raised.value) is error
    assert raised.value.exit_code == exit_code
    assert "No: /model unknown" in str(raised.value)


def test_a_problem_cannot_write_to_the_terminal(scripted_api: ScriptedApi) -> None:
    scripted_api.answers.append(Answer(422, {"detail": "a\x1b]0;owned\x07\nb"}))
    with HttpClient(scripted_api.url) as client, pytest.raises(RefusedError) as raised:
        client.snapshot("gen_x")
    assert str(raised.value).isprintable()


def test_retry_after_is_read(scripted_api: ScriptedApi) -> None:
    scripted_api.answers.append(Answer(503, headers={"Retry-After": "7"}))
    with HttpClient(scripted_api.url, budget=hasty) as client, pytest.raises(UnreachableError) as raised:
        client.snapshot("gen_x")
    assert raised.value.retry_after == 7


def test_a_passing_failure_is_tried_again(scripted_api: ScriptedApi) -> None:
    scripted_api.answers.extend([Answer(503), Answer(200, {"state": "running"})])
    with HttpClient(scripted_api.url, budget=lambda: RetryBudget(backoff=0.001)) as client:
        assert client.snapshot("gen_x") == {"state": "running"}


def test_key_is_sent_and_checked(scripted_api: ScriptedApi) -> None:
    scripted_api.answers.append(Answer(200, {"data": []}))
    with HttpClient(scripted_api.url, "sk-local") as client:
        client.models()
    assert scripted_api.received[0].headers["authorization"] == "Bearer sk-local"
    with pytest.raises(RefusedError, match="--key"):
        HttpClient(scripted_api.url, "two\nlines")
    with pytest.raises(RefusedError, match="MIDSTREAM_KEY: begins or ends with a space"):
        HttpClient(scripted_api.url, "a ")


@pytest.mark.parametrize("answer", [Answer(200, "<html>"), Answer(200, "[]")])
def test_something_else_answers(scripted_api: ScriptedApi, answer: Answer) -> None:
    scripted_api.answers.append(answer)
    with HttpClient(scripted_api.url) as client, pytest.raises(UnreachableError, match="not a Midstream API"):
        client.models()


@pytest.mark.parametrize("generation_id", ["", "..", "a/b", "a?b", "a\nb", "ä", "x" * 129])
def test_what_is_no_id_never_reaches_a_path(scripted_api: ScriptedApi, generation_id: str) -> None:
    with HttpClient(scripted_api.url) as client, pytest.raises(NotFoundError):
        client.cancel(generation_id)
    assert scripted_api.received == []


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
    ],
)
def test_bad_address(url: str) -> None:
    with pytest.raises(RefusedError, match="--url"):
        HttpClient(url)


def test_no_proxy_for_this_machine(scripted_api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    scripted_api.answers.append(Answer(200, {"data": []}))
    with HttpClient(scripted_api.url, budget=hasty) as client:
        assert client.models() == []


@pytest.mark.parametrize(
    ("url", "variable", "value"),
    [
        ("https://api.test", "SSL_CERT_FILE", "/nonexistent/ca.pem"),
        ("https://localhost:1", "SSL_CERT_FILE", "/nonexistent/ca.pem"),
        ("https://api.test", "HTTPS_PROXY", "http://user:secret@proxy.test:99999"),
        ("http://api.test", "all_proxy", "socks4://user:secret@proxy.test:1"),
    ],
)
def test_what_cannot_be_used_on_the_way_is_named(
    url: str, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(RefusedError, match=f"^{variable}: ") as raised:
        HttpClient(url)
    assert "secret" not in str(raised.value)
    HttpClient("http://127.0.0.1:8000")


def test_a_proxy_is_for_other_machines(scripted_api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", scripted_api.url)
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/ca.pem")  # there is no TLS
    scripted_api.answers.append(Answer(200, {"data": []}))
    with HttpClient("http://api.test", budget=hasty) as client:
        assert client.models() == []
    assert scripted_api.received[0].path == "http://api.test/v1/models"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_what_is_no_socks_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{server.getsockname()[1]}")

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        with (
            HttpClient("http://api.test", budget=hasty) as client,
            pytest.raises(UnreachableError, match="no SOCKS proxy"),
        ):
            client.models()
        thread.join()
    gc.collect()
