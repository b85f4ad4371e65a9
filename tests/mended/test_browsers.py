"""What pages send, and what clients that run in them need of a stream."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.running import Answer, Running
from tests.mended.upstream import DONE, Script, Upstream, answer, chunk, counted

POST = {"model": "loc/m", "messages": [{"role": "user", "content": "hi"}]}
BODY = json.dumps(POST).encode()
LINES = "one\u2028two\u2029three\u0085four"
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def upstream(serve_shared: Serve) -> Upstream:
    slow = Script([1.5, chunk({"content": "x"}), chunk({}, "stop"), counted(5, 7), DONE])
    return serve_shared({"m": answer(LINES), "slow": slow})


@pytest.fixture(scope="module")
def up(start_shared: Start, upstream: Upstream) -> Running:
    return start_shared(toml=upstream.toml(), env={"MIDSTREAM_HEARTBEAT": "0.2"})


@pytest.fixture(scope="module")
def ended(up: Running) -> str:
    generation = up.ask("loc/m")
    assert up.end(generation)["state"] == "completed"
    return generation


def listed(up: Running) -> int:
    return len(up.call("GET", "/v1/generations").document["data"])


@pytest.mark.mended("front-2")
def test_a_page_of_another_site_gets_and_changes_nothing(up: Running, ended: str) -> None:
    before = listed(up)
    one = f"/v1/generations/{ended}"
    rebound = {"Host": f"rebound.example:{up.port}"}
    for method, path in (("GET", "/"), ("GET", "/v1/generations"), ("GET", f"{one}/events"), ("DELETE", one)):
        assert up.call(method, path, headers=rebound).status == 421, path
    refused = up.call("POST", "/v1/generations", POST, rebound)
    assert (refused.status, "MIDSTREAM_ALLOWED_HOSTS" in refused.document["detail"]) == (421, True)
    for path in ("/livez", "/readyz"):
        assert up.call("GET", path, headers=rebound).status == 200
    foreign = [
        {"Origin": "https://evil.example"},
        {"Origin": f"http://127.0.0.1:{up.port + 1}"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": up.url},
    ]
    for headers in foreign:
        assert up.call("POST", "/v1/generations", POST, headers).status == 403, headers
        assert up.call("POST", f"{one}/cancel", None, headers).status == 403, headers
        assert up.call("DELETE", one, None, headers).status == 403, headers
    assert (listed(up), up.call("GET", one).status) == (before, 200)


@pytest.mark.mended("front-2", guard=True)
def test_its_own_page_and_programs_are_answered(up: Running) -> None:
    ours = [
        {"Origin": up.url},
        {"Sec-Fetch-Site": "same-origin", "Origin": up.url},
        {"Host": f"LOCALHOST:{up.port}", "Origin": f"http://localhost:{up.port}"},
        {"Host": "[::1]", "Origin": "http://[::1]:80"},
        {"Content-Type": "application/json; charset=utf-16"},
    ]
    for headers in ours:
        assert up.call("POST", "/v1/generations", POST, headers).status == 202, headers


@pytest.mark.mended("front-2")
def test_a_body_is_json_as_it_is(up: Running) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        assert up.call("POST", "/v1/generations", POST, {"Content-Type": kind}).status == 415, kind
    for coding in ("gzip", "br", "identity, deflate"):
        refused = up.call("POST", "/v1/generations", POST, {"Content-Encoding": coding})
        assert (refused.status, refused.headers.get("accept-encoding")) == (415, "identity"), coding
    assert up.call("POST", "/v1/generations", POST, {"Content-Encoding": "identity"}).status == 202


@pytest.mark.mended("front-6")
def test_a_slash_at_the_end_sends_nobody_elsewhere(up: Running) -> None:
    for method, path in (("POST", "/v1/generations/"), ("GET", "/v1/models/"), ("GET", "/livez/")):
        refused = up.call(method, path, POST if method == "POST" else None)
        assert (refused.status, refused.headers.get("location")) == (404, None), path


@pytest.mark.mended("front-7")
def test_a_stream_is_not_to_be_compressed(up: Running, ended: str) -> None:
    streams = [
        up.call("GET", f"/v1/generations/{ended}/events"),
        up.call("POST", "/v1/generations", POST, STREAM),
    ]
    for stream in streams:
        assert "no-transform" in stream.headers["cache-control"]


def dispatched(stream: bytes) -> Iterator[str]:
    """Ids of the blocks that are whole."""
    for block in stream.split(b"\n\n")[:-1]:
        yield from re.findall(r"^id: (\S+)$", block.decode(), re.MULTILINE)


@pytest.mark.mended("front-8")
def test_hardly_a_cut_loses_an_event_to_who_takes_the_id_at_its_line(up: Running, ended: str) -> None:
    stream = up.call("GET", f"/v1/generations/{ended}/events").raw
    losing: dict[str, int] = {}
    for cut in range(len(stream)):
        seen = re.findall(rb"^id: (\S+)\n", stream[:cut], re.MULTILINE)
        if seen and seen[-1].decode() not in dispatched(stream[:cut]):
            losing[seen[-1].decode()] = losing.get(seen[-1].decode(), 0) + 1
    assert len(list(dispatched(stream))) > 4
    assert max(losing.values(), default=0) <= 2, losing


@pytest.mark.mended("front-8")
def test_cursors_that_packages_send_are_taken(up: Running, ended: str) -> None:
    ids = [event.id for event in up.events(ended)]
    path = f"/v1/generations/{ended}/events"
    for name in ("last_event_id", "lastEventId", "lastEventID", "Last-Event-ID"):
        assert list(dispatched(up.call("GET", f"{path}?{name}={ids[1]}").raw)) == ids[2:], name


@pytest.mark.mended("front-8")
def test_a_post_that_is_repeated_resumes(up: Running) -> None:
    def post(key: str, cursor: str = "") -> Answer:
        headers = STREAM | {"Idempotency-Key": key, "Last-Event-ID": cursor}
        return up.call("POST", "/v1/generations", POST, headers)

    first = post("k")
    ids = list(dispatched(first.raw))
    assert len(ids) > 4
    again = post("k", ids[2])
    assert (again.status, list(dispatched(again.raw))) == (200, ids[3:])
    assert b"event: reset" not in again.raw
    over = post("k", ids[-1])
    assert (over.status, list(dispatched(over.raw))) == (200, [])
    assert b"event: reset" in post("another", ids[2]).raw
    # A space at the end of a header's value is none of it.
    assert post("k ").headers["location"] == first.headers["location"]


@pytest.mark.mended("front-9")
def test_clients_that_split_lines_read_all_of_it(up: Running, ended: str) -> None:
    stream = up.call("GET", f"/v1/generations/{ended}/events").raw.decode()
    assert len(stream.splitlines()) == stream.count("\n")
    said = "".join(event.data["delta"] for event in up.events(ended) if event.event == "delta")
    assert said == LINES
    # Each block has data: some clients make an event of one that has none.
    assert all("\ndata: " in f"\n{block}" for block in stream.split("\n\n")[:-1])


@pytest.mark.mended("front-9")
def test_a_heartbeat_is_no_block(up: Running) -> None:
    stream = up.call("GET", f"/v1/generations/{up.ask('loc/slow')}/events").raw
    assert stream.count(b"\n: ") >= 2
    assert b": \n\n" not in stream
