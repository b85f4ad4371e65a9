"""`doctor --url`, on servers that are well, and on those that are not."""

from __future__ import annotations

from typing import Any

import pytest

from midstream.checks.finding import Finding
from midstream.checks.server_check import examine
from midstream.errors import RefusedError
from tests.midstream.scripted_api import Answer, ScriptedApi

READY: dict[str, Any] = {"status": "ok", "workers": 2, "warning": None}
MODELS: dict[str, Any] = {
    "data": [{"id": "a/b", "default": True}, {"id": "a/c", "default": False}],
    "providers": [],
    "simulated": False,
}


def found(api: ScriptedApi, *answers: Answer, key: str | None = None) -> dict[str, Finding]:
    api.answers.extend(answers)
    return {finding.subject.partition(" http")[0]: finding for finding in examine(api.url, key)}


def test_all_is_well(scripted_api: ScriptedApi) -> None:
    findings = found(scripted_api, Answer(200, {"status": "ok"}), Answer(200, READY), Answer(200, MODELS), key="k")
    assert {finding.level for finding in findings.values()} == {"ok"}
    assert findings["its workers"].state == "2 alive"
    assert findings["its models"].state == "2 models, a/b by default"
    assert [request.path for request in scripted_api.received] == ["/livez", "/readyz", "/v1/models"]
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
    nobody = READY | {"status": "no_worker", "workers": 0}
    simulated = Answer(200, MODELS | {"simulated": True})
    findings = found(scripted_api, Answer(503, {"detail": "draining"}), Answer(200, nobody), simulated)
    assert {finding.level for finding in findings.values() if finding.subject != "its Redis"} == {"warn"}


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
    findings = found(scripted_api, Answer(200, {"status": "ok"}), Answer(200, READY), Answer(500, "oops"))
    assert findings["its models"].level == "fail"
