"""What the standard variables of OpenTelemetry ask for: which signals are sent, to whom only its SDK reads.

"Environment Variable Specification" and "OpenTelemetry Protocol Exporter" of the OpenTelemetry specification.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Signal = Literal["traces", "metrics"]
_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be sent, and what of the variables we cannot do."""

    traces: bool = False
    metrics: bool = False
    complaints: tuple[str, ...] = ()
    """A sentence for each, with what to do."""

    @property
    def anything(self) -> bool:
        """Says whether anything is to be sent."""
        return self.traces or self.metrics


def wanted(environment: Mapping[str, str]) -> Wanted:
    """Returns what these variables ask for: nothing, unless one of them names an endpoint or the exporter `otlp`."""
    given = {name: value.strip() for name, value in environment.items() if name.startswith("OTEL_") and value.strip()}
    if given.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Wanted()
    complaints: list[str] = []
    traces, metrics = (_sent(given, signal, complaints) for signal in ("traces", "metrics"))
    return Wanted(traces, metrics, tuple(complaints))


def _sent(given: Mapping[str, str], signal: Literal["traces", "metrics"], complaints: list[str]) -> bool:
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    endpoint = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    exporter = given.get(variable, "").lower()
    if exporter == "none" or not (exporter or endpoint in given or "OTEL_EXPORTER_OTLP_ENDPOINT" in given):
        return False
    if exporter not in ("", "otlp"):
        complaints.append(f"{variable} names an exporter that is not there: {signal} are not sent; set it to otlp.")
        return False
    name = f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL"
    name = name if name in given else _PROTOCOL
    if given.get(name, "http/protobuf") != "http/protobuf":
        complaints.append(
            f"{name} names a protocol that is not spoken: {signal} are not sent; set it to http/protobuf, and the "
            "endpoint to the collector's port for HTTP, mostly 4318."
        )
        return False
    return True
