"""What leaves a process, when it ends and when the collector does not take it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from shared.tracing.begin import begin_tracing
from tests.harness.collector import Collector


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")


async def test_an_outage_is_told_once_and_its_end_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with Collector("fails") as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        tracing = begin_tracing("test")
        for n in range(3):
            tracing.span("lost", "internal", None, {}).end()
            await collector.until(lambda n=n: len(collector.bodies) > n)  # type: ignore[misc]
        collector.mood = "takes"
        tracing.span("seen", "internal", None, {}).end()
        await collector.until(lambda: "reach the collector again" in caplog.text)
        await tracing.aclose()
    told = [(record.levelno, record.getMessage().partition(":")[0]) for record in caplog.records]
    assert told == [
        (logging.WARNING, "spans do not reach the collector"),
        (logging.INFO, "spans reach the collector again"),
    ]


async def test_a_silent_collector_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.tracing.otel_export.FLUSH_S", 0.2)
    with Collector("hangs") as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        tracing = begin_tracing("test")
        tracing.span("stuck", "internal", None, {}).end()
        await collector.until(lambda: collector.bodies != [])
        async with asyncio.timeout(8):  # an export may take ten
            await tracing.aclose()


async def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5")
    with Collector("hangs") as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        tracing = begin_tracing("test")
        tracing.span("first", "internal", None, {}).end()
        await collector.until(lambda: collector.bodies != [])
        for n in range(100):
            tracing.span(str(n), "internal", None, {}).end()
        collector.mood = "takes"
        collector._left.set()
        await tracing.aclose()
        names = [span.name for span in collector.spans()]
    assert names[0] == "first"
    assert set(names[1:]) <= {str(n) for n in range(90, 100)} | {"first"}
