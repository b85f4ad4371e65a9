"""Which of the standard variables of OpenTelemetry ask for what."""

from __future__ import annotations

import pytest

from shared.tracing.standard_variables import wanted

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (False, False)),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_EXPORTER_OTLP_HEADERS": "k=v", "PATH": "/bin"}, (False, False)),
        (ENDPOINT, (True, True)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, (False, False)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, (True, False)),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c/v1/metrics"}, (False, True)),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, (True, False)),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "True"}, (False, False)),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "false"}, (True, True)),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, (False, True)),
        (ENDPOINT | {"OTEL_METRICS_EXPORTER": "None"}, (True, False)),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, (True, True)),
    ],
)
def test_what_is_sent(environment: dict[str, str], expected: tuple[bool, bool]) -> None:
    asked = wanted(environment)
    assert (asked.traces, asked.metrics, asked.complaints) == (*expected, ())
    assert asked.anything is any(expected)


def test_what_we_cannot_is_not_sent_and_told() -> None:
    asked = wanted(ENDPOINT | {"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"})
    assert not asked.anything
    exporter, protocol = asked.complaints
    assert exporter.startswith("OTEL_TRACES_EXPORTER names an exporter")
    assert protocol.startswith("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL names a protocol")
    assert wanted(ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}).complaints != ()
