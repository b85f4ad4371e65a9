"""Why a call of the client failed.

ClientError               the server said no, or its answer makes no sense
├── RefusedError          the request is wrong as it is written (400, 405, 413, 415, 422, 431)
├── DeniedError           the key is missing or wrong, or may not do this (401, 403)
├── NotFoundError         unknown, or not yours (404)
│   └── GoneError         expired or deleted (410)
└── UnreachableError      no answer, or one that says: not now (502, 503, 504)
    └── NotMidstreamError something else answers at this address
"""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """What was asked for cannot be had.

    `status` and `code` are those of the answer (docs/protocol.md, Errors), and `problem` is all of it; they are None
    and empty where there was none. `retryable` says whether the same may succeed later, `retry_after` in how many
    seconds, where the server named a time. The client has tried again itself for as long as its budget goes.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        status: int | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after
        self.status = status
        self.problem = dict(problem or {})

    @property
    def code(self) -> str | None:
        """The stable name of the problem, for programs; None where the answer has none."""
        code = self.problem.get("code")
        return code if isinstance(code, str) else None


class RefusedError(ClientError):
    """The request is wrong as it is written: trying again does not help."""


class DeniedError(ClientError):
    """The server wants a key, or another one."""


class NotFoundError(ClientError):
    """It is unknown, or another owner's."""


class GoneError(NotFoundError):
    """It has expired, or was deleted."""


class UnreachableError(ClientError):
    """No Midstream answers at the address."""


class NotMidstreamError(UnreachableError):
    """What answers at the address does not speak the protocol."""
