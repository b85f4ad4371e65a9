"""Tracing begins where it is asked for, and nothing of OpenTelemetry is there where it is not."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import pytest

from shared.tracing.begin import begin_tracing
from shared.tracing.tracing import NO_TRACING
from tests.harness.collector import Collector
from tests.harness.repository import ROOT

LOADED = """
import json, os, sys
import api.app, worker.main, midstream.main
from shared.config.settings import Settings
from shared.tracing.begin import begin_tracing
api.app.create_app(Settings(), tracing=begin_tracing("midstream-api"))
print(json.dumps([name for name in sys.modules if name.partition(".")[0] == "opentelemetry" or "otel" in name]))
"""


def loaded(environment: dict[str, str]) -> list[str]:
    """Modules of OpenTelemetry in a process that has both programs and began an API."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", LOADED]
    done = subprocess.run(
        command, env=plain | environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    names: list[str] = json.loads(done.stdout)
    return names


def ours(names: list[str]) -> list[str]:
    """Without the bare interface, which FastAPI and the SDK of Anthropic load: it does nothing by itself."""
    rooms = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "opentelemetry.semconv", "shared.")
    return [name for name in names if name.startswith(rooms)]


def test_without_the_variables_nothing_that_records_is_loaded() -> None:
    assert ours(loaded({})) == []
    assert ours(loaded({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"})) == []
    asked = ours(loaded({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}))
    assert {"opentelemetry.sdk.trace", "shared.tracing.otel_tracing"} <= set(asked)


def test_without_its_packages_a_warning_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "shared.tracing.otel_tracing", None)
    assert begin_tracing("midstream-api", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}) is NO_TRACING
    [line] = caplog.records
    assert line.levelno == logging.WARNING
    assert 'Install "midstream[otel]"' in line.getMessage()


def test_what_the_sdk_cannot_use_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "http://user:secret@127.0.0.1:1"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", secret)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "-5")
    assert begin_tracing("midstream-api") is NO_TRACING
    [line] = [record for record in caplog.records if record.name == "midstream.tracing"]
    assert "does not begin" in line.getMessage()
    assert "secret" not in caplog.text


def test_what_is_not_there_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert begin_tracing("x", {"OTEL_TRACES_EXPORTER": "console"}) is NO_TRACING
    assert "OTEL_TRACES_EXPORTER" in caplog.text


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "midstream-worker"),
        ({"OTEL_SERVICE_NAME": "mine"}, "mine"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=ours,team=a"}, "ours"),
    ],
)
async def test_its_name_is_what_the_variables_say(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    with Collector() as collector:
        for name, value in (variables | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}).items():
            monkeypatch.setenv(name, value)
        tracing = begin_tracing("midstream-worker")
        tracing.span("step", "internal", None, {}).end()
        await tracing.aclose()
        assert [span.service for span in collector.spans()] == [expected]
