"""What the command line says when it cannot do its work."""

from shared.errors import MidstreamError


class StartError(MidstreamError):
    """This machine lacks or holds something, so nothing starts; its text is one line, with the remedy."""


class ClientError(MidstreamError):
    """A client command cannot do what it was asked; the text is one line, safe for a terminal.

    `exit_code` is what the command ends with. `retry_after` are the seconds
    after which the server wants to be asked again, where it named a time.

    The exit codes: 1, the server said no, or its answer makes no sense; 2, the request is wrong as it is written (400,
    413, 422); 3, unknown, not yours, expired or deleted (404, 410); 4, the key is missing or wrong (401, 403); 5, no
    answer, or one that says: not now (502, 503, 504).
    """

    exit_code = 1

    def __init__(self, message: str, *, retryable: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after


class RefusedError(ClientError):
    """The request is wrong as it is written: trying again does not help."""

    exit_code = 2


class NotFoundError(ClientError):
    """No such generation: unknown, of another owner, expired or deleted."""

    exit_code = 3


class DeniedError(ClientError):
    """The API wants a key, or another one."""

    exit_code = 4


class UnreachableError(ClientError):
    """No Midstream API answers at the address."""

    exit_code = 5
