"""Attempts and their models, repeated POSTs, shared answers, costs and pages of generations."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.running import Running, until
from tests.mended.upstream import CUT, DONE, Script, Upstream, answer, chunk, counted

MANY = 6


def slow(text: str = "x ", times: int = 200) -> Script:
    """An answer of 20 s, which counts at its end."""
    return Script([chunk({"content": "begun "}), *[0.1, chunk({"content": text})] * times, chunk({}, "stop"), DONE])


def broken(text: str = "half ") -> Script:
    return Script([chunk({"content": text}), 0.2, CUT])


def busy(seconds: int) -> Script:
    return Script([b'{"error":{"message":"slow down"}}'], 429, "application/json", {"retry-after": str(seconds)})


LENGTH = Script([chunk({"content": "cut"}), chunk({}, "length"), counted(5, 7), DONE])
SCRIPTS: dict[str, Any] = {
    "good": answer("whole answer"),
    "cuts": broken(),
    "cuts-too": broken(),
    "busy": busy(60),
    "hurried": [busy(1), answer("whole answer")],
    "slow": slow(),
    "shared": slow(),
    "shared-length": LENGTH,
    "shared-limit": LENGTH,
    "shared-filter": Script([chunk({"content": "cut"}), chunk({}, "content_filter"), counted(5, 7), DONE]),
    "shared-whole": answer("whole answer"),
    "counted": answer("whole answer"),
    "goes-on": [broken(), slow("and more ")],
    "lost": [slow(), answer("whole answer")],
}
PRICES = '[prices."loc/*"]\ninput = 1\noutput = 2\n'


@pytest.fixture(scope="module")
def upstream(serve_shared: Serve) -> Upstream:
    return serve_shared(SCRIPTS)


def tables(upstream: Upstream) -> str:
    return upstream.toml("loc") + upstream.toml("con", prefill="assistant") + PRICES


@pytest.fixture(scope="module")
def running(start_shared: Start, upstream: Upstream) -> Running:
    env = {"MIDSTREAM_DRAIN_TIMEOUT": "0", "MIDSTREAM_LEASE": "1", "MIDSTREAM_TOMBSTONE_TTL": "3"}
    return start_shared(toml=tables(upstream), env=env)


def said(running: Running, generation_id: str) -> bool:
    return bool(running.snapshot(generation_id)["text"])


def usage(running: Running, model: str) -> Any:
    """The totals of one model, empty before there are any."""
    data = running.call("GET", "/v1/usage").document["data"]
    return next((line for line in data if line["model"] == model), {"generations": {}})


@pytest.mark.mended("answers-5")
def test_continuing_reaches_every_fallback(running: Running, upstream: Upstream) -> None:
    generation_id = running.ask("con/cuts", fallback=["con/cuts-too", "con/good"], on_interrupt="continue")
    end = running.end(generation_id)
    assert (end["state"], end["text"]) == ("completed", "whole answer")
    reasons = [attempt["reason"] for attempt in end["attempts"]]
    assert reasons == ["new", "provider_error", "provider_error", "fallback", "fallback"]
    assert [len(upstream.sent[model]) for model in ("cuts", "cuts-too")] == [3, 1]


@pytest.mark.mended("answers-8")
def test_each_call_of_a_continued_answer_is_in_what_was_spent(running: Running, upstream: Upstream) -> None:
    """Also where the server calls all its answers the same."""
    end = running.end(running.ask("con/cuts", fallback=["con/good"], on_interrupt="continue"))
    last = running.events(end["id"])[-1]
    called = [(attempt["number"], attempt["model"], attempt["usage"]) for attempt in end["attempts"]]
    assert [(line["attempt"], line["model"], line["usage"]) for line in last.data["spent"]] == called
    assert (end["model"], end["answered_by"]) == ("con/cuts", "con/good")


@pytest.mark.mended("answers-5")
def test_a_long_retry_after_is_not_waited_out_with_a_fallback_at_hand(running: Running, upstream: Upstream) -> None:
    end = running.end(running.ask("loc/busy", fallback=["loc/good"]))
    assert (end["state"], [attempt["reason"] for attempt in end["attempts"]]) == ("completed", ["new", "fallback"])
    assert len(upstream.sent["busy"]) == 1


@pytest.mark.mended("answers-5", guard=True)
def test_a_short_retry_after_is_waited_out(running: Running, upstream: Upstream) -> None:
    end = running.end(running.ask("loc/hurried", fallback=["loc/good"]))
    assert (end["state"], [attempt["reason"] for attempt in end["attempts"]]) == ("completed", ["new"])
    assert len(upstream.sent["hurried"]) == 2


@pytest.mark.mended("answers-5")
@pytest.mark.parametrize("choice", ["restart", "continue"])
def test_a_worker_that_is_lost_once_too_often_leaves_it_to_the_fallback(
    start: Start, upstream: Upstream, choice: str
) -> None:
    running = start(toml=tables(upstream), env={"MIDSTREAM_MAX_ATTEMPTS": "1", "MIDSTREAM_LEASE": "1"})
    generation_id = running.ask("con/slow", fallback=["con/good"], on_interrupt=choice)
    until(lambda: said(running, generation_id), running=running)
    running.kill_worker()
    end = running.end(generation_id)
    assert (end["state"], [attempt["reason"] for attempt in end["attempts"]]) == ("completed", ["new", "fallback"])


def post(running: Running, key: str, model: str, **headers: str) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return running.call("POST", "/v1/generations", body, {"Idempotency-Key": key, **headers})


@pytest.fixture(scope="module")
def narrow(start_shared: Start, upstream: Upstream) -> Running:
    """Two generations may be pending; two have ended, and are no more."""
    running = start_shared(toml=tables(upstream), env={"MIDSTREAM_MAX_PENDING": "2"})
    for name in ("a", "b"):
        running.end(post(running, name, "loc/good").document["id"])
    until(lambda: usage(running, "loc/good")["generations"].get("completed") == 2, running=running)
    return running


@pytest.mark.mended("answers-6")
def test_a_repeated_post_of_an_ended_generation_takes_no_place(narrow: Running) -> None:
    repeated = [post(narrow, name, "loc/good") for name in ("a", "b")]
    assert [one.status for one in repeated] == [202, 202]
    fresh = post(narrow, "fresh", "loc/slow")
    assert fresh.status == 202
    running = post(narrow, "running", "loc/slow")
    assert running.status == 202
    assert post(narrow, "third", "loc/slow").status == 429
    # Full: what is there is found all the same, and a fresh one is refused.
    for name, model, state in (("a", "loc/good", "completed"), ("running", "loc/slow", None)):
        again = post(narrow, name, model)
        assert (again.status, again.headers.get("idempotent-replayed")) == (202, "true")
        assert state in (None, again.document["state"])
    assert post(narrow, "a", "loc/good", Accept="text/event-stream").status == 200
    assert post(narrow, "a", "loc/slow").document["code"] == "idempotency_key_reused"
    gone = post(narrow, "b", "loc/good").document["id"]
    assert narrow.call("DELETE", f"/v1/generations/{gone}").status == 204
    assert post(narrow, "b", "loc/good").status == 410
    for one in (fresh, running):
        narrow.call("POST", f"/v1/generations/{one.document['id']}/cancel")


def followed(running: Running, ids: list[str]) -> str | None:
    """The one that asked the provider, if the others say what it says."""
    found = [running.snapshot(generation_id) for generation_id in ids]
    if not all(one["text"] and one["attempts"] for one in found):
        return None
    asking = [one["id"] for one in found if not one["attempts"][-1]["cached"]]
    return asking[0] if len(asking) == 1 else None


@pytest.mark.mended("answers-7")
@pytest.mark.parametrize(("how", "seed"), [("cancel", 1), ("delete", 2)])
def test_one_follower_leads_however_often_the_leader_ends(
    running: Running, upstream: Upstream, how: str, seed: int
) -> None:
    def asked() -> int:
        return sum(sent.body["seed"] == seed for sent in upstream.sent["shared"])

    ids = [running.ask("loc/shared", cache={"ttl": 60}, seed=seed) for _ in range(MANY)]
    for times in range(1, 4):
        leader = until(lambda: followed(running, ids), running=running)
        assert asked() == times
        ids.remove(leader)
        if how == "cancel":
            running.call("POST", f"/v1/generations/{leader}/cancel")
        else:
            running.call("DELETE", f"/v1/generations/{leader}")
    until(lambda: followed(running, ids), running=running)
    assert asked() == 4
    for generation_id in ids:
        running.call("DELETE", f"/v1/generations/{generation_id}")


@pytest.mark.mended("answers-7")
@pytest.mark.parametrize("model", ["shared-length", "shared-filter"])
def test_a_cut_answer_is_asked_again(running: Running, upstream: Upstream, model: str) -> None:
    for _ in range(2):
        running.end(running.ask(f"loc/{model}", cache={"ttl": 60}))
    assert len(upstream.sent[model]) == 2


@pytest.mark.mended("answers-7", guard=True)
@pytest.mark.parametrize(("model", "fields"), [("shared-limit", {"max_tokens": 7}), ("shared-whole", {})])
def test_a_whole_one_and_one_of_the_requests_own_limit_are_said_again(
    running: Running, upstream: Upstream, model: str, fields: dict[str, Any]
) -> None:
    for _ in range(2):
        running.end(running.ask(f"loc/{model}", cache={"ttl": 60}, **fields))
    assert len(upstream.sent[model]) == 1


@pytest.mark.mended("answers-8")
def test_a_cancelled_one_that_nobody_counted_is_unpriced_and_estimated(running: Running) -> None:
    generation_id = running.ask("loc/slow")
    until(lambda: said(running, generation_id), running=running)
    running.call("POST", f"/v1/generations/{generation_id}/cancel")
    end = running.end(generation_id)
    assert (end["state"], end["cost"]) == ("cancelled", None)
    (line,) = end["attempts"]
    assert (line["model"], line["estimated"]) == ("loc/slow", True)
    assert line["usage"]["output_tokens"] > 0
    last = running.events(generation_id)[-1]
    (paid,) = last.data["spent"]
    assert (last.event, paid["usage"], paid["cost"]) == ("cancelled", line["usage"], line["cost"])
    assert end["usage"] is None, "a guess is in no sum"
    until(lambda: usage(running, "loc/slow")["generations"].get("cancelled"), running=running)
    assert usage(running, "loc/slow")["unpriced"] == 1


@pytest.mark.mended("answers-8")
def test_a_lost_attempt_makes_the_cost_a_lower_bound(running: Running) -> None:
    generation_id = running.ask("loc/lost")
    until(lambda: said(running, generation_id), running=running)
    running.kill_worker()
    end = running.end(generation_id)
    assert (end["state"], len(end["attempts"])) == ("completed", 2)
    # 5 and 7 tokens at 1 and 2 USD for a million.
    assert end["cost"] == {"amount": "0.000019", "currency": "USD", "at_least": True}
    assert [line.get("estimated", False) for line in end["attempts"]] == [True, False]
    until(lambda: usage(running, "loc/lost")["generations"].get("completed"), running=running)
    totals = usage(running, "loc/lost")
    assert (totals["unpriced"], totals["usage"]["output_tokens"]) == (1, 7)
    assert totals["cost"][0]["at_least"]


@pytest.mark.mended("answers-8", guard=True)
def test_a_counted_answer_has_its_cost_and_no_bound(running: Running) -> None:
    end = running.end(running.ask("loc/counted"))
    assert end["cost"] == {"amount": "0.000019", "currency": "USD"}


@pytest.mark.mended("answers-8")
def test_a_deploy_does_not_start_over_what_must_not(running: Running) -> None:
    generation_id = running.ask("loc/slow", on_interrupt="fail")
    until(lambda: said(running, generation_id), running=running)
    for pid in running.children("worker"):
        os.kill(pid, signal.SIGTERM)
    end = running.end(generation_id)
    assert (end["state"], end["error"]["code"], len(end["attempts"])) == ("failed", "worker_lost", 1)


@pytest.mark.mended("answers-8")
def test_a_running_snapshot_says_where_its_parts_go_on(running: Running) -> None:
    generation_id = running.ask("con/goes-on", on_interrupt="continue")
    until(lambda: len(running.snapshot(generation_id)["attempts"]) == 2, running=running)
    until(lambda: "and more" in running.snapshot(generation_id)["text"], running=running)
    snapshot = running.snapshot(generation_id)
    assert snapshot["state"] == "running"
    running.call("POST", f"/v1/generations/{generation_id}/cancel")
    places = {part["part"]: part for part in snapshot["parts"] if part["part"] is not None}
    raw = running.call("GET", f"/v1/generations/{generation_id}/events?last_event_id={snapshot['last_event_id']}").raw
    for line in raw.decode().splitlines():
        if line.startswith("data: ") and "delta" in (data := json.loads(line[6:])):
            places[data["part"]]["text"] += data["delta"]
    assert "".join(part["text"] for part in snapshot["parts"]) == running.end(generation_id)["text"]


def page(running: Running, limit: int, before: str | None = None) -> Any:
    place = f"&before={before}" if before else ""
    return running.call("GET", f"/v1/generations?limit={limit}{place}").document


@pytest.fixture
def listed(start: Start) -> Running:
    """Six generations of an owner who has no others."""
    running = start()
    for _ in range(6):
        running.end(running.ask("simulator/echo?rate=0"))
    return running


@pytest.mark.mended("answers-9")
def test_pages_hold_what_is_left_and_end(listed: Running) -> None:
    whole = page(listed, 6)
    assert (len(whole["data"]), whole["next"]) == (6, None), "the page is full, and the last"
    ids = [item["id"] for item in whole["data"]]
    first = page(listed, 2)
    for generation_id in ids[:2]:
        listed.call("DELETE", f"/v1/generations/{generation_id}")
    second = page(listed, 2, first["next"])
    assert [item["id"] for item in second["data"]] == ids[2:4]
    third = page(listed, 2, second["next"])
    assert ([item["id"] for item in third["data"]], third["next"]) == (ids[4:], None)
    assert [item["id"] for item in page(listed, 2, ids[1])["data"]] == ids[2:4], "an id that is no more is a place too"
    for wrong in ("x", "gen_" + "a" * 32):
        refused = listed.call("GET", f"/v1/generations?before={wrong}")
        assert refused.status == 422
        assert refused.document["errors"][0]["pointer"] == "before"


def redis(folder: Path, *words: str) -> bytes:
    """The reply of the embedded server to one command."""
    command = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(folder / "data" / "valkey.sock"))
        connection.sendall(command.encode())
        return connection.recv(65_536).strip()


@pytest.mark.mended("answers-9")
def test_what_a_finished_ttl_leaves_is_gone_after_the_tombstone(start: Start) -> None:
    env = {"MIDSTREAM_LEASE": "0.5", "MIDSTREAM_TOMBSTONE_TTL": "3"}
    running = start(env=env)
    generation_id = running.ask("simulator/echo?rate=0", ttl=1)
    path = f"/v1/generations/{generation_id}"
    until(lambda: running.call("GET", path).status == 410, running=running)
    until(lambda: running.call("GET", path).status == 404, running=running)
    # Nobody has read the list.
    until(lambda: redis(running.folder, "ZCARD", "midstream:owner:local") == b":0", running=running)
    assert redis(running.folder, "KEYS", f"*{generation_id}*") == b"*0"
