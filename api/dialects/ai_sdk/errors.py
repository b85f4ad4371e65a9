"""Errors as clients of the AI SDK read them: the body's text is the message of what they throw.

Version 6 throws `new Error(await response.text())`, 7 an `APICallError` with the same message and the status
(`http-chat-transport.ts`); apps show that message to people.
"""

from api.problems.problem import ProblemError


def text(problem: ProblemError, request_id: str = "") -> str:
    """Returns an error in sentences, with the remedy of each field."""
    errors = [
        f"{one.pointer.removeprefix('/').replace('/', '.') or 'The body'} {one.message}" for one in problem.errors
    ]
    return " ".join([f"{problem.title}. {problem.detail}", *(f"{error.rstrip('.')}." for error in errors)])


def status(problem: ProblemError) -> int:
    """Returns the HTTP status of an error."""
    return problem.status
