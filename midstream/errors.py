"""What the command line says when it cannot do its work."""


class StartError(Exception):
    """This machine lacks or holds something, so nothing starts; its text is one line, with the remedy."""


class ClientError(Exception):
    """A client command cannot do what it was asked; the text is one line, safe for a terminal.

    `exit_code` is what the command ends with. `passing` says that the same request may do better later, and
    `retry_after` (seconds) when, where the server named a time.

    ClientError        1  the server said no, or its answer makes no sense
    ├── Refused        2  the request is wrong as it is written (400, 413, 422)
    ├── NotFound       3  unknown, not yours, expired or deleted (404, 410)
    ├── Denied         4  the key is missing or wrong (401, 403)
    └── Unreachable    5  no answer, or one that says: not now (502, 503, 504)
    """

    exit_code = 1

    def __init__(self, message: str, *, passing: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.passing = passing
        self.retry_after = retry_after


class Refused(ClientError):
    """The request is wrong as it is written: trying again does not help."""

    exit_code = 2


class NotFound(ClientError):
    """No such generation: unknown, of another owner, expired or deleted."""

    exit_code = 3


class Denied(ClientError):
    """The API wants a key, or another one."""

    exit_code = 4


class Unreachable(ClientError):
    """No Midstream API answers at the address."""

    exit_code = 5
