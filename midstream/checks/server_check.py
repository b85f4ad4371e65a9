"""`midstream doctor --url`: a server that runs, asked from outside as its callers do."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2

from midstream.address import start_hint
from midstream.checks import queue_check, redis_setup
from midstream.checks.finding import Finding
from midstream.checks.queue_check import Watch
from midstream.client.http_client import address, body_of, http_client
from midstream.errors import ClientError, DeniedError, NotFoundError
from midstream.terminal import one_line
from shared.counted import counted

SERVER_TIMEOUT_S = 5.0
MAX_READ_BYTES = 1_000_000
"""Most bytes of an answer that are read."""


class HttpAnswer(NamedTuple):
    """A status, and the JSON object that came with it; an empty one where none did."""

    status: int
    document: dict[str, Any]

    @property
    def said(self) -> str:
        """Returns what an error says of itself (RFC 9457)."""
        words = [str(self.document[part]) for part in ("title", "detail") if self.document.get(part)]
        return one_line(": ".join(words))[:500].rstrip(".") or f"answers {self.status}"


def examine(url: str, key: str | None, watch: Watch) -> Iterator[Finding]:
    """Yields all findings, in the order in which to repair them; `watch` reads the status there.

    Raises RefusedError for a wrong URL or key.
    """
    url = address(url)
    with http_client(url, key, httpx2.Timeout(SERVER_TIMEOUT_S)) as http:
        try:
            alive = _get(http, f"{url}/livez")
        except httpx2.HTTPError as error:
            said = one_line(str(error)) or type(error).__name__
            yield Finding("fail", f"server {url}", f"no answer ({said})", f"{start_hint(url)}correct --url")
            return
        except httpx2.InvalidURL as error:
            yield Finding("fail", f"server {url}", one_line(str(error)), "correct --url")
            return
        if alive.status == 503:
            yield Finding("warn", f"server {url}", alive.said, "it is about to end; ask another one")
        elif alive.status != 200 or alive.document.get("status") != "ok":
            state = f"answers {alive.status}, and not as Midstream does"
            yield Finding("fail", f"server {url}", state, "correct --url, or the proxy in front of it")
            return
        else:
            yield Finding("ok", f"server {url}", "answers")
        for look in (_ready, _models):
            try:
                yield from look(url, http, watch)
            except httpx2.HTTPError as error:
                said = one_line(str(error)) or type(error).__name__
                yield Finding("fail", f"server {url}", f"no more answer ({said})", "look at its log")


def _ready(url: str, http: httpx2.Client, watch: Watch) -> Iterator[Finding]:
    ready = _get(http, f"{url}/readyz")
    if ready.status != 200:
        yield Finding("fail", "its Redis", ready.said, "run `midstream doctor` where it runs, and look at its log")
        return
    yield Finding("ok", "its Redis", "answers")
    try:
        status = watch.settled()
    except (DeniedError, NotFoundError) as error:
        # A usual key, which is told of below where it is wrong, or a server of before there was a status.
        yield from _workers(ready)
        said = "no such page" if isinstance(error, NotFoundError) else "only told to a key with the scope admin"
        yield Finding("ok", "its queue", said)
    except ClientError as error:
        yield Finding("fail", "its queue", str(error), "look at its log")
    else:
        yield from queue_check.findings(status, "midstream worker")
        for facts in status.redis:
            subject = f"Redis of {' and '.join(facts.serves)}"
            yield from redis_setup.examine(subject, facts)
            yield from redis_setup.connections(subject, facts)


def _workers(ready: HttpAnswer) -> Iterator[Finding]:
    count = ready.document.get("workers")
    if isinstance(count, int) and count:
        yield Finding("ok", "its workers", f"{count} alive")
    elif isinstance(count, int):
        yield Finding("fail", "its workers", "none is alive", "start one; until then what is accepted waits")


def _models(url: str, http: httpx2.Client, watch: Watch) -> Iterator[Finding]:
    listed = _get(http, f"{url}/v1/models")
    if listed.status == 403 and watch.last is not None:
        yield Finding("ok", "its models", "only told to a key with the scope read")
        return
    if listed.status in (401, 403):
        yield Finding("fail", "its key", listed.said, "give one of its keys with MIDSTREAM_KEY or --key")
        return
    models = listed.document.get("data")
    if listed.status != 200 or not isinstance(models, list):
        yield Finding("fail", "its models", listed.said, "look at its log")
        return
    default = next((str(m.get("id")) for m in models if isinstance(m, dict) and m.get("default")), None)
    state = counted(len(models), "model", "models") + (f", {one_line(default)} by default" if default else "")
    if listed.document.get("simulated"):
        advice = "set a provider's key where it runs, or default_model, for real answers"
        yield Finding("warn", "its models", f"{state}, which the simulator answers", advice)
    else:
        yield Finding("ok", "its models", state)


def _get(http: httpx2.Client, url: str) -> HttpAnswer:
    with http.stream("GET", url) as response:
        try:
            document = json.loads(body_of(response, MAX_READ_BYTES))
        except (ValueError, RecursionError):  # no JSON, or nested as no answer of ours is
            document = None
    return HttpAnswer(response.status_code, document if isinstance(document, dict) else {})
