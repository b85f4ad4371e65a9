"""What a request goes on from: found and measured as it is accepted, read by its worker."""

from api.intake.request_body import ReadRequest
from api.problems.problem import FieldError, ProblemError, unavailable, unprocessable
from api.services import ApiServices
from shared.errors import PreviousError
from shared.generations.ancestry import MAX_ANCESTORS, Ancestry
from shared.record import Chain
from shared.request.limits import MAX_MESSAGES

POINTER = "/previous"
_TITLE, _DETAIL = "It cannot be gone on from", "Correct what `errors` names and send the request again."
_FOR_GOOD = {"x-should-retry": "false"}
"""OpenAI's and Anthropic's SDKs send again what was answered 409, unless this says otherwise (`_should_retry`)."""
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
    match error.reason:
        case "unknown":
            # As unknown and another's: ids cannot be probed.
            return unprocessable(_wrong("names no generation of yours; check the id and the key"), "previous_not_found")
        case "too_long":
            message = (
                f"is too long to go on from: all of it may have {most} bytes, {MAX_MESSAGES} messages and "
                f"{MAX_ANCESTORS} generations; begin a new one with what matters"
            )
            return unprocessable(_wrong(message), "previous_too_long")
        case "not_ended":
            errors = _wrong("has not ended; wait for its end, or cancel it")
            return ProblemError(409, "previous_not_ended", _TITLE, _DETAIL, errors=errors)
        case "failed":
            errors = _wrong("has failed; go on from the one before it, with its messages again")
            return ProblemError(409, "previous_failed", _TITLE, _DETAIL, errors=errors, headers=_FOR_GOOD)
        case "not_stored":
            errors = _wrong("was asked with store: false; send its input and output again")
            return ProblemError(409, "previous_not_stored", _TITLE, _DETAIL, errors=errors, headers=_FOR_GOOD)
    which = "has" if error.id == previous else f"goes on from {error.id}, which has"
    errors = _wrong(f"{which} expired or was deleted; send the conversation as messages")
    return ProblemError(409, "previous_gone", _TITLE, _DETAIL, errors=errors, headers=_FOR_GOOD)


def _wrong(message: str) -> list[FieldError]:
    return [FieldError(pointer=POINTER, message=message)]
