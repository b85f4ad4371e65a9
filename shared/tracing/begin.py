"""Begins to trace where the standard variables of OpenTelemetry ask for it; else its packages are not loaded."""

import logging
import os
from collections.abc import Mapping

from shared.tracing.standard_variables import wanted
from shared.tracing.tracing import NO_TRACING, Tracing

logger = logging.getLogger("midstream.tracing")


def begin_tracing(service: str, environment: Mapping[str, str] = os.environ) -> Tracing:
    """Returns what hears of this process' steps; `service` is its name where OTEL_SERVICE_NAME says none.

    These variables are often set for all programs of a machine or a cluster: what is missing is a warning, never an
    end. Call it in the process that is traced: it starts threads.
    """
    asked = wanted(environment)
    for complaint in asked.complaints:
        logger.warning("%s", complaint)
    if not asked.anything:
        return NO_TRACING
    try:
        from shared.tracing.otel_tracing import begin
    except ImportError as error:
        logger.warning(
            "the variables OTEL_… ask for traces or metrics, and %s is not installed: nothing is sent. "
            'Install "midstream[otel]", or set OTEL_SDK_DISABLED=true.',
            error.name or "a package",
        )
        return NO_TRACING
    try:
        return begin(service, asked, environment)
    except Exception as error:
        # A value of theirs that the SDK cannot use; its text may be that of a header with a key.
        logger.warning(
            "nothing is traced: OpenTelemetry does not begin with the variables OTEL_… (%s)", type(error).__name__
        )
        return NO_TRACING
