"""What follows a failed attempt: the end of its generation, or another attempt, and how that one begins.

The first row of which all is true decides:

| row | when | then | asks | counts | fresh |
|---|---|---|---|---|---|
| 1 | final code | seal | | | |
| 2 | said, on_interrupt is fail | seal | | | |
| 3 | copied | source_lost | anew | no | no |
| 4 | continued, not said, unexpected code | provider_error | same | no | yes |
| 5 | retryable, said, can continue, not over | provider_error | same | yes | no |
| 6 | fallbacks left | fallback | next | no | if over |
| 7 | retryable, said | provider_error | same | yes | if over |
| 8 | retryable, continued | provider_error | same | yes | if over |
| 9 | anything | seal | | | |

The conditions are the arguments of `decide`; a final code is one of `FINAL_CODES`, and an unexpected one is of none of
the three sets here. In row 4 the provider no longer has the answer, or takes no beginning of one after all. By rows 5
to 7 going on comes before another model, and another model before starting over.
"""

from dataclasses import dataclass
from enum import Enum

from shared.log.events import AttemptReason, Failed

FINAL_CODES = frozenset({
    "deadline_exceeded", "too_long", "worker_exhausted", "unknown_provider", "internal_error", "previous_gone",
    "previous_too_long",
})  # fmt: skip
"""Codes of failures that neither another attempt nor another model would mend."""
AWAY_CODES = frozenset({"connection", "overloaded", "rate_limit", "provider_timeout"})
"""Codes of failures of a provider that may go on with the answer when it is back."""
DENIED_CODES = frozenset({"authentication", "permission"})
"""Codes of failures that starting over would not mend either."""


class Choice(Enum):
    """What an attempt asks, compared with the attempt before it."""

    SAME = "same"
    NEXT = "next"
    """The next model of the request's list whose circuit is not open."""
    ANEW = "anew"
    """Another generation's log that will do; else this model, or the next whose circuit is not open."""


@dataclass(frozen=True, slots=True)
class Seal:
    """The failure is the end of the generation."""


@dataclass(frozen=True, slots=True)
class Again:
    """Another attempt follows. `reason` is what its first event says; None lets the record say it."""

    reason: AttemptReason | None
    choice: Choice
    counts: bool = True
    """The attempt that failed is one of `max_attempts`."""
    fresh: bool = False
    """It starts over, as what it would go on from is of no use."""


FIRST_ATTEMPT = Again(None, Choice.ANEW)
"""How a worker begins with a generation, whatever attempts other workers have made."""


def decide(
    failure: Failed,
    *,
    copied: bool,
    said: bool,
    continued: bool,
    over: bool,
    can_continue: bool,
    on_interrupt: str,
    fallbacks_left: bool,
) -> Seal | Again:
    """Returns what follows an attempt that ended in `failure`, as the table has it.

    `copied`: it asked no provider, but another generation's log. `said`: some of the answer was written. `continued`:
    it went on from an earlier attempt. `over`: its answer has failed, and not only the connection to it.
    `can_continue`: the next attempt of the same model would go on from what was said.
    """
    if failure.code in FINAL_CODES or (said and on_interrupt == "fail"):
        return Seal()
    if copied:
        return Again("source_lost", Choice.ANEW, counts=False)
    if continued and not said and failure.code not in AWAY_CODES | DENIED_CODES:
        return Again("provider_error", Choice.SAME, counts=False, fresh=True)
    goes_on = failure.retryable and said and can_continue and not over
    if fallbacks_left and not goes_on:
        return Again("fallback", Choice.NEXT, counts=False, fresh=over)
    if failure.retryable and (said or continued):
        return Again("provider_error", Choice.SAME, fresh=over)
    return Seal()
