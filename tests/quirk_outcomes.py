"""What Midstream makes of each oddity that the simulator can send: all that is not the usual answer.

`tests/worker/providers/test_quirks.py` holds the adapters to it, and docs/providers.md shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from shared.log.events import FinishReason
from simulator.quirks.quirk import CHAT, MESSAGES, RESPONSES
from simulator.quirks.registry import QUIRKS


class Failure(NamedTuple):
    """How an answer fails."""

    code: str | None
    """None: of the codes that are tried again, any."""
    retryable: bool
    shown: str = ""
    """What the message has of the provider's answer."""


@dataclass(frozen=True)
class Differs:
    """In what an odd answer is read otherwise than the usual one."""

    finish: FinishReason | None = None
    """None: it ends as the usual one."""
    uncounted: bool = False
    """Its usage is null."""
    uncalled: bool = False
    """It has no calls."""


FAILURES: dict[str | tuple[str, str], Failure | None] = {
    "broken-abort": Failure("provider_error", True),
    "broken-network": Failure("provider_error", True),
    "broken-resource": Failure("provider_error", True),
    # A choice: nothing tells this from an answer that was cut, but for Messages, whose marker says the end.
    "finish-missing": Failure("incomplete_stream", True),
    (MESSAGES, "finish-missing"): None,
    (MESSAGES, "call-reason-without-call"): Failure(None, True),
    "error-event-flat": Failure("rate_limit", True),
    "error-event-typed": Failure("overloaded", True),
    "error-event-nested": Failure("rate_limit", True),
    "error-event-status": Failure("rate_limit", True),
    "error-event-text": Failure("provider_error", True),
    "error-unnamed": Failure("rate_limit", True),
    "error-code-text": Failure("rate_limit", True),
    "error-text": Failure("provider_error", True),
    "error-flat": Failure("provider_error", True),
    "error-detail": Failure("provider_error", True),
    "error-list": Failure("rate_limit", True),
    "error-field": Failure("provider_error", True),
    "error-bare": Failure("rate_limit", True),
    "error-base-resp": Failure("rate_limit", True),
    "failed-then-error": Failure("rate_limit", True),
    "failed-then-filter": Failure("content_filter", False),
    "failed-alone": Failure("provider_error", True),
    "error-document": Failure("rate_limit", True),
    "error-document-typed": Failure("rate_limit", True),
    "error-document-text": Failure("provider_error", True),
    "error-document-flat": Failure("rate_limit", True),
    "error-document-list": Failure("rate_limit", True),
    "error-document-key": Failure("authentication", False),
    "error-document-base-resp": Failure("authentication", False),
    **{name: Failure("context_length", False) for name in QUIRKS if name.startswith("too-long-")},
    "wrong-key-xai": Failure("authentication", False),
    "status-424": Failure("provider_error", True),
    "parameter-refused": Failure("bad_request", False),
    "parameter-path": Failure("bad_request", False, "tools.80.custom.input_schema"),
    (CHAT, "parameter-refused"): Failure("bad_request", False, "reasoning_effort"),
    (RESPONSES, "parameter-refused"): Failure("bad_request", False, "reasoning_effort"),
}
"""By quirk, or by protocol and quirk, which goes before. All other answers are completed."""

DIFFERENCES: dict[str | tuple[str, str], Differs] = {
    "finish-as-context-window": Differs("length"),
    "finish-as-max-tokens": Differs("length"),
    "finish-as-length": Differs("length"),
    "finish-as-sensitive": Differs("content_filter"),
    "finish-as-safety": Differs("content_filter"),
    "finish-as-filter-text": Differs("content_filter"),
    (MESSAGES, "finish-missing"): Differs("other"),
    (CHAT, "call-reason-without-call"): Differs("other"),
    "tool-nameless": Differs("other", uncalled=True),
    "usage-fraction": Differs(uncounted=True),
    "usage-list": Differs(uncounted=True),
    "usage-missing": Differs(uncounted=True),
}
"""By quirk, or by protocol and quirk. All other answers are the usual ones."""


def of(table: dict[Any, Any], protocol: str, quirk: str) -> Any:
    """What a table has for a quirk in a protocol; None where it has nothing."""
    return table.get((protocol, quirk), table.get(quirk))


def outcome_of(protocol: str, quirk: str) -> str:
    """The words of the documentation for what becomes of it."""
    failure, differs = of(FAILURES, protocol, quirk), of(DIFFERENCES, protocol, quirk)
    if failure is not None:
        code = f"`{failure.code}`" if failure.code else "a failure"
        return f"{code}, tried again" if failure.retryable else code
    if differs is None:
        return "the usual answer"
    return ", ".join(
        filter(
            None,
            (
                "no call" if differs.uncalled else "",
                "no usage" if differs.uncounted else "",
                f"`finish_reason` `{differs.finish}`" if differs.finish else "",
            ),
        )
    )
