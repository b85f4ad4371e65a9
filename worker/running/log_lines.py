"""What the worker's log says of each generation: its start, its end, and why it failed. Never what was asked or said.

One line each, of `name=value`, so that a program can read them: without metrics, an operator sees here who is down.
"""

import json
import logging
import re
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

from shared.config.provider_settings import ProviderSettings
from shared.log.events import Cancelled, Completed, Failed
from shared.record import Record

logger = logging.getLogger("midstream.worker")

MAX_NAME_CHARS = 120
_PLAIN = re.compile(r"[\w./:@+-]+", re.ASCII)


def start(record: Record, model: str, number: int) -> None:
    """Logs that a generation begins on this worker, with this attempt."""
    logger.info(
        "%s started%s",
        record.id,
        _pairs(owner=record.owner, model=shown(model), attempt=number),
        extra=_fields(record, attempt=number, model=shown(model)),
    )


def end(
    record: Record,
    model: str,
    number: int,
    ms: int,
    ended: Completed | Failed | Cancelled,
    endpoint: ProviderSettings | None,
) -> None:
    """Logs that a generation has ended, `ms` after it was accepted.

    `endpoint` is that of its last attempt, where one was asked.
    """
    usage = ended.usage
    counted = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens} if usage else {}
    told: dict[str, str | int] = {"model": shown(model), "attempts": number, **counted, "ms": ms}
    pairs = _pairs(owner=record.owner, **told)
    told["attempt"] = number
    if isinstance(ended, Failed):
        # The address may hold what is nobody's business; its host is what one looks for.
        host = {"host": urlsplit(endpoint.address).netloc.rpartition("@")[2]} if endpoint else {}
        fields = _fields(record, **told, **host, code=ended.code, provider=model.partition("/")[0])
        logger.warning("%s failed%s", record.id, _pairs(code=ended.code) + pairs + _pairs(**host), extra=fields)
    else:
        finish = {"finish_reason": ended.finish_reason} if isinstance(ended, Completed) else {}
        fields = _fields(record, **told, **finish)
        logger.info("%s %s%s", record.id, ended.type, pairs + _pairs(**finish), extra=fields)


def shown(model: str) -> str:
    """Returns a model's name as a log shows it: without the simulator's parameters, and up to what no name holds.

    What a caller wrote behind a newline would be found in the log, however it is escaped.
    """
    name = model.partition("?")[0]
    plain = "".join(takewhile(str.isprintable, name))
    return plain if plain == name else plain + "…"


def place(error: Exception) -> str | None:
    """Returns where an error was raised, as `function:line`: its text may hold a prompt."""
    traceback = error.__traceback__
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    return traceback and f"{traceback.tb_frame.f_code.co_name}:{traceback.tb_lineno}"


def _pairs(**pairs: str | int) -> str:
    """Returns each as ` name=value`; a text that could be taken for more than one value, or for a line, as JSON."""
    return "".join(f" {name}={value if isinstance(value, int) else _text(value)}" for name, value in pairs.items())


def _fields(record: Record, **fields: str | int) -> dict[str, Any]:
    """Returns the same for a line that is JSON (shared/process/json_lines.py)."""
    cut = {name: value[:MAX_NAME_CHARS] if isinstance(value, str) else value for name, value in fields.items()}
    return {"fields": {"generation": record.id, "owner": record.owner, **cut}}


def _text(text: str) -> str:
    cut = text if len(text) <= MAX_NAME_CHARS else text[:MAX_NAME_CHARS] + "…"
    return cut if _PLAIN.fullmatch(cut) else json.dumps(cut)
