"""The access log: a line for each answer, with the request's id where it failed."""

import logging

from starlette.types import Scope

from api.request_ids import request_id
from api.request_paths import shown_path

logger = logging.getLogger("uvicorn.access")


class WithoutQuery(logging.Filter):
    """Access lines show the path only, without a link's secret: a query may hold what its sender takes for private."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) in (5, 6):
            client, method, path, *rest = record.args
            record.args = (client, method, shown_path(str(path)), *rest)
        return True


class AccessLog:
    """What uvicorn logs the answer to one request with; it calls `info` with a status as the last value."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def info(self, line: str, *values: object) -> None:
        """Logs a line."""
        status = values[-1] if values else None
        fields: dict[str, object] = {"method": self._scope["method"], "status": status}
        if (caller := self._scope.get("state", {}).get("caller")) is not None:
            fields["owner"] = caller.owner
        if isinstance(status, int) and status >= 400:
            fields["request"] = request_id(self._scope)
            logger.info(line + " %s", *values, fields["request"], extra={"fields": fields})
        else:
            logger.info(line, *values, extra={"fields": fields})
