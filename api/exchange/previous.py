"""What a request goes on from: found and measured as it is accepted, read by its worker."""

from api.intake.request_body import ReadRequest
from api.problems.problem import FieldError, ProblemError, unavailable
from api.services import ApiServices
from shared.errors import PreviousError
from shared.generations.ancestry import MAX_ANCESTORS, Ancestry
from shared.record import Chain
from shared.request.limits import MAX_MESSAGES

POINTER = "/previous"
_MAY_COME_BACK = frozenset({"unknown", "gone"})


async def chain_of(use: ApiServices, owner: str, taken: ReadRequest) -> Chain:
    """Returns what a request goes on from, itself included.

    Raises ProblemError 409, 422 or 503, and redis.exceptions.RedisError.
    """
    previous, size, messages = taken.request.previous, len(taken.stored), len(taken.request.messages)
    if previous is None:
        return Chain(size, messages)
    try:
        most = use.settings.max_body
        return await Ancestry(use.generations).extended(previous, owner, size=size, messages=messages, most=most)
    except PreviousError as error:
        if error.reason in _MAY_COME_BACK and await use.just_restarted(sure=True):
            raise unavailable() from None
        raise _problem(error, previous, use.settings.max_body) from None


def _problem(error: PreviousError, previous: str, most: int) -> ProblemError:
    status, title, message = 409, "It cannot be gone on from", ""
    match error.reason:
        case "unknown":
            # As unknown and another's: ids cannot be probed.
            status, code, message = 422, "previous_not_found", "names no generation of yours; check the id and the key"
        case "not_ended":
            code, message = "previous_not_ended", "has not ended; wait for its end, or cancel it"
        case "failed":
            code, message = "previous_failed", "has failed; go on from the one before it, with its messages again"
        case "not_stored":
            code, message = "previous_not_stored", "was asked with store: false; send its input and output again"
        case "too_long":
            status, code = 422, "previous_too_long"
            message = (
                f"is too long to go on from: its chain may have {most} bytes, {MAX_MESSAGES} messages and "
                f"{MAX_ANCESTORS} generations in all; begin a new one with what matters"
            )
        case _:
            which = "has" if error.id == previous else f"goes on from {error.id}, which has"
            code, message = "previous_gone", f"{which} expired or was deleted; send the conversation as messages"
    return ProblemError(
        status,
        code,
        title,
        "Correct what `errors` names and send the request again.",
        errors=[FieldError(pointer=POINTER, message=message)],
    )
