"""The failures of a request that cannot be asked, as it, or the conversation that it goes on from, cannot be had."""

from shared.errors import PreviousError
from shared.generations.ancestry import MAX_ANCESTORS
from shared.log.events import Failed
from shared.request.limits import MAX_MESSAGES

UNREADABLE = Failed(code="internal_error", message="The stored request cannot be read.", retryable=False)


def failure_of(error: PreviousError, most: int) -> Failed:
    """Returns the end of a generation whose conversation is not there or does not fit; `most` is `max_body`."""
    match error.reason:
        case "unpaired":
            message = f"A tool's call has no result, or a result no call, in what goes on from {error.id}."
            return Failed(code="bad_request", message=message, retryable=False)
        case "too_long":
            message = (
                f"With all that it goes on from it has more than {most} bytes, {MAX_MESSAGES} messages or "
                f"{MAX_ANCESTORS} generations."
            )
            return Failed(code="previous_too_long", message=message, retryable=False)
    message = f"It goes on from {error.id}, which has expired or was deleted."
    return Failed(code="previous_gone", message=message, retryable=False)
