"""`doctor --url`, on servers that are well, and on those that are not."""

from __future__ import annotations

from typing import Any

import pytest

from midstream.checks import server_check
from midstream.checks.finding import Finding
from midstream.checks.queue_check import Watch
from midstream.checks.status_source import ApiStatus
from midstream.errors import RefusedError
from midstream_client import RetryBudget
from tests.midstream.scripted_api import Answer, ScriptedApi

STATUS: dict[str, Any] = {
    "time": "2026-01-01T00:00:00.000Z",
    "queue": {"waiting": 0, "running": 1, "oldest_wait_ms": None, "pending": 2, "max_pending": 100},
    "leases": {"lease_ms": 5000, "run_out": 0, "longest_run_out_ms": None},
    "workers": {"alive": 2, "places": 20, "beat_ms": 1666, "each": []},
    "lines": {"owners": 0, "longest": []},
    "providers": [],
    "counts": {"started": 0, "ended": 0},
    "redis": [
        {
            "serves": ["logs", "queue"],
            "server": "Valkey",
            "version": "9.1.2",
            "append_only": True,
            "append_fsync": "everysec",
            "eviction": "noeviction",
            "memory_used": 5,
        }
    ],
}
"""What another version may add to is read all the same."""
READY: dict[str, Any] = {"status": "ok", "workers": 2, "warning": None}
NOT_TOLD = Answer(403, {"title": "The key does not allow that", "code": "insufficient_scope"})
MODELS: dict[str, Any] = {
    "data": [{"id": "a/b", "default": True}, {"id": "a/c", "default": False}],
    "providers": [],
    "simulated": False,
}


def examine(url: str, key: str | None) -> list[Finding]:
    with ApiStatus(url, key, lambda: RetryBudget(total=0.0)) as source:
        return list(server_check.examine(url, key, Watch(source)))


def found(api: ScriptedApi, *answers: Answer, key: str | None = None) -> dict[str, Finding]:
    api.answers.extend(answers)
    return {finding.subject.partition(" http")[0]: finding for finding in examine(api.url, key)}


def test_all_is_well(scripted_api: ScriptedApi) -> None:
    findings = found(
        scripted_api,
        Answer(200, {"status": "ok"}),
        Answer(200, READY),
        Answer(200, STATUS),
        Answer(200, MODELS),
        key="k",
    )
    assert {finding.level for finding in findings.values()} == {"ok"}
    assert findings["workers"].state == "2 alive, 20 places"
    assert findings["Redis of logs and queue"].state == "Valkey 9.1.2"
    assert findings["Redis of logs and queue, memory"].state == "5 bytes, no limit (maxmemory)"
    assert findings["its models"].state == "2 models, a/b by default"
    assert [request.path for request in scripted_api.received] == ["/livez", "/readyz", "/v1/status", "/v1/models"]
    assert {request.headers.get("authorization") for request in scripted_api.received} == {"Bearer k"}


def test_what_is_wrong_is_said_in_the_servers_words(scripted_api: ScriptedApi) -> None:
    redis = {"title": "Storage is unavailable", "detail": "Redis refuses\x1b[2J this."}
    key = {"title": "No API key", "detail": "Send one."}
    findings = found(scripted_api, Answer(200, {"status": "ok"}), Answer(503, redis), Answer(401, key))
    assert {subject: finding.level for subject, finding in findings.items()} == {
        "server": "ok",
        "its Redis": "fail",
        "its key": "fail",
    }
    assert "Redis refuses" in findings["its Redis"].state
    assert "\x1b" not in findings["its Redis"].state
    assert "MIDSTREAM_KEY" in findings["its key"].advice


def test_a_server_that_works_with_less_is_warned_of(scripted_api: ScriptedApi) -> None:
    simulated = Answer(200, MODELS | {"simulated": True})
    findings = found(scripted_api, Answer(503, {"detail": "draining"}), Answer(200, READY), NOT_TOLD, simulated)
    levels = {finding.subject.partition(" http")[0]: finding.level for finding in findings.values()}
    assert levels == {
        "server": "warn", "its Redis": "ok", "its workers": "ok", "its queue": "ok", "its models": "warn",
    }  # fmt: skip
    assert "admin" in findings["its queue"].state


@pytest.mark.parametrize("answer", [NOT_TOLD, Answer(404, {"title": "Not Found", "status": 404})])
def test_no_worker_is_a_failure_where_nobody_says_whether_something_waits(
    scripted_api: ScriptedApi, answer: Answer
) -> None:
    nobody = Answer(200, READY | {"status": "no_worker", "workers": 0})
    findings = found(scripted_api, Answer(200, {"status": "ok"}), nobody, answer, Answer(200, MODELS))
    assert (findings["its workers"].level, findings["its workers"].state) == ("fail", "none is alive")


def test_what_the_status_tells_is_judged(scripted_api: ScriptedApi) -> None:
    workers = {"alive": 0, "places": 0, "beat_ms": 1666, "each": []}
    queue = STATUS["queue"] | {"waiting": 20, "oldest_wait_ms": 400}
    redis = [STATUS["redis"][0] | {"append_only": False, "eviction": "allkeys-lru"}]
    bad = Answer(200, STATUS | {"workers": workers, "queue": queue, "redis": redis})
    findings = found(scripted_api, Answer(200, {"status": "ok"}), Answer(200, READY), bad, Answer(200, MODELS))
    assert {finding.subject for finding in findings.values() if finding.level == "fail"} == {
        "workers", "Redis of logs and queue, persistence", "Redis of logs and queue, eviction",
    }  # fmt: skip
    assert findings["workers"].state == "none is alive, and 20 generations wait"


def test_a_status_that_is_none_is_a_failure(scripted_api: ScriptedApi) -> None:
    for answer in (Answer(200, {"queue": 5}), Answer(500, {"title": "Oops"})):
        findings = found(scripted_api, Answer(200, {"status": "ok"}), Answer(200, READY), answer, Answer(200, MODELS))
        assert findings["its queue"].level == "fail"


@pytest.mark.parametrize(
    "answer", [Answer(200, "<html>"), Answer(200, "[" * 100_000), Answer(200, {}), Answer(404, {}), Answer(502, "x")]
)
def test_something_else_answers(scripted_api: ScriptedApi, answer: Answer) -> None:
    (finding,) = found(scripted_api, answer).values()
    assert finding.level == "fail"
    assert "not as Midstream does" in finding.state


def test_nobody_answers(scripted_api: ScriptedApi) -> None:
    (finding,) = examine("http://127.0.0.1:1/", None)
    assert finding.level == "fail"
    assert finding.state.startswith("no answer (")
    with pytest.raises(RefusedError):
        list(examine("127.0.0.1:1", None))
    # It goes away between two questions.
    findings = found(scripted_api, Answer(200, {"status": "ok"}), Answer(200, READY), NOT_TOLD, Answer(500, "oops"))
    assert findings["its models"].level == "fail"
