"""Where in the caller's body stands what a native pointer names (JSON Pointer, RFC 6901)."""

from api.problems.problem import FieldError, ProblemError

FIELDS = {
    "/messages": "/input",
    "/max_tokens": "/max_output_tokens",
    "/response_format/json_schema": "/text/format",
    "/response_format": "/text/format",
    "/verbosity": "/text/verbosity",
    "/reasoning_effort": "/reasoning/effort",
    "/logprobs": "/include",
    "/previous": "/previous_response_id",
    "/tool_choice/function": "/tool_choice",
}
"""Fields that have another name here."""


class Pointers:
    """What was converted, by its native pointer."""

    def __init__(self) -> None:
        self._places: dict[str, str] = dict(FIELDS)

    def put(self, native: str, own: str) -> None:
        """Notes what a native pointer stands for."""
        self._places[native] = own

    def __call__(self, native: str) -> str:
        """Returns the caller's pointer: that of the nearest whole that was noted, and what is left of it."""
        whole = native
        while whole:
            if (own := self._places.get(whole)) is not None:
                return own + native[len(whole) :]
            whole = whole.rpartition("/")[0]
        return native


def refused(pointer: str, message: str, code: str = "unsupported_field") -> ProblemError:
    """Returns the problem of a field that cannot be honoured."""
    return ProblemError(
        400,
        code,
        "The request is not valid",
        "Correct what `errors` names and send the request again.",
        errors=[FieldError(pointer=pointer, message=message)],
    )


def wrong(pointer: str, message: str) -> ProblemError:
    """Returns the problem of a field that is not what it should be."""
    return refused(pointer, message, "invalid_request")
