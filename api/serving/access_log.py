"""The access log: a line for each answer, with the request's id where it failed."""

import logging

from starlette.types import Scope

from api.request_ids import request_id

logger = logging.getLogger("uvicorn.access")


class WithoutQuery(logging.Filter):
    """Access lines show the path only: a query may hold what its sender takes for private."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) in (5, 6):
            client, method, path, *rest = record.args
            record.args = (client, method, str(path).partition("?")[0], *rest)
        return True


class AccessLog:
    """What uvicorn logs the answer to one request with; it calls `info` with a status as the last value."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def info(self, line: str, *values: object) -> None:
        """Logs a line."""
        status = values[-1] if values else None
        if isinstance(status, int) and status >= 400:
            logger.info(line + " %s", *values, request_id(self._scope))
        else:
            logger.info(line, *values)
